import type { Session } from "./chromium";

/** Goes to a page whose main thread is accounted for by its own clock, and waits for its load event. */
export async function openPage(page: Session, url: string): Promise<void> {
  await page.send("Performance.enable", { timeDomain: "threadTicks" });
  await page.send("Page.enable");
  const loaded = page.once("Page.loadEventFired");
  await page.send("Page.navigate", { url });
  await loaded;
}

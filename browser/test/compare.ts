import { expect } from "vitest";
import { APPLICATION, test } from "./fixture";

/** What a task is told, as JSON. */
export interface Places {
  /** The page's own origin, and another one. */
  app: string;
  other: string;
}

/**
 * A script for `before`: kept.seen is all that a page can notice without asking: its console, errors that nobody caught and
 * rejections that nobody handled.
 */
export const NOTICE = `
  window.kept = { seen: [] };
  for (const [level, original] of Object.entries(console)) {
    if (typeof original !== "function") continue;
    console[level] = (...args) => {
      kept.seen.push("console." + level + ": " + args.map(String));
      return original.apply(console, args);
    };
  }
  window.onerror = (message) => void kept.seen.push("onerror: " + message);
  addEventListener("error", (event) => kept.seen.push("error: " + event.message + event.target.src));
  for (const type of ["unhandledrejection", "rejectionhandled"]) {
    addEventListener(type, ({ reason }) => kept.seen.push(type + ": " + reason));
  }`;

/** A test that the same code sees the same in a page with the agent and in one without. It returns what it saw, a list. */
export function same(
  name: string,
  observe: (places: Places) => unknown[] | Promise<unknown[]>,
  page: Record<string, string> = {},
): void {
  test(name, async ({ page: tab, app, other }) => {
    app.scripts.set("/pass.js", PASS);
    const seenOn = async (parameters: Record<string, string>) => {
      const { before = "", ...rest } = page;
      await tab.goto(
        `${app.origin}/page?${new URLSearchParams({ html: "<p>Text</p>", before: `${NOTICE}${before}`, ...rest, ...parameters })}`,
      );
      const saw = await tab.evaluate(observe, { app: app.origin, other: other.origin });
      const noticed = await tab.evaluate(() => kept.seen);
      const ran = await tab.evaluate(() => "throughline" in window);
      return { saw, noticed, ran };
    };
    const without = await seenOn({ bare: "" });
    const linked = await seenOn({ "data-application-id": APPLICATION });
    expect([without.ran, linked.ran]).toEqual([false, true]);
    expect(without.saw).not.toEqual([]);
    expect(linked.saw).toEqual(without.saw);
    expect(linked.noticed).toEqual(without.noticed);
  });
}

/** A service worker that passes every request through. */
export const PASS = `
  addEventListener("install", () => skipWaiting());
  addEventListener("activate", (event) => event.waitUntil(clients.claim()));
  addEventListener("fetch", (event) => event.respondWith(fetch(event.request)));`;

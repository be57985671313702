import playwright, { type BrowserType, type LaunchOptions } from "playwright-core";
import type { Engine, EngineAddress, Started } from "./engine";

type Name = "chromium" | "firefox";

const OPTIONS: Record<Name, LaunchOptions> = {
  chromium: {
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  },
  // The channel is Playwright's word for "over WebDriver BiDi": its other way needs a Firefox of its own making.
  firefox: { executablePath: process.env.FIREFOX || "/usr/bin/firefox-esr", channel: "moz-firefox" },
};

/** Starts a Chromium or a Firefox that all workers share. */
export async function startPlaywright(name: Name): Promise<Started> {
  const browser = await playwright[name].launch({ ...OPTIONS[name], headless: true });
  if (name === "firefox") leaveMediaFeatures(browser);
  const { endpoint } = await browser.bind("throughline", { host: "127.0.0.1", port: 0 });
  return {
    address: { name, version: browser.version(), urls: [endpoint] },
    stop: () => browser.close(),
  };
}

/** Connects to what startPlaywright started. */
export async function connectPlaywright({ name, urls: [url = ""] }: EngineAddress): Promise<Engine> {
  const type: BrowserType = playwright[name];
  const browser = await type.connect(url);
  return {
    newProfile: async (helpers) => {
      const context = await browser.newContext({ ignoreHTTPSErrors: true });
      await context.addInitScript(helpers);
      return {
        newPage: async () => {
          const page = await context.newPage();
          return Object.assign(page, { heapUsed: () => heapUsed(page) });
        },
        setOffline: (offline) => context.setOffline(offline),
        close: () => context.close(),
      };
    },
    close: () => browser.close(),
  };
}

async function heapUsed(page: playwright.Page): Promise<number> {
  const session = await page.context().newCDPSession(page);
  try {
    await session.send("HeapProfiler.collectGarbage");
    const usage = (await session.send("Runtime.getHeapUsage")) as { usedSize: number; backingStorageSize?: number };
    return usage.usedSize + (usage.backingStorageSize ?? 0);
  } finally {
    await session.detach();
  }
}

/**
 * Every context that Playwright makes begins with a colour scheme, by a command that Firefox ESR 153 does not know.
 * No option leaves it out, so it is answered here.
 */
function leaveMediaFeatures(browser: object): void {
  const { toImpl } = (playwright as unknown as { _connection: { toImpl(client: object): FirefoxBrowser } })._connection;
  const session = toImpl(browser)._browserSession;
  const send = session.send.bind(session);
  session.send = async (command, parameters) =>
    command === "emulation.setMediaFeaturesOverride" ? {} : send(command, parameters);
}

interface FirefoxBrowser {
  _browserSession: { send(command: string, parameters: object): Promise<object> };
}

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
  firefox: {
    executablePath: process.env.FIREFOX || "/usr/bin/firefox-esr",
    channel: "moz-firefox",
    // A driver goes to another page as the address bar does, and the hang monitor then cuts off what script is running:
    // by chance the agent's while it sends its last beacon. After a click on a link it does not.
    firefoxUserPrefs: { "dom.ipc.processHangMonitor": false },
  },
};

/** Starts a Chromium that all workers share, or a Firefox for each of them. */
export async function startPlaywright(name: Name, workers: number): Promise<Started> {
  const browsers: playwright.Browser[] = [];
  const stop = async () => {
    await Promise.all(browsers.map((browser) => browser.close()));
  };
  try {
    const urls: string[] = [];
    for (let i = 0; i < (name === "firefox" ? workers : 1); i++) {
      const browser = await playwright[name].launch({ ...OPTIONS[name], headless: true });
      browsers.push(browser);
      if (name === "firefox") adaptFirefox(browser);
      const { endpoint } = await browser.bind(`throughline-${i}`, { host: "127.0.0.1", port: 0 });
      urls.push(endpoint);
    }
    return { address: { name, version: browsers[0]?.version() ?? "", urls }, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Connects to what startPlaywright started. */
export async function connectPlaywright({ name, urls }: EngineAddress): Promise<Engine> {
  const type: BrowserType = playwright[name];
  const url = urls[urls.length > 1 ? Number(process.env.VITEST_POOL_ID) - 1 : 0];
  if (!url) throw new Error("there are fewer browsers than workers");
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
 * Changes two commands of Playwright, which has no options for them. Every context begins with a colour scheme, by a command
 * that Firefox ESR 153 does not know: it is answered here. And every page gets a window of its own, which takes Firefox 0.5 s
 * and 9 MB that it never gives back: tabs do. The newest is in front, so a Firefox serves one test at a time.
 */
function adaptFirefox(browser: object): void {
  const { toImpl } = (playwright as unknown as { _connection: { toImpl(client: object): FirefoxBrowser } })._connection;
  const session = toImpl(browser)._browserSession;
  const send = session.send.bind(session);
  session.send = async (command, parameters) => {
    if (command === "emulation.setMediaFeaturesOverride") return {};
    return send(command, command === "browsingContext.create" ? { ...parameters, type: "tab" } : parameters);
  };
}

interface FirefoxBrowser {
  _browserSession: { send(command: string, parameters: object): Promise<object> };
}

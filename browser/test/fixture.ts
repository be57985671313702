import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { inject, test as plain } from "vitest";
import { type BeaconEvent, type Server, startServer } from "./server";

export const APPLICATION = "745a78fe5b6e57f6";
export const TENANT = "7468726f-75676800";
export const TRACE = "2fdcef91d451fdffd6e5e36abc6bb609";
export const SPAN = "97039bf817c8584a";
export const INSTANCE = /^\d{13}[A-Z0-9]{32}$/;
export const SESSION = /^[A-Z]{32}-\d+$/;

interface Fixtures {
  browser: Browser;
  context: BrowserContext;
  page: Page;
  /** The page's own origin, with the intake. */
  app: Server;
  /** Another origin. */
  other: Server;
  /** Opens a page with the classic script and the page parameters of server.ts. */
  open: (parameters?: Record<string, string>) => Promise<void>;
  /** Opens /module and starts the package's agent there, as kept.agent. */
  start: (options?: object) => Promise<void>;
  /** Runs a function in the page with these arguments. */
  run: <Arguments extends unknown[], Result>(
    task: (args: Arguments) => Result,
    ...args: Arguments
  ) => Promise<Awaited<Result>>;
  /** Leaves the page, so that it sends what it has; the event of the request to this path. */
  leave: (path: string) => Promise<BeaconEvent>;
}

/** A test with a browser profile, a page and two origins of its own. */
export const test = plain.extend<Fixtures>({
  browser: [
    // biome-ignore lint/correctness/noEmptyPattern: vitest reads the fixtures that are used from the pattern
    async ({}, use) => {
      const browser = await chromium.connect(inject("browser"));
      await use(browser);
      await browser.close();
    },
    { scope: "file" },
  ],
  context: async ({ browser }, use) => {
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    await context.addInitScript(defineHelpers);
    await use(context);
    await context.close();
  },
  page: async ({ context }, use) => {
    await use(await context.newPage());
  },
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the fixtures that are used from the pattern
  app: async ({}, use) => {
    const server = await startServer();
    await use(server);
    await server.close();
  },
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the fixtures that are used from the pattern
  other: async ({}, use) => {
    const server = await startServer();
    await use(server);
    await server.close();
  },
  open: async ({ page, app }, use) => {
    await use(async (parameters = {}) => {
      const query = new URLSearchParams({ "data-application-id": APPLICATION, ...parameters });
      await page.goto(`${app.origin}/page?${query}`);
    });
  },
  start: async ({ page, app }, use) => {
    await use(async (options = {}) => {
      await page.goto(`${app.origin}/module`);
      await page.evaluate(
        (given) => {
          kept.agent = kept.exported.init(given);
        },
        { applicationId: APPLICATION, ...options },
      );
    });
  },
  run: async ({ page }, use) => {
    await use((task, ...args) => page.evaluate(task as never, args as never));
  },
  leave: async ({ page, app }, use) => {
    await use(async (path) => {
      if (page.url() !== "about:blank") await page.goto("about:blank");
      return app.event((event) => event.type === "request" && new URL(String(event["url.full"])).pathname === path);
    });
  },
});

/** Runs in the page, before its own scripts. See globals.d.ts. */
function defineHelpers(): void {
  Object.assign(window, {
    xhr: (url: string, options: Parameters<typeof xhr>[1] = {}) =>
      new Promise((resolve) => {
        const request = new XMLHttpRequest();
        request.open(options.method ?? "GET", url);
        for (const [name, value] of options.headers ?? []) request.setRequestHeader(name, value);
        request.timeout = options.timeout ?? 0;
        for (const end of ["load", "error", "abort", "timeout"]) {
          request.addEventListener(end, () => resolve({ status: request.status, end, text: request.responseText }));
        }
        request.send(options.body);
      }),
    timed: (url: string) =>
      new Promise((resolve) => {
        const name = new URL(url, document.baseURI).href;
        const look = () => {
          const [entry] = performance.getEntriesByName(name);
          if (entry) resolve(entry);
        };
        new PerformanceObserver(look).observe({ type: "resource", buffered: true });
      }),
  });
}

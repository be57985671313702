import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inject, test as plain } from "vitest";
import type { Engine, Page, Profile } from "./engines/engine";
import { connectPlaywright } from "./engines/playwright";
import { connectWebDriver } from "./engines/webdriver";
import { type BeaconEvent, type Server, startServer } from "./server";

export const APPLICATION = "745a78fe5b6e57f6";
export const TENANT = "7468726f-75676800";
export const TRACE = "2fdcef91d451fdffd6e5e36abc6bb609";
export const SPAN = "97039bf817c8584a";
export const INSTANCE = /^\d{13}[A-Z0-9]{32}$/;
export const SESSION = /^[A-Z]{32}-\d+$/;

interface Fixtures {
  engine: Engine;
  context: Profile;
  page: Page;
  /** The page's own origin, with the intake. */
  app: Server;
  /** Another origin. */
  other: Server;
  /** Another origin, by HTTP/2. */
  secure: Server;
  /** Opens a page with the classic script and the page parameters of server.ts. */
  open: (parameters?: Record<string, string>) => Promise<void>;
  /** Opens /module and starts the package's agent there; `before` is a script that the page begins with. */
  start: (options?: object, before?: string) => Promise<void>;
  /** Runs a function in the page with these arguments. */
  run: <Arguments extends unknown[], Result>(
    task: (args: Arguments) => Result,
    ...args: Arguments
  ) => Promise<Awaited<Result>>;
  /** Leaves the page, so that it sends what it has; the event of the request to this path. */
  leave: (path: string) => Promise<BeaconEvent>;
}

/** A script for `before`: what the page is told is in kept.warned and kept.errors, since not every driver tells it. */
export const RECORD = `
  window.kept = { warned: [], errors: [] };
  for (const level of ["warn", "error"]) {
    const original = console[level];
    console[level] = (...args) => {
      kept.warned.push(level + ": " + args.join(" "));
      original.apply(console, args);
    };
  }
  addEventListener("error", (event) => kept.errors.push(event.message));
  addEventListener("unhandledrejection", (event) => kept.errors.push(String(event.reason)));`;

/** A script for `before`: the page's timers stand still until kept.pass() lets so many milliseconds go by. */
export const STILL = `
  const timers = new Map();
  let time = 0;
  let last = 0;
  window.setTimeout = (run, delay = 0) => (timers.set(++last, { run, at: time + delay }), last);
  window.clearTimeout = (id) => void timers.delete(id);
  window.kept = {
    pass(ms) {
      time += ms;
      for (const [id, timer] of [...timers]) if (timer.at <= time && timers.delete(id)) timer.run();
    },
  };`;

/**
 * A text that a page runs, since Vitest puts something else in the place of import(): resolves when the agent has what comes
 * once the page is idle, as a file or as a chunk of the package.
 */
export const ALL_LOADED = `new Promise((resolve) => {
  new PerformanceObserver((list) => {
    for (const { name } of list.getEntries()) if (/\\/[a-z-]*idle[^/]*$/.test(name)) resolve(name);
  }).observe({ type: "resource", buffered: true });
}).then((name) => import(name)).then(() => undefined)`;

/** Resolves when the agent on this page has all that it can do. */
export async function hasAll(page: Page): Promise<void> {
  await page.evaluate(ALL_LOADED);
}

/** A test with a browser profile, a page and two origins of its own. */
export const test = plain.extend<Fixtures>({
  engine: [
    // biome-ignore lint/correctness/noEmptyPattern: vitest reads the fixtures that are used from the pattern
    async ({}, use) => {
      const address = inject("engine");
      const engine = await (address.name === "webkit" ? connectWebDriver : connectPlaywright)(address);
      await use(engine);
      await engine.close();
    },
    { scope: "file" },
  ],
  context: async ({ engine }, use) => {
    const context = await engine.newProfile(defineHelpers);
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
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the fixtures that are used from the pattern
  secure: async ({}, use) => {
    const server = await startServer(certificate());
    await use(server);
    await server.close();
  },
  open: async ({ page, app }, use) => {
    await use(async (parameters = {}) => {
      const query = new URLSearchParams({
        "data-application-id": APPLICATION,
        "data-allow-query-parameters": "*",
        ...parameters,
      });
      await page.goto(`${app.origin}/page?${query}`);
    });
  },
  start: async ({ page, app }, use) => {
    await use(async (options = {}, before = "") => {
      const query = before && `?${new URLSearchParams({ before })}`;
      await page.goto(`${app.origin}/module${query}`);
      await page.evaluate(
        (given) => {
          kept.agent = kept.exported;
          kept.agent.init(given);
        },
        { applicationId: APPLICATION, allowQueryParameters: true, ...options },
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

function certificate(): { key: Buffer; cert: Buffer } {
  const folder = mkdtempSync(join(tmpdir(), "throughline-"));
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const options = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost".split(" ");
  try {
    execFileSync("openssl", ["req", "-x509", ...options, "-keyout", key, "-out", cert], { stdio: "ignore" });
    return { key: readFileSync(key), cert: readFileSync(cert) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs in the page. See globals.d.ts. */
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
    settled: async () => {
      const frame = () => new Promise<number>((resolve) => requestAnimationFrame(resolve));
      const first = await frame(); // which may have begun before this was called
      while ((await frame()) - first < 50);
    },
    timed: (url: string) =>
      new Promise((resolve) => {
        const name = new URL(url, document.baseURI).href;
        const plain = (address: string) => address.replace(/#.*/, ""); // not every engine keeps the fragment
        const look = () => {
          const entries = performance.getEntriesByType("resource");
          const entry = entries.find((found) => plain(found.name) === plain(name));
          if (entry) resolve(entry);
        };
        new PerformanceObserver(look).observe({ type: "resource", buffered: true });
      }),
  });
}

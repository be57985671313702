import { describe, expect, inject } from "vitest";
import type { EngineName, Page } from "./engines/engine";
import { test } from "./fixture";

// What the agent relies on, or has to get along with: no agent runs here. The table of docs/browsers.md tells the same.

const inEngine = <T>(facts: Record<EngineName, T>): T => facts[inject("engine").name];

/** Fetches these one after the other; what the timing entry of each tells, the latest where a URL comes again. */
async function entriesOf(page: Page, paths: string[]) {
  return page.evaluate(async (list) => {
    const told = [];
    for (const path of list) {
      performance.clearResourceTimings();
      await (await fetch(path)).text();
      const entry = (await timed(path)) as PerformanceResourceTiming & { deliveryType?: string };
      told.push({
        transfer: entry.transferSize,
        encoded: entry.encodedBodySize,
        delivery: entry.deliveryType,
        status: entry.responseStatus,
        worker: entry.workerStart > 0,
        timing: entry.serverTiming.map(({ duration }) => duration),
      });
    }
    return told;
  }, paths);
}

describe("a timing entry", () => {
  test("of an answer from the network", async ({ page, app }) => {
    await page.goto(`${app.origin}/module`);
    const [entry] = await entriesOf(page, ["/a?header=Server-Timing: a;dur=1"]);
    // Resource Timing, section 4.4: 300 for the headers, and the body.
    expect(entry).toEqual({
      transfer: 302,
      encoded: 2,
      worker: false,
      timing: [1],
      ...inEngine<object>({
        chromium: { delivery: "", status: 200 },
        firefox: { status: 200 },
        webkit: {},
      }),
    });
  });

  test("of a copy from the HTTP cache", async ({ page, app }) => {
    await page.goto(`${app.origin}/module`);
    const path = "/a?ahead=0&header=Cache-Control: max-age=600";
    const [first, second] = await entriesOf(page, [path, path]);
    expect(second).toMatchObject({
      transfer: 0,
      encoded: 2,
      delivery: inEngine({ chromium: "cache", firefox: undefined, webkit: undefined }),
      timing: first?.timing,
    });
    expect(app.requests).toHaveLength(1);
  });

  test("of an answer that a 304 confirmed: its Server-Timing is the 304's own", async ({ page, app }) => {
    await page.goto(`${app.origin}/module`);
    const path = "/a?ahead=0&etag=1&header=Cache-Control: no-cache";
    const [first, second] = await entriesOf(page, [path, path]);
    expect(app.requests.at(-1)?.headers["if-none-match"]).toBe('"1"');
    expect(second).toMatchObject({
      encoded: 2,
      ...inEngine<object>({
        chromium: { transfer: 300, delivery: "cache" },
        firefox: { transfer: 302 },
        webkit: {},
      }),
    });
    expect(second?.timing[0]).toBeGreaterThan(Number(first?.timing[0]));
  });

  test("of an answer that a service worker passed through, made itself, or let go by", async ({ page, app }) => {
    await page.goto(`${app.origin}/module`);
    const worker = `
      addEventListener("activate", (event) => event.waitUntil(clients.claim()));
      addEventListener("fetch", (event) => {
        if (event.request.url.includes("/passed")) event.respondWith(fetch(event.request));
        if (event.request.url.includes("/made")) event.respondWith(new Response("made"));
      });`;
    await page.evaluate(
      async (url) => {
        const controlled = new Promise((resolve) =>
          navigator.serviceWorker.addEventListener("controllerchange", resolve),
        );
        await navigator.serviceWorker.register(url);
        await controlled;
      },
      `/worker.js?type=text/javascript&body=${encodeURIComponent(worker)}`,
    );
    const server = "?header=Server-Timing: a;dur=1";
    const entries = await entriesOf(page, [`/passed${server}`, "/made", `/gone-by${server}`]);
    expect(entries).toMatchObject(
      inEngine<object[]>({
        chromium: [
          { transfer: 0, encoded: 2, delivery: "cache", worker: true, timing: [1] },
          { transfer: 0, encoded: 4, delivery: "cache", worker: true, timing: [] },
          { transfer: 302, encoded: 2, delivery: "", worker: true, timing: [1] },
        ],
        firefox: [
          { transfer: 0, encoded: 0, worker: false, timing: [1] },
          { transfer: 0, encoded: 0, worker: false, timing: [] },
          { transfer: 302, encoded: 2, worker: false, timing: [1] },
        ],
        webkit: [
          { transfer: 302, encoded: 2, worker: true, timing: [1] },
          { transfer: 0, encoded: 0, worker: false, timing: [] },
          { transfer: 302, encoded: 2, worker: true, timing: [1] },
        ],
      }),
    );
  });

  test("of a URL that redirects to another origin", async ({ page, app, other }) => {
    await page.goto(`${app.origin}/module`);
    const [entry] = await entriesOf(page, [`/a?to=${encodeURIComponent(`${other.origin}/b?allow=*`)}`]);
    expect(entry).toMatchObject({ transfer: inEngine({ chromium: 0, firefox: 0, webkit: 302 }), timing: [] });
  });

  test("starts while the call is made, but in Chromium alone: elsewhere up to its answer", async ({ page, app }) => {
    await page.goto(`${app.origin}/module`);
    const calls = await page.evaluate(async () => {
      const told = [];
      for (let i = 0; i < 20; i++) {
        const before = performance.now();
        const answer = fetch(`/a?${i}`);
        const after = performance.now();
        await (await answer).text();
        const answered = performance.now();
        told.push({ before, after, answered, start: (await timed(`/a?${i}`)).startTime });
      }
      return told;
    });
    for (const { before, after, answered, start } of calls) {
      expect(start).toBeGreaterThanOrEqual(before);
      expect(start).toBeLessThanOrEqual(inEngine({ chromium: after, firefox: answered, webkit: answered }));
    }
  });

  test("has the fragment of the URL, but not in WebKit", async ({ page, app }) => {
    await page.goto(`${app.origin}/module`);
    const name = await page.evaluate(async () => {
      await (await fetch("/a#b")).text();
      return (await timed("/a#b")).name;
    });
    expect(name).toBe(app.origin + inEngine({ chromium: "/a#b", firefox: "/a#b", webkit: "/a" }));
  });
});

test("a blocked fetch is rejected before the violation is told, but not in WebKit", async ({ page, app }) => {
  const policy = encodeURIComponent("Content-Security-Policy: connect-src 'self'");
  await page.goto(`${app.origin}/module?header=${policy}`);
  const order = await page.evaluate(async () => {
    const seen: string[] = [];
    const told = new Promise<void>((resolve) => {
      document.addEventListener("securitypolicyviolation", () => {
        seen.push("violation");
        resolve();
      });
    });
    await fetch("https://elsewhere.test/").catch(() => seen.push("rejection"));
    await told;
    return seen;
  });
  const first = ["rejection", "violation"];
  expect(order).toEqual(inEngine({ chromium: first, firefox: first, webkit: [...first].reverse() }));
});

test("a fetch whose signal times out is rejected with the signal's reason, but not in WebKit", async ({
  page,
  app,
}) => {
  await page.goto(`${app.origin}/module`);
  const names = await page.evaluate(async () => {
    const signal = AbortSignal.timeout(1);
    const error = await fetch("/a?hold=1", { signal }).catch((reason) => reason);
    return [error.name, signal.reason.name];
  });
  expect(names).toEqual([
    inEngine({ chromium: "TimeoutError", firefox: "TimeoutError", webkit: "AbortError" }),
    "TimeoutError",
  ]);
});

test("a capture listener on an XMLHttpRequest comes first and can stop the others, but not in Chromium", async ({
  page,
  app,
}) => {
  await page.goto(`${app.origin}/module`);
  const [seen, stopped] = await page.evaluate(async () => {
    const runs: string[][] = [];
    for (const stop of [false, true]) {
      const order: string[] = [];
      const request = new XMLHttpRequest();
      request.onload = () => order.push("on");
      request.addEventListener("load", () => order.push("listener"));
      const capture = (event: Event) => {
        order.push("capture");
        if (stop) event.stopImmediatePropagation();
      };
      request.addEventListener("load", capture, { capture: true });
      await new Promise((resolve) => {
        request.onloadend = resolve;
        request.open("GET", "/a");
        request.send();
      });
      runs.push(order);
    }
    return runs;
  });
  const registered = ["on", "listener", "capture"];
  const captured = ["capture", "on", "listener"];
  expect(seen).toEqual(inEngine({ chromium: registered, firefox: captured, webkit: captured }));
  expect(stopped).toEqual(inEngine({ chromium: registered, firefox: ["capture"], webkit: ["capture"] }));
});

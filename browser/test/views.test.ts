import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { expect } from "vitest";
import { APPLICATION, test } from "./fixture";
import type { BeaconEvent, Server } from "./server";

// The page load, and the views that follow it.

const HEX16 = /^[0-9a-f]{16}$/;

/** The view that an event is of. */
function viewOf(app: Server, event: BeaconEvent): unknown {
  const beacon = app.beacons.find(({ events }) => events.some(({ id }) => id === event.id));
  return event["view.instance_id"] ?? beacon?.["view.instance_id"];
}

const navigation = (type: string) => (event: BeaconEvent) =>
  event.type === "navigation" && event["navigation.type"] === type;
/** All so far, in the order in which they began. */
const navigations = (app: Server) =>
  app.events.filter((event) => event.type === "navigation").sort((a, b) => a.start - b.start);
const to = (path: string) => (event: BeaconEvent) =>
  event.type === "request" && new URL(String(event["url.full"])).pathname === path;

test("a page load: one navigation, in the view of its document", async ({ app, open, leave }) => {
  await open();
  const document = await leave("/page");
  const load = await app.event(navigation("navigate"));
  expect(load).toMatchObject({ "url.full": document["url.full"], "page.title": "Test", start: 0 });
  expect(load.duration).toBeGreaterThan(0);
  expect(load["performance.timing"].load_event_end).toBe(load.duration);
  expect(load).not.toHaveProperty("page.referrer");
  expect(viewOf(app, load)).toMatch(HEX16);
  expect(viewOf(app, load)).toBe(viewOf(app, document));
  expect(navigations(app)).toHaveLength(1);
});

test("a page that was left before it was loaded has no duration", async ({ page, app }) => {
  // The page leaves itself: not every driver does anything while a page loads.
  const html = `<img src="/a?hold=image"><script>
    fetch("/leave?hold=leave").then(() => location.assign("about:blank"));
  </script>`;
  const query = new URLSearchParams({ "data-application-id": APPLICATION, html });
  await page.goto(`${app.origin}/module`);
  await page.evaluate((url) => {
    setTimeout(() => location.assign(url));
  }, `/page?${query}`);
  await app.received("/a");
  await app.received("/leave");
  await fetch(`${app.origin}/release?leave`);
  const load = await app.event(navigation("navigate"));
  expect(load).not.toHaveProperty("duration");
});

// The engines of before 2025 have no Navigation API.
const ENGINES: [string, string][] = [
  ["by the Navigation API", ""],
  ["by the History API", "delete window.navigation;"],
];

test.for(ENGINES)("%s: another path is another view", async ([, before], { page, app, open, leave }) => {
  await open({ before });
  await page.evaluate(async () => {
    await fetch("/before");
    history.pushState(null, "", "/cart?id=7#top");
    document.title = "Cart";
    await fetch("/after");
  });
  const after = await leave("/after");
  const soft = await app.event(navigation("soft"));
  expect(soft).toMatchObject({
    "url.full": `${app.origin}/cart?id=7`,
    "page.title": "Cart",
    "page.referrer": expect.stringContaining(`${app.origin}/page?`),
  });
  expect(soft.duration).toBeGreaterThanOrEqual(0);
  expect(viewOf(app, soft)).toMatch(HEX16);
  expect(viewOf(app, soft)).toBe(viewOf(app, after));
  const first = viewOf(app, await app.event(navigation("navigate")));
  expect(first).not.toBe(viewOf(app, soft));
  expect(viewOf(app, await app.event(to("/before")))).toBe(first);
  expect(app.events.filter((event) => event["request.kind"] === "document")).toHaveLength(1);
});

test.for(ENGINES)("%s: back and forward are views", async ([, before], { app, open, run, leave }) => {
  await open({ before });
  await run(async () => {
    const moved = () => new Promise((resolve) => addEventListener("popstate", resolve, { once: true }));
    history.pushState(null, "", "/one");
    history.pushState(null, "", "/two");
    let arrived = moved();
    history.back();
    await arrived;
    arrived = moved();
    history.forward();
    await arrived;
    await throughline.flush();
    history.replaceState(null, "", "/three");
    await fetch("/end");
  });
  await leave("/end");
  // Each view has beacons of its own.
  await expect.poll(() => navigations(app).length, { timeout: 10_000 }).toBe(6);
  const paths = navigations(app).map((event) => new URL(String(event["url.full"])).pathname);
  expect(paths).toEqual(["/page", "/one", "/two", "/one", "/two", "/three"]);
  expect(new Set(navigations(app).map((event) => viewOf(app, event))).size).toBe(6);
});

test.for(ENGINES)(
  "%s: a hash that is a route makes a view, others and queries none",
  async ([, before], { app, open, run, leave }) => {
    await open({ before });
    await run(async () => {
      const moved = () => new Promise((resolve) => addEventListener("hashchange", resolve, { once: true }));
      for (const hash of ["chapter", "/items", "/items?sort=name", "!/item/7", ""]) {
        const arrived = moved();
        location.hash = hash;
        await arrived;
      }
      history.pushState(null, "", "?tab=2");
      await fetch("/end");
    });
    await leave("/end");
    // Of routes: items, item 7, and back to none. Each has beacons of its own.
    await expect
      .poll(() => navigations(app).map((event) => event["navigation.type"]), { timeout: 10_000 })
      .toEqual(["navigate", "soft", "soft", "soft"]);
  },
);

test("startView begins a view, with its name and properties", async ({ app, start, run, leave }) => {
  await start();
  await run(async () => {
    kept.agent.startView("Checkout", { step: 2, items: ["a", "b"] });
    await fetch("/after");
  });
  const after = await leave("/after");
  const soft = await app.event(navigation("soft"));
  expect(soft).toMatchObject({
    "view.name": "Checkout",
    "event_properties.step": 2,
    "event_properties.items": ["a", "b"],
    "url.full": `${app.origin}/module`,
  });
  expect(viewOf(app, soft)).toBe(viewOf(app, after));
});

test("a view lasts until its requests and changes have settled", async ({ app, start, run }) => {
  await start();
  await run(() => timed("/web-vitals.attribution.js")); // it would be part of the view
  const begun = await run(() => {
    kept.agent.startView();
    Object.assign(kept, { answer: fetch("/slow?hold=slow") });
    return performance.now();
  });
  await app.received("/slow");
  const took = await run(async (begun) => {
    await fetch("/release?slow");
    await (kept as unknown as { answer: Promise<Response> }).answer;
    document.body.append("loaded");
    return performance.now() - Number(begun);
  }, begun);
  const soft = await app.event(navigation("soft"));
  expect(soft.duration).toBeGreaterThan(0);
  // The tail of silence is no part of it.
  expect(soft.duration).toBeLessThan(took + 90);
});

test("web vitals of the page load belong to its view, with its URL", async ({ page, app, open }) => {
  await open({ html: "<h1>Hello</h1>" });
  expect(await page.evaluate(() => PerformanceObserver.supportedEntryTypes)).toContain("largest-contentful-paint");
  await app.event((event) => event["web_vital.name"] === "FCP");
  await page.evaluate(() => history.pushState(null, "", "/later"));
  await page.goto("about:blank");
  const lcp = await app.event((event) => event["web_vital.name"] === "LCP");
  expect(viewOf(app, lcp)).toBe(viewOf(app, await app.event(navigation("navigate"))));
  expect(new URL(String(lcp["url.full"])).pathname).toBe("/page");
});

test("a resource belongs to the view in which the browser loaded it", async ({ app, open, run, leave }) => {
  await open();
  await run(async () => {
    const image = new Image();
    image.src = "/image?body=<svg xmlns='http://www.w3.org/2000/svg'/>&type=image/svg%2Bxml";
    await image.decode().catch(() => {});
    await timed(image.src);
    history.pushState(null, "", "/later");
    await fetch("/end");
  });
  await leave("/end");
  const image = await app.event(to("/image"));
  expect(viewOf(app, image)).toBe(viewOf(app, await app.event(navigation("navigate"))));
});

test("shutdown gives History its own functions back", async ({ page, app }) => {
  await page.goto(`${app.origin}/module`);
  const same = await page.evaluate(async (applicationId) => {
    Object.defineProperty(window, "navigation", { value: undefined });
    const own = () => [history.pushState, history.replaceState];
    const before = own();
    kept.exported.init({ applicationId });
    const during = own();
    const shape = during.map(({ name, length }) => [name, length]);
    await kept.exported.shutdown();
    const after = own();
    return {
      replaced: during.every((one, at) => one !== before[at]),
      restored: after.every((one, at) => one === before[at]) && !Object.getOwnPropertyNames(history).length,
      shape: JSON.stringify(shape) === JSON.stringify(before.map(({ name, length }) => [name, length])),
    };
  }, APPLICATION);
  expect(same).toEqual({ replaced: true, restored: true, shape: true });
});

test("after shutdown a page's routes are nobody's business", async ({ app, start, run }) => {
  await start();
  await run(async () => {
    await kept.agent.shutdown();
    history.pushState(null, "", "/unseen");
    kept.agent.startView("Unseen");
  });
  await run(async ([applicationId]) => {
    kept.agent.init({ applicationId });
    history.pushState(null, "", "/seen");
    await fetch("/end");
  }, APPLICATION);
  const soft = await app.event(navigation("soft"));
  expect(soft["url.full"]).toBe(`${app.origin}/seen`);
  expect(navigations(app)).toHaveLength(2);
});

// Chromium as it comes: Playwright starts it without the back/forward cache.
const EXECUTABLE = process.env.CHROMIUM || "/usr/bin/chromium";
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"];

test("a page from the back/forward cache is a view of its own, and no new document", { timeout: 60_000 }, async ({
  app,
}) => {
  const browser = await chromium.launch({
    executablePath: EXECUTABLE,
    args: FLAGS,
    ignoreDefaultArgs: ["--disable-back-forward-cache"],
  });
  try {
    const page = await browser.newPage();
    const query = new URLSearchParams({ "data-application-id": APPLICATION, html: "<h1>First</h1>" });
    await page.goto(`${app.origin}/page?${query}`);
    await app.event((event) => event["web_vital.name"] === "FCP");
    await page.goto(`${app.origin}/next?type=text/html`);
    await page.evaluate(() => {
      history.back();
    });
    const restored = await app.event(navigation("bfcache"));
    expect(new URL(String(restored["url.full"])).pathname).toBe("/page");
    expect(restored.start).toBeGreaterThan(0);
    expect(restored).not.toHaveProperty("page.referrer");
    const load = await app.event(navigation("navigate"));
    expect(viewOf(app, restored)).toMatch(HEX16);
    expect(viewOf(app, restored)).not.toBe(viewOf(app, load));
    const vital = await app.event((event) => event["web_vital.navigation_type"] === "back-forward-cache");
    expect(viewOf(app, vital)).toBe(viewOf(app, restored));
    expect(app.events.filter(to("/page"))).toHaveLength(1);
    expect(navigations(app)).toHaveLength(2);
  } finally {
    await browser.close();
  }
});

// Playwright's debugger would keep a prerendered page waiting.
test("a prerendered page is told when it is shown", { timeout: 60_000 }, async ({ app }) => {
  const parameters = { "data-application-id": APPLICATION, html: `<script>fetch("/release?ready")</script>` };
  const prerendered = `/page?${new URLSearchParams(parameters)}`;
  const body = `<!doctype html>
    <script type="speculationrules">${JSON.stringify({ prerender: [{ urls: [prerendered] }] })}</script>
    <script>fetch("/ready?hold=ready").then(() => { location.href = ${JSON.stringify(prerendered)}; });</script>`;
  const profile = mkdtempSync(join(tmpdir(), "prerender-"));
  const first = `${app.origin}/first?${new URLSearchParams({ type: "text/html", body })}`;
  const browser = spawn(EXECUTABLE, ["--headless", `--user-data-dir=${profile}`, ...FLAGS, first], { stdio: "ignore" });
  const ended = once(browser, "exit");
  try {
    await app.received("/release");
    const load = await app.event((event) => event.type === "navigation");
    expect(load["navigation.type"]).toBe("prerender");
    expect(load["performance.timing"].activation_start).toBeGreaterThan(0);
    expect(await app.event(to("/page"))).toHaveProperty("request.is_prerendered", true);
    expect(await app.event(to("/release"))).toHaveProperty("request.is_prerendered", true);
    expect(navigations(app)).toHaveLength(1);
  } finally {
    browser.kill();
    await ended;
    try {
      rmSync(profile, { recursive: true, force: true });
    } catch {
      // Its children may end a little later, and still write: a temporary folder is left.
    }
  }
});

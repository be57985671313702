import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Page } from "./engines/engine";
import { APPLICATION, hasAll, test } from "./fixture";
import type { BeaconEvent } from "./server";

// Web vitals, and what explains them. What their values are is held against the browser's own in beacon.test.ts.

const vital = (name: string) => (event: BeaconEvent) => event["web_vital.name"] === name;

/** Waits until what explains vitals has come, and has looked at what happened before. */
const attributed = async (page: Page) => {
  await hasAll(page);
  await page.evaluate(() => new Promise((resolve) => requestIdleCallback(resolve)));
};

/** A page without frames is never idle, and web-vitals looks at what happened when it is. */
const before = "window.requestIdleCallback = (idle) => setTimeout(idle);";

test("LCP says which element, and where its time went", async ({ page, app, open }) => {
  await open({ before, html: `<h1 id="headline" style="font-size: 80px">Hello</h1>` });
  expect(await page.evaluate(() => PerformanceObserver.supportedEntryTypes)).toContain("largest-contentful-paint");
  await attributed(page);
  await page.click("h1");
  const lcp = await app.event(vital("LCP"));
  expect(lcp).toMatchObject({
    "web_vital.target": expect.stringContaining("#headline"),
    "web_vital.navigation_type": "navigate",
  });
  expect(lcp["web_vital.time_to_first_byte"]).toBeGreaterThan(0);
});

test("INP says what was acted upon, and what took the time", async ({ page, app, open }) => {
  await open({
    before,
    html: `<button id="slow">Go</button><script>
      document.querySelector("button").addEventListener("click", () => {
        const begun = performance.now();
        // Firefox counts in milliseconds, at both ends.
        while (performance.now() - begun < 82);
      });
    </script>`,
  });
  expect(await page.evaluate(() => PerformanceObserver.supportedEntryTypes)).toContain("event");
  await attributed(page);
  await page.evaluate(() => {
    const pressed = new Promise<void>((done) => {
      new PerformanceObserver((list) => {
        if (list.getEntriesByName("click").length) requestIdleCallback(() => done());
      }).observe({ type: "event", durationThreshold: 40 });
    });
    Object.assign(window, { kept: { pressed } });
  });
  await page.click("button");
  await page.evaluate(() => kept.pressed);
  await page.goto("about:blank");
  const inp = await app.event(vital("INP"));
  expect(inp).toMatchObject({ "web_vital.target": "#slow", "web_vital.interaction_type": "pointer" });
  expect(inp["web_vital.processing_duration"]).toBeGreaterThanOrEqual(79);
});

test("CLS says what moved", async ({ page, app, open }) => {
  await open({
    html: `<div id="banner"></div><p id="moved" style="margin: 0; height: 300px; background: red">Text</p>`,
  });
  expect(await page.evaluate(() => PerformanceObserver.supportedEntryTypes)).toContain("layout-shift");
  await attributed(page);
  await page.evaluate(async () => {
    const shifted = new Promise((resolve) => new PerformanceObserver(resolve).observe({ type: "layout-shift" }));
    const banner = document.querySelector("#banner") as HTMLElement;
    banner.style.height = "200px";
    await shifted;
  });
  await page.goto("about:blank");
  const cls = await app.event(vital("CLS"));
  expect(cls["web_vital.value"]).toBeGreaterThan(0);
  expect(cls["web_vital.target"]).toContain("#moved");
});

test("without the second file they are told without", async ({ page, app, open }) => {
  app.missing.push("/throughline-idle.js");
  await open({ before, html: "<h1>Hello</h1>" });
  expect(await page.evaluate(() => PerformanceObserver.supportedEntryTypes)).toContain("largest-contentful-paint");
  await page.click("h1");
  const lcp = await app.event(vital("LCP"));
  expect(lcp["web_vital.value"]).toBeGreaterThan(0);
  expect(lcp).not.toHaveProperty("web_vital.target");
});

test("a second file of another version is left alone, and counted", async ({ page, app, open }) => {
  const built = readFileSync(join(import.meta.dirname, "../dist/throughline-idle.js"), "utf8");
  const other = built.replace(/"[0-9a-f]{6}"/, '"another"');
  expect(other).not.toBe(built);
  app.scripts.set("/throughline-idle.js", other);
  await open({ before });
  await hasAll(page);
  await page.evaluate(() => fetch("/a"));
  await page.goto("about:blank");
  await app.event((event) => String(event["url.full"]).endsWith("/a"));
  await expect.poll(() => app.beacons.map(({ dropped }) => dropped).filter(Boolean)).toEqual([{ not_loaded: 1 }]);
});

test("the package brings the same by an import of its own", async ({ page, app, start }) => {
  await start();
  expect(await page.evaluate(() => PerformanceObserver.supportedEntryTypes)).toContain("largest-contentful-paint");
  await page.evaluate(() =>
    document.body.append(Object.assign(document.createElement("h1"), { id: "late", textContent: "Hello" })),
  );
  await page.evaluate(async () => {
    await timed("/web-vitals.attribution.js");
    await new Promise((resolve) => requestIdleCallback(resolve));
  });
  await page.click("h1");
  expect((await app.event(vital("LCP")))["web_vital.target"]).toContain("#late");
});

test("none is told twice, whatever comes and goes", async ({ page, app, start, run }) => {
  await start();
  await run(async ([applicationId]) => {
    document.body.append("Hello");
    await kept.agent.flush();
    await kept.agent.shutdown();
    kept.agent.init({ applicationId });
  }, APPLICATION);
  await page.click("body");
  await page.goto("about:blank");
  await app.event((event) => event.type === "action");
  const names = app.events.filter((event) => event.type === "web_vital").map((event) => event["web_vital.name"]);
  expect(names).toEqual([...new Set(names)]);
});

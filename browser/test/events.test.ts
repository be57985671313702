import { expect } from "vitest";
import { test } from "./fixture";
import type { BeaconEvent, Server } from "./server";

// What an application tells by itself, and what marks events.

const to = (path: string) => (event: BeaconEvent) =>
  event.type === "request" && new URL(String(event["url.full"])).pathname === path;
const named = (name: string) => (event: BeaconEvent) => event["event.name"] === name;
/** What a beacon says of all its events, this one among them. */
const attributesOf = (app: Server, event: BeaconEvent) =>
  app.beacons.find(({ events }) => events.some(({ id }) => id === event.id))?.attributes as Record<string, unknown>;
const dropped = (app: Server, reason: string) =>
  app.beacons.reduce((sum, { dropped }) => sum + ((dropped as Record<string, number>)?.[reason] ?? 0), 0);

test("addEvent: a custom event with its properties as they were", async ({ app, start, run }) => {
  await start();
  await run(() => {
    const cart = { items: 2 };
    kept.agent.addEvent("bought", { cart, total: 9.5, gift: false, note: null, "odd name": "x" });
    cart.items = 3;
    kept.agent.addEvent("bare");
    kept.agent.addEvent("nothing", null as never);
    kept.agent.addEvent("\u20ac".repeat(100));
  });
  const bought = await app.event(named("bought"));
  expect(bought).toMatchObject({
    type: "custom",
    "event_properties.cart": { items: 2 },
    "event_properties.total": 9.5,
    "event_properties.gift": false,
    "event_properties.odd name": "x",
    "url.full": `${app.origin}/module`,
  });
  await app.event(named("bare"));
  await app.event(named("nothing"));
  await app.event(named("\u20ac".repeat(85)));
});

test("setUser: from then on, and until they are anonymous again", async ({ app, start, run }) => {
  await start();
  await run(async () => {
    kept.agent.addEvent("before");
    kept.agent.setUser("alice");
    kept.agent.addEvent("alice's");
    kept.agent.setUser();
    kept.agent.addEvent("nobody's");
    kept.agent.setUser("bob");
    await fetch("/bobs");
  });
  const user = async (name: string) => attributesOf(app, await app.event(named(name)))["user.id"];
  expect(await user("before")).toBeUndefined();
  expect(await user("alice's")).toBe("alice");
  expect(await user("nobody's")).toBeUndefined();
  expect(attributesOf(app, await app.event(to("/bobs")))).toHaveProperty("user.id", "bob");
});

test("the same user again costs no beacon", async ({ app, start, run }) => {
  await start();
  await run(async () => {
    await kept.agent.flush();
    for (const name of ["one", "two", "three"]) {
      kept.agent.setUser("alice");
      kept.agent.addEvent(name);
    }
    await kept.agent.flush();
  });
  await app.event(named("three"));
  const beacons = app.beacons.filter(({ events }) => events.some(({ type }) => type === "custom"));
  expect(beacons).toHaveLength(1);
});

test("a browser that a program drives is said to be one", async ({ app, open }) => {
  await open({ before: "Object.defineProperty(navigator, 'webdriver', { value: true });" });
  const load = await app.event((event) => event.type === "navigation");
  expect(attributesOf(app, load)).toEqual({ "user_agent.synthetic.type": "test" });
});

test("one that people use is not", async ({ app, open }) => {
  await open({ before: "Object.defineProperty(navigator, 'webdriver', { value: false });" });
  const load = await app.event((event) => event.type === "navigation");
  expect(attributesOf(app, load)).toEqual({});
});

test("visibility: hidden when the page is left, and shown again", async ({ page, app, open }) => {
  await open({
    before: `
      state = "visible";
      Object.defineProperty(document, "visibilityState", { get: () => state });
      show = (to) => { state = to; document.dispatchEvent(new Event("visibilitychange", { bubbles: true })); };`,
  });
  await page.evaluate("show('hidden')");
  expect(await app.event((event) => event.type === "visibility")).toHaveProperty("visibility.state", "hidden");
  await page.evaluate("show('visible')");
  await app.event((event) => event["visibility.state"] === "visible");
});

test("requests to other sites are marked", async ({ page, app, other, open, leave }) => {
  await open();
  const foreign = other.origin.replace("127.0.0.1", "localhost");
  await page.evaluate(
    async ([near, far]) => {
      await fetch("/own");
      await fetch(`${near}/near?allow=*`);
      await fetch(`${far}/far?allow=*`);
      await timed(`${far}/far?allow=*`);
    },
    [other.origin, foreign],
  );
  expect(await leave("/far")).toHaveProperty("request.is_third_party", true);
  expect(await app.event(to("/near"))).not.toHaveProperty("request.is_third_party");
  expect(await app.event(to("/own"))).not.toHaveProperty("request.is_third_party");
});

test("resources have a sampling rate of their own, and are counted", async ({ page, app, start }) => {
  await start({ resourceSampleRate: 0 });
  await page.evaluate(async () => {
    await timed("/npm/index.js");
    await fetch("/call");
    await timed("/call");
    await kept.agent.flush();
    kept.agent.addEvent("end");
    await kept.agent.flush();
  });
  await app.event(named("end"));
  expect(app.events.filter((event) => event["request.kind"] === "resource")).toEqual([]);
  expect(app.events.filter(to("/call"))).toHaveLength(1);
  expect(dropped(app, "resource_not_sampled")).toBeGreaterThan(0);
});

test("a rate that is none leaves no resource out", async ({ app, open }) => {
  await open({ "data-resource-sample-rate": "many", html: `<img src="/image">` });
  await app.event(to("/image"));
});

test("long animation frames, with what ran in them", async ({ page, app, open }) => {
  await open({
    html: `<script>
      function compute() { const begun = performance.now(); while (performance.now() - begun < 120); }
      function draw() { requestAnimationFrame(compute); }
    </script>`,
  });
  expect(await page.evaluate(() => PerformanceObserver.supportedEntryTypes)).toContain("long-animation-frame");
  await page.evaluate("draw()");
  const scriptsOf = (event: BeaconEvent) => (event["long_frame.scripts"] ?? []) as Record<string, unknown>[];
  // On a busy machine the agent's own start is one too.
  const frame = await app.event((event) => scriptsOf(event)[0]?.function === "compute");
  expect(frame["long_frame.kind"]).toBe("animation_frame");
  expect(frame["long_frame.blocking_duration"]).toBeGreaterThan(0);
  const scripts = scriptsOf(frame);
  expect(scripts[0]).toMatchObject({ invoker: "FrameRequestCallback", function: "compute" });
  expect(scripts[0]?.source).toContain("/page?");
  expect(scripts[0]?.duration).toBeGreaterThanOrEqual(110);
});

test("long tasks, where the engine has no more", async ({ page, app, open }) => {
  await open({
    before: `
      const { supportedEntryTypes: all } = PerformanceObserver;
      const fewer = all.filter((type) => type !== "long-animation-frame");
      Object.defineProperty(PerformanceObserver, "supportedEntryTypes", { value: fewer });`,
  });
  expect(await page.evaluate(() => PerformanceObserver.supportedEntryTypes)).toContain("longtask");
  await page.evaluate(() => {
    setTimeout(() => {
      const begun = performance.now();
      while (performance.now() - begun < 120);
    });
  });
  const task = await app.event((event) => event.type === "long_frame" && Number(event.duration) >= 110);
  expect(task["long_frame.kind"]).toBe("task");
});

const HEADERS: [string, object | ((other: string) => object), (own: string, other: string) => string, boolean][] = [
  ["the page's origin", {}, (own) => `${own}/api`, true],
  ["a relative URL", {}, () => "/api", true],
  ["another origin", {}, (_, other) => `${other}/api`, false],
  ["another origin that is allowed", (other) => ({ crossOriginUrlPattern: other }), (_, other) => `${other}/api`, true],
  ["an excluded URL", { excludeUrlPattern: "/api" }, () => "/api", false],
  ["no propagation", { propagation: false }, () => "/api", false],
  ["a session that is not told", { sampleRate: 0 }, () => "/api", false],
  ["a request that is not traced", { traceSampleRate: 0 }, () => "/api", false],
  ["no URL", {}, () => "http://:x", false],
];

test.for(HEADERS)("getTraceHeaders for %s", async ([, options, url, given], { app, other, start, run }) => {
  await start(typeof options === "function" ? options(other.origin) : options);
  const headers = await run(([url]) => kept.agent.getTraceHeaders(url), url(app.origin, other.origin));
  if (given) {
    expect(headers).toEqual({
      traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-03$/),
      tracestate: expect.stringMatching(/^7468726f-75676800@dtr=1;/),
    });
  } else expect(headers).toEqual({});
});

test("without an agent the package's functions do nothing", async ({ page, app, run }) => {
  await page.goto(`${app.origin}/module`);
  const results = await run(async () => {
    const { exported: agent } = kept;
    agent.addEvent("unseen");
    agent.addError(new Error("unseen"));
    agent.setUser("unseen");
    agent.startView("unseen");
    agent.startAction("unseen").end();
    await agent.flush();
    await agent.shutdown();
    return agent.getTraceHeaders("/api");
  });
  expect(results).toEqual({});
});

import { describe, expect } from "vitest";
import { version } from "../package.json";
import { APPLICATION, INSTANCE, SESSION, STILL, test } from "./fixture";
import { type BeaconEvent, HANG } from "./server";

// What goes home, when, and what becomes of it if it cannot: wire/beacon/beacon.md.

/** The limits of "good" and of "needs-improvement" (web.dev/articles/vitals). */
const RATINGS: Record<string, number[]> = { TTFB: [800, 1800], FCP: [1800, 3000], LCP: [2500, 4000], CLS: [0.1, 0.25] };

const pathOf = (event: BeaconEvent) => new URL(String(event["url.full"])).pathname;

describe("content", () => {
  test("the envelope", async ({ app, open }) => {
    const before = Date.now();
    await open();
    await app.event(() => true);
    const [beacon] = app.beacons;
    expect(beacon).toMatchObject({
      v: 1,
      "agent.name": "throughline-browser",
      "agent.version": version,
      "rum.application.id": APPLICATION,
      "rum.instance.id": expect.stringMatching(INSTANCE),
      "session.id": expect.stringMatching(SESSION),
      "page.instance_id": expect.stringMatching(/^[0-9a-f]{16}$/),
      "view.instance_id": expect.stringMatching(/^[0-9a-f]{16}$/),
    });
    expect(beacon).not.toHaveProperty("dropped");
    expect(beacon?.time_origin).toBeGreaterThan(before - 1000);
    expect(beacon?.sent).toBeGreaterThan(Number(beacon?.time_origin));
    expect(app.beaconHeaders[0]?.["content-type"]).toMatch(/^text\/plain/);
    expect(app.beaconHeaders[0]).not.toHaveProperty("cookie");
  });

  test("the page load: its document, its resources, its navigation", async ({ page, app }) => {
    const referrer = `${app.origin}/module`;
    await page.goto(referrer);
    const html = '<p>Text</p><link rel="stylesheet" href="/style.css?type=text/css">';
    const query = new URLSearchParams({
      "data-application-id": APPLICATION,
      "data-allow-query-parameters": "*",
      html,
    });
    await page.evaluate((url) => {
      location.href = url;
    }, `/page?${query}`);
    const navigation = await app.event((event) => event.type === "navigation");
    await app.event((event) => event["request.kind"] === "document");
    await app.event((event) => event["request.kind"] === "resource");

    expect(navigation).toMatchObject({
      start: 0,
      "url.full": `${app.origin}/page?${query}`,
      "navigation.type": "navigate",
      "page.title": "Test",
      "page.referrer": referrer,
    });
    expect(Object.keys(navigation["performance.timing"])).toEqual([
      "dom_interactive",
      "dom_content_loaded_event_start",
      "dom_content_loaded_event_end",
      "dom_complete",
      "load_event_start",
      "load_event_end",
    ]);
    expect(navigation.duration).toBe(navigation["performance.timing"].load_event_end);

    const paths = app.events
      .filter((event) => event.type === "request")
      .map((event) => [event["request.kind"], pathOf(event)]);
    expect(paths.sort()).toEqual([
      ["document", "/page"],
      ["resource", "/style.css"],
    ]);
    for (const event of app.events.filter((sent) => sent.type === "request")) {
      // WebKit, which rounds to whole ms, may say 0 of a document, as of what it does not know.
      const unknown = event["request.kind"] === "document" ? 0 : Number.NaN;
      const {
        request_start: asked = unknown,
        response_start: answered = asked,
        ...timing
      } = event["performance.timing"];
      expect(asked).toBeGreaterThanOrEqual(0);
      expect(answered).toBeGreaterThanOrEqual(asked);
      expect(timing.response_end).toBe(event.duration);
    }

    const ids = app.events.map((event) => event.id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{16}$/);
  });

  test.for([
    ["TTFB", "navigation"],
    ["FCP", "paint"],
    ["LCP", "largest-contentful-paint"],
    ["CLS", "layout-shift"],
  ] as const)("the page load's %s", async ([name, type], { page, app, open }) => {
    await open({ html: "<p>Text</p>" });
    expect(await page.evaluate(() => PerformanceObserver.supportedEntryTypes)).toContain(type);
    await app.event((event) => event["web_vital.name"] === "FCP"); // a page that was never painted has no CLS
    await page.goto("about:blank");
    const vital = await app.event((event) => event["web_vital.name"] === name);
    const value = Number(vital["web_vital.value"]);
    expect(value).toBeGreaterThanOrEqual(0);
    const [good = 0, fair = 0] = RATINGS[name] ?? [];
    expect(vital["web_vital.rating"]).toBe(value <= good ? "good" : value <= fair ? "needs-improvement" : "poor");
  });

  test("an interaction's INP", async ({ page, app, open }) => {
    await open({
      // A page without frames is never idle, and web-vitals looks at interactions when it is.
      before: "window.requestIdleCallback = (idle) => setTimeout(idle);",
      html: `<button onclick="for (const end = performance.now() + 60; performance.now() < end; );">Press</button>`,
    });
    expect(await page.evaluate(() => PerformanceObserver.supportedEntryTypes)).toContain("event");
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
    expect((await app.event((event) => event["web_vital.name"] === "INP"))["web_vital.value"]).toBeGreaterThan(40);
  });

  test("URLs without user-info and fragment", async ({ app, open, run, leave }) => {
    await open();
    await run(async (url: [string]) => {
      await xhr(url[0].replace("//", "//user:secret@"));
    }, `${app.origin}/a?b#c`);
    expect((await leave("/a"))["url.full"]).toBe(`${app.origin}/a?b`);
  });
});

describe("sending", () => {
  test("events go out by themselves, while the page lives", async ({ page, app, open }) => {
    await open();
    await page.evaluate(() => fetch("/a").then((response) => response.text()));
    await app.event((event) => pathOf(event) === "/a");
    expect(page.url()).toContain("/page");
  });

  test("many events do not wait for the time to pass", async ({ page, app, start }) => {
    await start({}, STILL);
    await page.evaluate(() => {
      for (let i = 0; i < 150; i++) new Image().src = `/image?${i}`;
    });
    await app.event((event) => pathOf(event) === "/image");
  });

  test("hiding the page sends what is there, without fetchLater too", async ({ page, app, start }) => {
    await start({}, "window.fetchLater = undefined;");
    await page.evaluate(async () => {
      await (await fetch("/a")).text();
      Object.defineProperty(document, "visibilityState", { value: "hidden" });
      document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
    });
    await app.event((event) => pathOf(event) === "/a");
    expect(app.beaconHeaders[0]).toMatchObject({ "content-type": "text/plain;charset=UTF-8" });
  });

  test("a large queue is split", async ({ page, app, start }) => {
    await start();
    await page.evaluate(async () => {
      for (let i = 0; i < 45; i++) await fetch(`/a?${i}&${"x".repeat(4000)}`);
      await kept.agent.flush();
    });
    expect(app.events.filter((event) => pathOf(event) === "/a")).toHaveLength(45);
    expect(app.beacons.length).toBeGreaterThanOrEqual(4);
    for (const bytes of app.beaconBytes) expect(bytes).toBeLessThan(60_000);
  });

  test.for([503, 429, 500, 0])(
    "what is answered with %i goes out again, once",
    async (status, { page, app, start }) => {
      app.answerBeacon = () => status;
      await start();
      await page.evaluate(async () => {
        await fetch("/a");
        await kept.agent.flush();
      });
      expect(app.beaconBytes.length).toBeGreaterThan(0);
      expect(app.beacons).toEqual([]);
      app.answerBeacon = () => 202;
      await page.evaluate(() => kept.agent.flush());
      const sent = app.beacons.flatMap((beacon) => beacon.events);
      expect(sent.filter((event) => pathOf(event) === "/a")).toHaveLength(1);
      expect(app.beacons[0]).not.toHaveProperty("dropped");
    },
  );

  test("after a failure it waits twice as long, then sends by itself", async ({ page, app, start }) => {
    await start({}, STILL);
    await page.evaluate(() => kept.agent.flush());
    app.answerBeacon = () => 503;
    await page.evaluate(async () => {
      await fetch("/a");
      await kept.agent.flush();
    });
    app.answerBeacon = () => 202;
    const tries = app.beaconBytes.length;
    await page.evaluate(() => kept.pass(3_900));
    expect(app.beaconBytes).toHaveLength(tries);
    await page.evaluate(() => kept.pass(200));
    await app.event((event) => pathOf(event) === "/a");
  });

  test("what the server refuses is not sent again, but counted", async ({ page, app, start }) => {
    app.answerBeacon = () => 400;
    await start();
    await page.evaluate(async () => {
      await kept.agent.flush();
      await fetch("/a");
      await kept.agent.flush();
    });
    app.answerBeacon = () => 202;
    await page.evaluate(async () => {
      await fetch("/b");
      await kept.agent.flush();
    });
    expect(app.events.filter((event) => event["request.kind"] === "fetch").map(pathOf)).toEqual(["/b"]);
    expect(app.beacons[0]?.dropped).toEqual({ refused: expect.any(Number) });
  });

  test("a beacon under way leaves the page room for its own calls with keepalive", async ({ page, app, start }) => {
    app.answerBeacon = () => HANG;
    await start();
    const status = await page.evaluate(async () => {
      for (let i = 0; i < 12; i++) await fetch(`/a?${i}&${"x".repeat(4000)}`);
      kept.agent.flush();
      const response = await fetch("/own", { method: "POST", keepalive: true, body: "b".repeat(40_000) });
      return [response.status, navigator.sendBeacon("/own", "b".repeat(2_000))];
    });
    expect(status).toEqual([200, true]);
  });

  test("a page that is hidden while offline keeps its events until it is online", async ({
    page,
    context,
    app,
    start,
  }) => {
    await start();
    await page.evaluate(() => kept.agent.flush());
    await context.setOffline(true);
    await page.evaluate(async () => {
      await fetch("/offline").catch(() => {});
      await kept.agent.flush();
      Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
      document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
    });
    await context.setOffline(false);
    await page.evaluate(() => kept.agent.flush());
    await app.event((event) => event["request.kind"] === "fetch" && pathOf(event) === "/offline");
  });

  test("a page that goes while a beacon is under way, or has failed, still sends the rest", async ({
    page,
    context,
    app,
    start,
  }) => {
    app.answerBeacon = () => 503;
    await start();
    await page.evaluate(() => kept.agent.flush());
    app.answerBeacon = () => 202;
    await page.evaluate(() => {
      addEventListener("visibilitychange", () => fetch("/last").catch(() => {}), { capture: true });
    });
    await context.newPage(); // the browser must not go with it
    await page.close({ runBeforeUnload: true }); // one that is left may come back
    for (const path of ["/module", "/last"]) {
      await app.event((event) => event.type === "request" && pathOf(event) === path);
    }
  });

  test("while the server is away the queue is bounded, and what is lost is counted", async ({ page, app, start }) => {
    await start();
    app.answerBeacon = () => 503;
    await page.evaluate(async () => {
      for (let round = 0; round < 3; round++) {
        for (let i = 0; i < 400; i++) await fetch("data:,");
        await kept.agent.flush();
      }
    });
    app.answerBeacon = () => 202;
    await page.evaluate(() => kept.agent.flush());
    const calls = app.events.filter((event) => event["request.kind"] === "fetch");
    expect(calls.length).toBeGreaterThan(980); // beside some of the page itself
    expect(calls.length).toBeLessThanOrEqual(1000);
    const dropped = app.beacons.map((beacon) => beacon.dropped as { buffer_full: number } | undefined);
    expect(dropped[0]?.buffer_full).toBeGreaterThanOrEqual(200);
    expect(dropped.slice(1)).toEqual(dropped.slice(1).map(() => undefined));
  });

  test("entries that the browser dropped before the agent came are counted", async ({ page, app, start }) => {
    await start({}, "performance.setResourceTimingBufferSize(1);");
    await page.evaluate(() => kept.agent.flush());
    await page.goto("about:blank");
    const dropped = app.beacons.map((beacon) => beacon.dropped as { timing_buffer_full: number } | undefined);
    expect(dropped.find(Boolean)?.timing_buffer_full).toBeGreaterThan(0);
  });
});

describe("identity", () => {
  test("tabs and page loads share instance and session, not the page", async ({ page, context, app }) => {
    const url = `${app.origin}/page?data-application-id=${APPLICATION}&data-allow-query-parameters=*`;
    await page.goto(url);
    await page.goto(`${url}&again`);
    const tab = await context.newPage();
    await tab.goto(`${url}&tab`);
    await tab.close({ runBeforeUnload: true });
    await page.goto("about:blank");
    for (const mark of ["&again", "&tab"]) await app.event((event) => String(event["url.full"]).endsWith(mark));
    const distinct = (field: string) => new Set(app.beacons.map((beacon) => beacon[field])).size;
    expect(distinct("rum.instance.id")).toBe(1);
    expect(distinct("session.id")).toBe(1);
    expect(distinct("page.instance_id")).toBe(3);
    expect(distinct("view.instance_id")).toBe(3);
  });

  test("a new session's events go in a beacon of their own, each with the session of its dtr", async ({
    page,
    app,
    start,
  }) => {
    await start();
    await page.evaluate(async () => {
      await fetch("/first");
      localStorage.clear();
      sessionStorage.clear();
      const stored = `${"A".repeat(32)}-4 ${Date.now()} ${Date.now()}`;
      localStorage.setItem("throughline.session", stored);
      await fetch("/second");
      await kept.agent.flush();
    });
    for (const path of ["/first", "/second"]) {
      const beacon = app.beacons.find((sent) => sent.events.some((event) => pathOf(event) === path));
      const [request] = await app.received(path);
      expect(request?.headers.tracestate?.split(";").at(-1)).toBe(beacon?.["session.id"]);
      if (path === "/second") expect(beacon?.["session.id"]).toBe(`${"A".repeat(32)}-4`);
    }
  });

  test.for([
    "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } });",
    "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };",
    `localStorage.setItem('throughline.session', '${"A".repeat(32)}-0 1 1');
     Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };`,
    "Object.defineProperty(window, 'localStorage', { value: null });",
  ])("without storage the ids last as long as the page: %s", async (before, { page, app, open }) => {
    await open({ before });
    await page.evaluate(async () => {
      for (const path of ["/a", "/b"]) await fetch(path);
    });
    await page.goto("about:blank");
    const [a] = await app.received("/a");
    const [b] = await app.received("/b");
    const ids = (tracestate = "") => tracestate.split(";").slice(3);
    expect(ids(a?.headers.tracestate)).toEqual([
      APPLICATION,
      expect.stringMatching(INSTANCE),
      expect.stringMatching(SESSION),
    ]);
    expect(ids(b?.headers.tracestate)).toEqual(ids(a?.headers.tracestate));
  });
});

import { readFileSync } from "node:fs";
import { expect, test as plain } from "vitest";
import { createClock } from "../src/clock";
import type { TimingEntry } from "../src/timing-entry";
import { PASS } from "./compare";
import { SPAN, TRACE, test } from "./fixture";
import { HANG } from "./server";

// The rules of docs/linking.md, section 7, each with a test of its own; what else there is to a rule is tested elsewhere.

const RULES = {
  contexts: "two wrappers on a page, or XHR under a fetch polyfill, write two ids joined by a comma",
  rebuilt: "a `Request` object is rebuilt and loses mode, signal, body, referrer or duplex",
  redirect: "a same-origin URL redirects to another origin and carries the headers into a failing preflight",
  own: "the collector's own beacons are traced",
  flags: "load balancers stamp `00-...-00`, and pages vanish as unsampled",
  cached: "a cached page replays one trace id to every visitor",
  full: "Resource Timing buffer full (250 entries)",
  same: "several requests with one URL: whose timing entry is it?",
  clocks: "browser and server clocks differ by minutes or days, or jump after sleep",
  shifted: "service worker, bfcache, prerender shift or fake timings",
  last: "the last beacon is lost on page hide, over 64 KB, or offline",
  blocked: "ad blockers and strict CSP",
};

plain("section 7 of the linking contract has these rules", () => {
  const contract = readFileSync(new URL("../../docs/linking.md", import.meta.url), "utf8");
  const [, section = ""] = contract.split(/^## 7\. .*$/m);
  const rows = [...section.matchAll(/^\| (.*?) \| .* \|$/gm)].map(([, words]) => words);
  expect(rows.slice(2)).toEqual(Object.values(RULES));
});

test(RULES.contexts, async ({ page, app, open }) => {
  await open({
    before: `
      window.fetch = (url, init) => new Promise((resolve) => {
        const request = new XMLHttpRequest();
        request.onload = () => resolve(new Response(request.response));
        request.open("GET", url);
        new Headers(init?.headers).forEach((value, name) => request.setRequestHeader(name, value));
        request.send();
      });`,
  });
  const given = `00-${TRACE}-${SPAN}-01`;
  await page.evaluate(async (traceparent) => {
    await fetch("/polyfill");
    const ours = window.fetch;
    window.fetch = (url, init) => ours(url, { ...init, headers: { ...init?.headers, traceparent } });
    await fetch("/wrapped");
  }, given);
  const [polyfill] = await app.received("/polyfill");
  expect(polyfill?.headers.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-03$/);
  const [wrapped] = await app.received("/wrapped");
  expect(wrapped?.headers.traceparent).toBe(given);
  for (const request of [polyfill, wrapped]) expect(request?.headers.tracestate?.match(/@dtr=/g)).toHaveLength(1);
});

test(RULES.rebuilt, async ({ page, app, open }) => {
  await open({
    before: `
      window.kept = { fetched: [] };
      const native = window.fetch;
      window.fetch = (...args) => (kept.fetched.push(args), native(...args));`,
  });
  const handed = await page.evaluate(async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const request = new Request("/a", { method: "POST", body: "b", mode: "same-origin", referrer: "/from", signal });
    await fetch(request);
    const held = new Request("/held?hold=1", { signal });
    const ended = fetch(held).catch((error) => error.name);
    controller.abort();
    return [
      kept.fetched.some(([input]) => input === request),
      kept.fetched.some(([input]) => input === held),
      await ended,
    ];
  });
  expect(handed).toEqual([true, true, "AbortError"]);
  expect((await app.received("/a"))[0]).toMatchObject({
    method: "POST",
    body: "b",
    headers: { referer: `${app.origin}/from` },
  });
});

test(RULES.redirect, async ({ page, app, other, open, leave }) => {
  await open();
  const to = encodeURIComponent(`${other.origin}/b?header=Access-Control-Allow-Origin: *`);
  const texts = await page.evaluate(
    async (url) => [await (await fetch(url)).text(), await (await fetch(url.replace("item/1", "item/2"))).text()],
    `/item/1?to=${to}`,
  );
  expect(texts).toEqual(["ok", "ok"]);
  const tries = app.requests.filter(({ url }) => url.pathname.startsWith("/item/"));
  expect(tries.map(({ headers }) => "traceparent" in headers)).toEqual([true, false, false]);
  expect(await leave("/item/2")).toMatchObject({ "request.trace_context_hint": "cors_rejected" });
});

test(RULES.own, async ({ page, app, open }) => {
  await open();
  await page.evaluate(() => fetch("/beacon", { method: "POST", body: `{"v":1,"events":[]}` }));
  await page.goto("about:blank");
  await app.event((event) => event["request.kind"] === "document");
  for (const headers of app.beaconHeaders) expect(headers).not.toHaveProperty("traceparent");
  expect(app.events.filter((event) => String(event["url.full"]).includes("/beacon"))).toEqual([]);
});

test(RULES.flags, async ({ open, leave }) => {
  await open({ header: `Server-Timing: trace;desc=00-${TRACE}-${SPAN}-00` });
  expect(await leave("/page")).toMatchObject({ "trace.id": TRACE, "span.id": SPAN, "trace.is_sampled": false });
});

test(RULES.cached, async ({ page, app }) => {
  const header = [`Server-Timing: trace;desc=00-${TRACE}-${SPAN}-01`, "Cache-Control: max-age=600"];
  const query = new URLSearchParams([
    ...header.map((value) => ["header", value]),
    ["data-application-id", "745a78fe5b6e57f6"],
  ]);
  await page.goto(`${app.origin}/module`);
  for (let visit = 0; visit < 2; visit++) {
    await page.evaluate((url) => location.assign(url), `${app.origin}/page?${query}`);
    await app.event(() => app.events.filter((event) => event["request.kind"] === "document").length > visit);
    await page.goto(`${app.origin}/module`);
  }
  const hints = app.events
    .filter((event) => event["request.kind"] === "document")
    .map((event) => event["request.server_timing_hint"]);
  expect(hints).toEqual(["received", "stale"]);
});

test(RULES.full, async ({ page, app, open, leave }) => {
  await open({ before: "performance.setResourceTimingBufferSize(1);" });
  await page.evaluate(async () => {
    for (let i = 0; i < 5; i++) await (await fetch(`/call${i}`)).text();
  });
  for (let i = 0; i < 5; i++) expect((await leave(`/call${i}`))["performance.timing"]).toBeDefined();
  expect(app.requests.length).toBeGreaterThanOrEqual(5);
});

test(RULES.same, async ({ page, app, open }) => {
  await open();
  await page.evaluate(() =>
    Promise.all(Array.from({ length: 20 }, () => fetch("/same?trace").then((answer) => answer.text()))),
  );
  await page.goto("about:blank");
  const found = () => app.events.filter((event) => String(event["url.full"]).includes("/same"));
  await app.event(() => found().length === 20);
  expect(found().map((event) => event["request.server_timing_hint"])).not.toContain("mismatch");
});

plain(RULES.clocks, () => {
  const origin = 1_777_270_045_000;
  const clock = createClock(origin);
  const measure = (ahead: number) => {
    const entry = { requestStart: 100, responseStart: 120, workerStart: 0, deliveryType: "" } as TimingEntry;
    clock._sample(entry, origin + 110 + ahead, true);
    return clock._fields()["clock.offset"];
  };
  expect(clock._fields()["clock.offset"]).toBeUndefined();
  expect([600_000, -3 * 86_400_000, 2 * 3_600_000].map(measure)).toEqual([600_000, -3 * 86_400_000, 2 * 3_600_000]);
  expect(clock._fields()["clock.uncertainty"]).toBe(10);
});

test(RULES.shifted, async ({ page, app, open, leave }) => {
  app.scripts.set("/pass.js", PASS);
  // A browser that is driven neither prerenders nor keeps pages that are left, so the page is told that it did.
  await open({ before: `Object.defineProperty(document, "prerendering", { value: true, configurable: true });` });
  await page.evaluate(async () => {
    await fetch("/prerendered");
    Object.defineProperty(document, "prerendering", { value: false });
    Object.defineProperty(PerformanceNavigationTiming.prototype, "activationStart", { value: performance.now() });
    document.dispatchEvent(new Event("prerenderingchange"));
    await fetch("/shown");
    dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
    const registration = await navigator.serviceWorker.register("/pass.js");
    if (!navigator.serviceWorker.controller) {
      await new Promise((resolve) => navigator.serviceWorker.addEventListener("controllerchange", resolve));
    }
    await (await fetch("/worker")).text();
    await timed("/worker");
    await registration.unregister();
  });
  expect(await leave("/prerendered")).toMatchObject({ "request.is_prerendered": true });
  expect(await leave("/shown")).not.toHaveProperty("request.is_prerendered");
  expect(await leave("/worker")).toMatchObject({ "performance.delivery": "service_worker" });
  await app.event((event) => event["navigation.type"] === "bfcache");
});

test(RULES.last, async ({ page, app, start }) => {
  app.answerBeacon = () => HANG;
  await start();
  await page.evaluate(async () => {
    // More than 64 KB, and a beacon that is under way has no answer.
    for (let i = 0; i < 40; i++) await fetch(`/a?${i}&${"x".repeat(1_000)}`);
    kept.agent.flush();
    await fetch("/last");
  });
  app.answerBeacon = () => 202;
  await page.goto("about:blank");
  await app.event((event) => String(event["url.full"]).endsWith("/last"));
  for (const bytes of app.beaconBytes) expect(bytes).toBeLessThan(65_536);
});

test(RULES.blocked, async ({ page, app, open }) => {
  await open({ header: "Content-Security-Policy: default-src 'self'; img-src data:; report-uri /violation" });
  await page.evaluate(async () => {
    await fetch("/a");
    new Image().src = "https://elsewhere.test/of-the-test"; // the first violation
  });
  expect((await app.received("/violation"))[0]?.body).toContain("elsewhere.test");
  await page.goto("about:blank");
  await app.event((event) => String(event["url.full"]).endsWith("/a"));
});

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { APPLICATION, RECORD, test } from "./fixture";
import type { BeaconEvent } from "./server";

// The forms in which the classic script comes, and the policies of pages that it gets on with.

const at = (path: string) => (event: BeaconEvent) => new URL(String(event["url.full"])).pathname === path;

const integrity = (file: string) =>
  `sha384-${createHash("sha384")
    .update(readFileSync(new URL(`../dist/${file}`, import.meta.url)))
    .digest("base64")}`;

test("a script that is there at once has linked the first call of the page", async ({ page, app, open }) => {
  await open({ html: `<script>fetch("/first")</script>` });
  const [request] = await app.received("/first");
  expect(request?.headers.traceparent).toMatch(/^00-/);
  expect(
    await page.evaluate(() => typeof (self as unknown as Record<string, { init: unknown }>).throughline?.init),
  ).toBe("function");
});

test.for(["async", "defer"])("%s: it starts when it has come", async (on, { page, app, open }) => {
  await open({ on });
  await page.evaluate(() => fetch("/a"));
  expect((await app.received("/a"))[0]?.headers.traceparent).toMatch(/^00-/);
  await page.goto("about:blank");
  await app.event(at("/a"));
});

test("without data-application-id the page starts it by its global", async ({ page, app }) => {
  await page.goto(`${app.origin}/page`);
  await page.evaluate(async (applicationId) => {
    await fetch("/before");
    const { throughline } = self as unknown as { throughline: typeof kept.agent };
    throughline.init({ applicationId });
    await fetch("/after");
    throughline.addEvent("said");
    await throughline.flush();
  }, APPLICATION);
  expect((await app.received("/before"))[0]?.headers).not.toHaveProperty("traceparent");
  expect((await app.received("/after"))[0]?.headers).toHaveProperty("traceparent");
  await app.event((event) => event.type === "custom");
});

test("every option has its attribute", async ({ page, app, other, open }) => {
  await open({
    "data-endpoint": `${other.origin}/beacon`,
    "data-tenant": "2ead957c-980df25b",
    "data-cross-origin-url-pattern": "^http://127",
    "data-exclude-url-pattern": "/excluded$",
    "data-allow-query-parameters": "page, size",
    "data-mask-path-pattern": "\\d+",
    "data-resource-sample-rate": "0",
    "data-trace-sample-rate": "",
    html: `<img src="/image?type=image/png">`,
  });
  await page.evaluate(async (origin) => {
    await fetch("/orders/17?page=1&size=2&name=x");
    await fetch("/excluded");
    await fetch(`${origin}/far?allow=*`);
  }, other.origin);
  await page.goto("about:blank");
  const event = await other.event((sent) => String(sent["url.full"]).includes("/orders/"));
  expect(event["url.full"]).toBe(`${app.origin}/orders/*?page=1&size=2&name=*`);
  await other.event(at("/far"));
  expect(other.events.filter((sent) => sent["request.kind"] === "resource")).toEqual([]);
  expect((await app.received("/orders/17"))[0]?.headers.tracestate).toContain("2ead957c-980df25b@dtr=");
  expect((await app.received("/excluded"))[0]?.headers).not.toHaveProperty("traceparent");
  expect((await other.received("/far"))[0]?.headers).toHaveProperty("traceparent");
  expect(app.beacons).toEqual([]);
});

test.for([
  ["data-propagation", "off", "disabled"],
  ["data-trace-sample-rate", "0", "not_sampled"],
])("%s=%s", async ([name, value, hint], { page, app, open, leave }) => {
  await open({ [name as string]: value as string });
  await page.evaluate(() => fetch("/a"));
  expect((await leave("/a"))["request.trace_context_hint"]).toBe(hint);
  expect((await app.received("/a"))[0]?.headers).not.toHaveProperty("traceparent");
});

test("an attribute that is not usable is told, and the rest goes on", async ({ page, app, open }) => {
  await open({ "data-exclude-url-pattern": "(", before: RECORD });
  expect(await page.evaluate(() => kept.warned)).toEqual([expect.stringContaining("excludeUrlPattern is not usable")]);
  await page.evaluate(() => fetch("/a"));
  expect((await app.received("/a"))[0]?.headers).toHaveProperty("traceparent");
});

/** A page under this policy; `script` are attributes of the agent's element. */
const POLICIES: Record<string, { policy: string; script?: string }> = {
  self: { policy: "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:" },
  nonce: { policy: "default-src 'none'; script-src 'nonce-x'; connect-src 'self'; img-src data:", script: 'nonce="x"' },
  "strict-dynamic": {
    policy: "default-src 'none'; script-src 'nonce-x' 'strict-dynamic'; connect-src 'self'; img-src data:",
    script: 'nonce="x"',
  },
  "trusted types": {
    policy:
      "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:; require-trusted-types-for 'script'; trusted-types 'none'",
  },
  integrity: {
    policy: "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:",
    script: `integrity="${integrity("throughline.js")}" crossorigin="anonymous"`,
  },
};

test.for(Object.entries(POLICIES))(
  "%s: nothing breaks the page's content security policy, and attribution comes too",
  async ([, { policy, script = "" }], { page, app, open }) => {
    await open({ header: `Content-Security-Policy: ${policy}`, on: script });
    const breaches = page.evaluate(
      () =>
        new Promise<string[]>((resolve) => {
          const found: string[] = [];
          const observer = new ReportingObserver(
            (reports) => {
              for (const report of reports) found.push(JSON.stringify(report));
            },
            { types: ["csp-violation"], buffered: true },
          );
          observer.observe();
          const look = () => {
            if (!performance.getEntriesByType("resource").some(({ name }) => name.endsWith("/throughline-idle.js")))
              return;
            for (const report of observer.takeRecords()) found.push(JSON.stringify(report));
            resolve(found);
          };
          new PerformanceObserver(look).observe({ type: "resource", buffered: true });
        }),
    );
    expect(await breaches).toEqual([]);
    await page.evaluate(async () => {
      await fetch("/a");
      await xhr("/a");
    });
    await page.goto("about:blank");
    await app.event(at("/a"));
    await app.event((event) => event["web_vital.name"] === "TTFB");
    const losses = app.beacons.map(({ dropped }) => dropped).filter(Boolean);
    expect(losses).toEqual([]);
    expect(app.events.filter((event) => event.type === "error")).toEqual([]);
    for (const request of await app.received("/a", 2)) expect(request.headers).toHaveProperty("traceparent");
  },
);

test("from another origin, with its hash", async ({ page, app, other, open }) => {
  const allowed = `header=${encodeURIComponent("Access-Control-Allow-Origin: *")}`;
  await open({
    src: `${other.origin}/throughline.js?${allowed}`,
    on: `integrity="${integrity("throughline.js")}" crossorigin="anonymous"`,
  });
  await page.evaluate(() => fetch("/a"));
  await page.goto("about:blank");
  // By default it sends to where it came from.
  await other.event(at("/a"));
  expect(app.beacons).toEqual([]);
});

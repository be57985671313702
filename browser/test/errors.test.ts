import { expect } from "vitest";
import { RECORD, test } from "./fixture";
import type { BeaconEvent, Server } from "./server";

// Errors of every origin, told with the request that failed.

const error = (event: BeaconEvent) => event.type === "error";
const from = (source: string) => (event: BeaconEvent) => event["error.source"] === source;
const errors = (app: Server) => app.events.filter(error).sort((a, b) => a.start - b.start);
const bytes = (value: unknown) => Buffer.byteLength(String(value));

test("an exception: class, message, stack and causes", async ({ page, app, open }) => {
  await open();
  await page.evaluate(() => {
    setTimeout(() => {
      const cause = Object.assign(new RangeError("too far"), { cause: new Error("the root") });
      throw Object.assign(new TypeError("it broke"), { cause });
    });
  });
  const told = await app.event(from("exception"));
  expect(told).toMatchObject({ "exception.type": "TypeError", "exception.message": "it broke" });
  expect(told["exception.stacktrace"]).toMatch(/Caused by: RangeError: too far\n.*Caused by: Error: the root\n/s);
  expect(new URL(String(told["url.full"])).pathname).toBe("/page");
  expect(told).not.toHaveProperty("error.handled");
  expect(told).not.toHaveProperty("error.request_id");
});

test("what is thrown is not always an Error", async ({ page, app, start }) => {
  await start();
  await page.evaluate(() => {
    const cases = ["text", 7, null, undefined, "", { code: 5 }, new DOMException("no", "DataError"), Symbol("odd")];
    for (const thrown of cases) void Promise.reject(thrown);
  });
  await app.event((event) => event["exception.message"] === "Symbol(odd)");
  expect(errors(app).map((event) => [event["exception.type"], event["exception.message"]])).toEqual([
    ["string", "text"],
    ["number", "7"],
    ["object", "null"],
    ["undefined", "undefined"],
    ["string", ""],
    ["object", "{code}"],
    ["DataError", "no"],
    ["symbol", "Symbol(odd)"],
  ]);
  for (const event of errors(app)) expect(event["error.source"]).toBe("unhandled_rejection");
});

test("a script of another origin: the browser says no more than that", async ({ app, other, open }) => {
  const script = `${other.origin}/script?type=text/javascript&body=throw new Error(1)`;
  await open({ html: `<script src="${script}"></script>` });
  const told = await app.event(from("exception"));
  expect(told["exception.message"]).toBe("Script error.");
  expect(told).not.toHaveProperty("exception.stacktrace");
  expect(told).not.toHaveProperty("exception.type");
});

test.for(["img", "script", "link"])("a <%s> that did not load", async (name, { page, app, open }) => {
  await open();
  await page.evaluate((name) => {
    const element = Object.assign(document.createElement(name), { rel: "stylesheet" });
    element.setAttribute(name === "link" ? "href" : "src", "/gone?status=404&type=text/plain&id=7");
    document.head.append(element);
  }, name);
  const told = await app.event(from("resource"));
  expect(told).toMatchObject({
    "exception.message": `<${name}> did not load`,
    "error.resource_url": `${app.origin}/gone?status=404&type=text/plain&id=7`,
  });
});

test("breaches of a content security policy, enforced and only reported", async ({ page, app }) => {
  const script = `<script src="/throughline.js" data-application-id="745a78fe5b6e57f6"></script>`;
  const query = new URLSearchParams({ type: "text/html", body: `<!doctype html><title>Test</title>${script}` });
  query.append("header", "Content-Security-Policy: img-src 'none'; style-src 'self'");
  query.append("header", "Content-Security-Policy-Report-Only: font-src 'none'; connect-src 'self'");
  await page.goto(`${app.origin}/policy?${query}`);
  await page.evaluate(async () => {
    new Image().src = "/image?id=7";
    document.head.append(document.createElement("style"));
    await new FontFace("odd", "url(/font)").load().catch(() => {});
  });
  await app.event((event) => event["exception.type"] === "font-src");
  const image = await app.event((event) => String(event["csp.blocked_uri"]).includes("/image"));
  expect(image).toMatchObject({
    "error.source": "csp",
    "exception.type": "img-src",
    "exception.message": `${app.origin}/image?id=* broke img-src`,
    "csp.blocked_uri": `${app.origin}/image?id=*`,
    "csp.disposition": "enforce",
  });
  expect(await app.event((event) => event["csp.disposition"] === "report")).toMatchObject({
    "exception.message": `${app.origin}/font would break font-src`,
  });
  const inline = await app.event((event) => event["csp.blocked_uri"] === "inline");
  expect(inline["exception.type"]).toMatch(/^style-src/);
});

test("addError: handled, with properties", async ({ app, start, run }) => {
  await start();
  await run(() => kept.agent.addError(new Error("caught"), { order: 7 }));
  expect(await app.event(error)).toMatchObject({
    "error.source": "reported",
    "error.handled": true,
    "exception.message": "caught",
    "event_properties.order": 7,
  });
});

test("an error is told with the request that failed", async ({ app, start, run, leave }) => {
  await start();
  await run(async () => {
    const report = (name: string, properties: object) =>
      kept.agent.addError(Object.assign(new Error(name), properties));
    const rejected = await fetch("/rejected?drop").catch((error) => error);
    kept.agent.addError(rejected);
    report("its cause", { cause: await fetch("/cause?drop").catch((error) => error) });
    report("its response", { response: await fetch("/response?status=500") });
    const request = new XMLHttpRequest();
    await new Promise((resolve) => {
      request.onloadend = resolve;
      request.open("GET", "/request?status=500");
      request.send();
    });
    report("its request", { request });
    // As axios makes it.
    report("its response's request", { response: { status: 500, request } });
    void fetch("/unhandled?drop");
    await new Promise((resolve) => addEventListener("unhandledrejection", resolve, { once: true }));
    report("of no request", { response: new Response() });
  });
  await leave("/unhandled");
  const told = new Map(errors(app).map((event) => [event["exception.message"], event["error.request_id"]]));
  const id = (path: string) =>
    app.events.find((event) => event.type === "request" && String(event["url.full"]).includes(path))?.id;
  expect(id("/cause")).toMatch(/^[0-9a-f]{16}$/);
  expect(told.get("its cause")).toBe(id("/cause"));
  expect(told.get("its response")).toBe(id("/response"));
  expect(told.get("its request")).toBe(id("/request"));
  expect(told.get("its response's request")).toBe(id("/request"));
  expect(told.get("of no request")).toBeUndefined();
  const direct = errors(app).filter((event) => event["exception.type"] === "TypeError");
  expect(direct.map((event) => event["error.request_id"])).toEqual([id("/rejected"), id("/unhandled")]);
});

test("the same error is told five times, a hundred different ones at most", async ({ app, start, run }) => {
  await start();
  await run(async () => {
    const same = new Error("same");
    for (let count = 0; count < 8; count++) kept.agent.addError(same);
    for (let count = 0; count < 110; count++) kept.agent.addError(`error ${count}`);
    await kept.agent.flush();
    kept.agent.addEvent("end");
    await kept.agent.flush();
  });
  expect(errors(app).filter((event) => event["exception.message"] === "same")).toHaveLength(5);
  expect(errors(app)).toHaveLength(104);
  const lost = app.beacons.map(({ dropped }) => (dropped as Record<string, number>)?.too_many_errors ?? 0);
  expect(lost.reduce((sum, count) => sum + count)).toBe(3 + 11);
});

test("hostile errors harm nobody, and are told as far as they can be read", async ({ page, app, start, run }) => {
  await start({}, RECORD);
  await run(async () => {
    const trap = () => {
      throw new Error("trap");
    };
    const getter = (name: string) => Object.defineProperty(new Error(`getter ${name}`), name, { get: trap });
    for (const name of ["message", "stack", "name", "response", "request", "cause"]) kept.agent.addError(getter(name));
    kept.agent.addError(new Proxy(new Error("proxy"), { get: trap, has: trap }));
    kept.agent.addError(Object.assign(new Error("object"), { message: { toString: trap }, stack: Symbol("stack") }));
    kept.agent.addError({ toJSON: trap, toString: trap });
    const cycle = new Error("cycle");
    kept.agent.addError(Object.assign(cycle, { cause: cycle, response: cycle, request: cycle }));
    kept.agent.addError(new Error("\u20ac".repeat(5_000_000)));
    kept.agent.addError(new Error(`half a pair: \ud83d`), { half: "\udc00" });
    kept.agent.addError(new Error("props"), { cycle: { cycle }, big: 7n, get: () => {}, long: "x".repeat(5_000) });
    for (const odd of [Object.create(null), () => {}, [], new Map(), document, window]) kept.agent.addError(odd);
    await kept.agent.flush();
    kept.agent.addError(new Error("end"));
  });
  const end = await app.event((event) => event["exception.message"] === "end");
  expect(end).toHaveProperty("exception.stacktrace");
  const messages = errors(app).map((event) => String(event["exception.message"]));
  for (const message of ["getter response", "getter request", "cycle", "half a pair: \ud83d", "props"]) {
    expect(messages).toContain(message);
  }
  expect(messages.filter((message) => message === "not readable").length).toBeGreaterThan(0);
  for (const event of errors(app)) {
    expect(bytes(event["exception.message"])).toBeLessThanOrEqual(4_096);
    expect(bytes(event["exception.stacktrace"] ?? "")).toBeLessThanOrEqual(16_384);
    expect(
      Object.keys(event)
        .filter((name) => name.startsWith("event_properties"))
        .filter((name) => name !== "event_properties.half"),
    ).toEqual([]);
  }
  expect(messages.find((message) => message.startsWith("\u20ac"))).toBe("\u20ac".repeat(1_365));
  expect(await page.evaluate(() => kept.errors)).toEqual([]);
});

test("after shutdown nobody listens", async ({ app, start, run, page }) => {
  await start();
  await run(async () => {
    await kept.agent.shutdown();
    void Promise.reject(new Error("unseen"));
    await new Promise((resolve) => addEventListener("unhandledrejection", resolve, { once: true }));
    kept.agent.addError(new Error("unseen"));
  });
  await page.goto("about:blank");
  await app.event((event) => event.type === "navigation");
  expect(errors(app)).toEqual([]);
});

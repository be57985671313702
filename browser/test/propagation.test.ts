import { describe, expect } from "vitest";
import { APPLICATION, INSTANCE, RECORD, SESSION, SPAN, TENANT, TRACE, test } from "./fixture";

// The decision table of the linking contract, section 2.3, by fetch and by XMLHttpRequest.

const OWN = `00-${TRACE}-${SPAN}-01`;

type Headers = [string, string][];

/** Sends a request in the page by one or the other; resolves when its timing entry is there. */
const ways = {
  fetch: async ([url, headers]: [string, Headers]) => {
    await fetch(url, { headers }).then((response) => response.text());
    await timed(url);
  },
  xhr: async ([url, headers]: [string, Headers]) => {
    await xhr(url, { headers });
    await timed(url);
  },
};

describe.for(Object.entries(ways))("%s", ([kind, way]) => {
  test("set: a same-origin request gets both headers, and its event their ids", async ({ app, open, run, leave }) => {
    await open();
    await run(way, "/a", []);
    const event = await leave("/a");
    const [request] = await app.received("/a");

    const [version, trace, span, flags] = String(request?.headers.traceparent).split("-");
    expect([version, flags]).toEqual(["00", "03"]);
    const [key, value] = String(request?.headers.tracestate).split("=");
    expect(key).toBe(`${TENANT}@dtr`);
    const [dtrVersion, dtrSpan, sampled, application, instance, session] = String(value).split(";");
    expect([dtrVersion, dtrSpan, sampled, application]).toEqual(["1", span, "1", APPLICATION]);
    expect(instance).toMatch(INSTANCE);
    expect(session).toMatch(SESSION);

    expect(event).toMatchObject({
      "request.kind": kind,
      "request.trace_context_hint": "set",
      "request.server_timing_hint": "not_available",
      "trace.id": trace,
      "span.id": span,
      "url.full": `${app.origin}/a`,
      "http.request.method": "GET",
      "http.response.status_code": 200,
      "performance.initiator_type": kind === "xhr" ? "xmlhttprequest" : "fetch",
      "performance.delivery": "network",
    });
    const beacon = app.beacons.find((sent) => sent.events.some(({ id }) => id === event.id));
    expect(beacon).toMatchObject({ "rum.instance.id": instance, "session.id": session });
  });

  test.for([
    ["disabled", "app", { "data-propagation": "off" }],
    ["excluded", "app", { "data-exclude-url-pattern": "/(a|own)[?]" }],
    ["cross_origin", "other", {}],
    ["cross_origin", "other", { "data-cross-origin-url-pattern": "^https://api" }],
  ] as const)(
    "%s at %s with %o: the headers stay as they are",
    async ([hint, at, parameters], { app, other, open, run, leave }) => {
      const { origin, received } = at === "app" ? app : other;
      await open(parameters);
      await run(way, `${origin}/a?allow=*`, []);
      await run(way, `${origin}/own?allow=*`, [
        ["traceparent", OWN],
        ["tracestate", "rojo=1"],
      ]);
      const event = await leave("/a");
      expect(event["request.trace_context_hint"]).toBe(hint);
      expect(event).not.toHaveProperty("trace.id");
      const [request] = await received("/a");
      expect(request?.headers).not.toHaveProperty("traceparent");
      expect(request?.headers).not.toHaveProperty("tracestate");

      // With a context of the application's own.
      expect(await leave("/own")).toMatchObject({
        "request.trace_context_hint": hint,
        "trace.id": TRACE,
        "span.id": SPAN,
      });
      const [own] = await received("/own");
      expect(own?.headers).toMatchObject({ traceparent: OWN, tracestate: "rojo=1" });
    },
  );

  test("not_http", async ({ page, app, open }) => {
    await open();
    await page.evaluate(async (by) => {
      await (by === "xhr" ? xhr("data:text/plain,secret") : fetch("data:text/plain,secret"));
    }, kind);
    await page.goto("about:blank");
    const event = await app.event((sent) => sent["request.kind"] === kind);
    expect(event).toMatchObject({ "request.trace_context_hint": "not_http", "url.full": "data:text/plain," });
  });

  test("included: an allow pattern lets a cross-origin request in", async ({ other, open, run, leave }) => {
    await open({ "data-cross-origin-url-pattern": `^${other.origin}/` });
    await run(way, `${other.origin}/a?allow=*`, []);
    const event = await leave("/a");

    const [request] = await other.received("/a");
    expect(request?.headers.traceparent).toBe(`00-${event["trace.id"]}-${event["span.id"]}-03`);
    expect(request?.headers.tracestate).toContain(`${TENANT}@dtr=1;${event["span.id"]};1;`);
    expect(event["request.trace_context_hint"]).toBe("included");
    const preflight = other.requests.find((sent) => sent.method === "OPTIONS");
    expect(preflight?.headers["access-control-request-headers"]).toBe("traceparent,tracestate");
  });

  test("invalid: a broken traceparent is the application's business", async ({ app, open, run, leave }) => {
    await open();
    const broken = {
      "/garbage": "garbage",
      "/case": OWN.toUpperCase(),
      "/zero": `00-${"0".repeat(32)}-${SPAN}-01`,
      "/ff": `ff-${TRACE}-${SPAN}-01`,
      "/twice": `${OWN}, ${OWN}`,
    };
    for (const [path, traceparent] of Object.entries(broken)) {
      await run(way, path, [
        ["traceparent", traceparent],
        ["tracestate", "rojo=1"],
      ]);
    }
    for (const [path, traceparent] of Object.entries(broken)) {
      const event = await leave(path);
      expect(event["request.trace_context_hint"]).toBe("invalid");
      expect(event).not.toHaveProperty("trace.id");
      const [request] = await app.received(path);
      expect(request?.headers).toMatchObject({ traceparent, tracestate: "rojo=1" });
    }
  });

  test("external: the application's context stays, and dtr joins it leftmost", async ({ app, open, run, leave }) => {
    await open();
    await run(way, "/a", [
      ["traceparent", OWN],
      ["tracestate", `rojo=1, ${TENANT}@dtr=1;old`],
      ["TraceState", "congo=2"],
    ]);
    const event = await leave("/a");

    const [request] = await app.received("/a");
    expect(request?.headers.traceparent).toBe(OWN);
    expect(request?.headers.tracestate).toMatch(
      new RegExp(`^${TENANT}@dtr=1;${SPAN};1;${APPLICATION};[A-Z0-9]+;[A-Z]+-0,rojo=1,congo=2$`),
    );
    expect(event).toMatchObject({ "request.trace_context_hint": "external", "trace.id": TRACE, "span.id": SPAN });
    expect(event).not.toHaveProperty("trace.is_sampled"); // that is the backend's to say
  });

  test("external and not sampled: the application's own flags say it", async ({ app, open, run, leave }) => {
    const unsampled = OWN.replace(/..$/, "00");
    await open();
    await run(way, "/a", [["traceparent", unsampled]]);
    expect(await leave("/a")).toMatchObject({ "request.trace_context_hint": "external", "trace.is_sampled": false });
    const [request] = await app.received("/a");
    expect(request?.headers.traceparent).toBe(unsampled);
  });

  test("max_length: a tracestate without room stays as it is", async ({ app, open, run, leave }) => {
    await open();
    const members = (count: number) => Array.from({ length: count }, (_, i) => `k${i}=1`).join();
    const full = { "/members": members(32), "/characters": `k=${"v".repeat(250)},l=${"v".repeat(200)}` };
    for (const [path, tracestate] of Object.entries(full)) await run(way, path, [["tracestate", tracestate]]);
    await run(way, "/own", [
      ["tracestate", members(32)],
      ["traceparent", OWN],
    ]);
    await run(way, "/room", [["tracestate", members(31)]]);

    for (const [path, tracestate] of Object.entries(full)) {
      const event = await leave(path);
      expect(event["request.trace_context_hint"]).toBe("max_length");
      const [request] = await app.received(path);
      expect(request?.headers.tracestate).toBe(tracestate);
      expect(request?.headers.traceparent).toBe(`00-${event["trace.id"]}-${event["span.id"]}-03`);
    }
    expect(await leave("/own")).toMatchObject({ "request.trace_context_hint": "max_length", "trace.id": TRACE });
    expect((await app.received("/own"))[0]?.headers).toMatchObject({ traceparent: OWN, tracestate: members(32) });
    expect((await leave("/room"))["request.trace_context_hint"]).toBe("set");
    expect((await app.received("/room"))[0]?.headers.tracestate).toMatch(
      new RegExp(`^${TENANT}@dtr=.*,${members(31)}$`),
    );
  });

  test("missing_values: without an application id traceparent goes alone", async ({ app, open, run, leave }) => {
    await open({ "data-application-id": "" });
    await run(way, "/a", []);
    const event = await leave("/a");

    const [request] = await app.received("/a");
    expect(request?.headers.traceparent).toBe(`00-${event["trace.id"]}-${event["span.id"]}-03`);
    expect(request?.headers).not.toHaveProperty("tracestate");
    expect(event["request.trace_context_hint"]).toBe("missing_values");
  });

  test("another tenant's entry is left alone", async ({ app, open, run, leave }) => {
    await open({ "data-tenant": "2ead957c-980df25b" });
    const theirs = `${TENANT}@dtr=1;${SPAN};1;a;b;c`;
    await run(way, "/a", [["tracestate", theirs]]);
    await leave("/a");
    const [request] = await app.received("/a");
    expect(request?.headers.tracestate).toMatch(new RegExp(`^2ead957c-980df25b@dtr=1;.*,${theirs}$`));
  });
});

test("cross_origin: mode no-cors, even where an allow pattern matches", async ({ page, other, open, leave }) => {
  await open({ "data-cross-origin-url-pattern": "." });
  await page.evaluate(async (url) => {
    await fetch(url, { mode: "no-cors" });
    await timed(url);
  }, `${other.origin}/a`);
  const event = await leave("/a");
  const [request] = await other.received("/a");
  expect(request?.headers).not.toHaveProperty("traceparent");
  expect(event["request.trace_context_hint"]).toBe("cross_origin");
  expect(event).not.toHaveProperty("http.response.status_code");
  expect(event).not.toHaveProperty("error.reason");
});

test("a sandboxed frame is no one's origin", async ({ app, open }) => {
  const call = `addEventListener("load", () => fetch("${app.origin}/a?allow=*"));`;
  const query = new URLSearchParams({ "data-application-id": APPLICATION, before: call });
  await open({
    html: `<iframe sandbox="allow-scripts" src="/page?${query.toString().replace(/&/g, "&amp;")}"></iframe>`,
  });
  const [request] = await app.received("/a");
  expect(request?.headers.origin).toBe("null");
  expect(request?.headers).not.toHaveProperty("traceparent");
});

test("a pattern that does not compile is told, and matches nothing", async ({ page, other, open, run, leave }) => {
  await open({ "data-cross-origin-url-pattern": "(", before: RECORD });
  const warned = await page.evaluate(() => kept.warned);
  expect(warned).toEqual([expect.stringMatching(/^warn: .*crossOriginUrlPattern is not usable/)]);
  await run(ways.fetch, `${other.origin}/a?allow=*`, []);
  expect((await leave("/a"))["request.trace_context_hint"]).toBe("cross_origin");
});

test("the agent's own endpoint is never instrumented", async ({ page, app, open }) => {
  await open();
  const body = JSON.stringify({ v: 1, events: [{ type: "own" }] });
  await page.evaluate(async (sent) => {
    await fetch("/beacon?x", { method: "POST", body: sent });
    await xhr("/beacon", { method: "POST", body: sent });
  }, body);
  await page.goto("about:blank");
  await app.event((event) => event["request.kind"] === "document");
  expect(app.beaconHeaders.length).toBeGreaterThanOrEqual(3);
  for (const headers of app.beaconHeaders) expect(headers).not.toHaveProperty("traceparent");
  const urls = app.events.map((event) => String(event["url.full"] ?? ""));
  expect(urls.filter((url) => url.includes("/beacon"))).toEqual([]);
});

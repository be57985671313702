import { expect } from "vitest";
import { APPLICATION, hasAll, RECORD, SPAN, TRACE, test } from "./fixture";

// How the agent comes, goes, and gets on with others.

test("the package does nothing when it is imported", async ({ page, app }) => {
  await page.goto(`${app.origin}/module`);
  expect(await page.evaluate(() => window.fetch === kept.fetch)).toBe(true);
});

test("shutdown restores the browser's functions and sends what is left", async ({ page, app, start }) => {
  await start();
  const restored = await page.evaluate(async () => {
    const { prototype } = XMLHttpRequest;
    const wrapped = window.fetch !== kept.fetch && prototype.send !== kept.send;
    await fetch("/before");
    const done = kept.agent.shutdown();
    const names = ["open", "send", "setRequestHeader"] as const;
    const result = [wrapped, window.fetch === kept.fetch, ...names.map((name) => prototype[name] === kept[name])];
    await done;
    await fetch("/after");
    await xhr("/after");
    await kept.agent.flush();
    await kept.agent.shutdown();
    return result;
  });
  expect(restored).toEqual([true, true, true, true, true]);
  await page.goto("about:blank");
  for (const request of await app.received("/after", 2)) expect(request.headers).not.toHaveProperty("traceparent");
  const urls = app.events.map((event) => String(event["url.full"]));
  expect(urls.filter((url) => url.endsWith("/before"))).toHaveLength(1);
  expect(urls.filter((url) => url.endsWith("/after"))).toEqual([]);
});

test("after shutdown it may start again", async ({ page, app, start }) => {
  await start();
  await page.evaluate(async (applicationId) => {
    await kept.agent.shutdown();
    kept.agent.init({ applicationId });
    await fetch("/a");
    await kept.agent.flush();
  }, APPLICATION);
  expect((await app.received("/a"))[0]?.headers).toHaveProperty("traceparent");
  await app.event((event) => String(event["url.full"]).endsWith("/a"));
});

test("what the page did before a restart is told once", async ({ page, app, start }) => {
  await start();
  await page.evaluate(async (applicationId) => {
    await timed("/npm/index.js");
    await fetch("/before");
    await fetch("/beacon-like");
    await kept.agent.shutdown();
    kept.agent.init({ applicationId });
    await fetch("/after");
    await timed("/after");
    await kept.agent.flush();
  }, APPLICATION);
  const urls = app.events.filter((event) => event.type === "request").map((event) => event["url.full"]);
  for (const path of ["/module", "/npm/index.js", "/before", "/beacon-like", "/after"]) {
    expect(
      urls.filter((url) => url === app.origin + path),
      path,
    ).toHaveLength(1);
  }
  expect(app.events.filter((event) => event.type === "navigation")).toHaveLength(1);
  expect(urls).not.toContain(`${app.origin}/beacon`);
});

test("a wrapper on top of ours stays after shutdown, and goes straight through", async ({ page, app, start }) => {
  await start();
  const kind = await page.evaluate(async () => {
    const ours = window.fetch;
    const theirs: typeof fetch = (...args) => ours(...args);
    window.fetch = theirs;
    await kept.agent.shutdown();
    await fetch("/a");
    return window.fetch === theirs;
  });
  expect(kind).toBe(true);
  expect((await app.received("/a"))[0]?.headers).not.toHaveProperty("traceparent");
});

test("a second agent on the page does not start", async ({ page, app, open }) => {
  await open({ before: RECORD });
  const warned = await page.evaluate(async () => {
    const script = document.createElement("script");
    script.src = "/throughline.js";
    script.dataset.applicationId = "";
    await new Promise((resolve) => {
      script.onload = resolve;
      document.head.append(script);
    });
    return kept.warned;
  });
  expect(warned).toEqual([expect.stringContaining("another one runs")]);
  await page.evaluate(() => fetch("/a"));
  await page.goto("about:blank");
  await app.event((event) => String(event["url.full"]).endsWith("/a"));
  expect(app.events.filter((event) => String(event["url.full"]).endsWith("/a"))).toHaveLength(1);
});

test.for([
  ["at once", ""],
  ["with consent", "data-consent-required"],
])(
  "the same script element twice, as where a proxy adds one to a page that has it, %s: one agent",
  async ([, attribute], { page, app, open, leave }) => {
    await open({
      before: RECORD,
      ...(attribute && { [attribute]: "" }),
      html: `<script src="/throughline.js" data-application-id="${APPLICATION}" ${attribute}></script>`,
    });
    await page.evaluate(() => throughline.grant());
    await hasAll(page);
    await page.evaluate(async () => {
      throughline.addEvent("e");
      throughline.addError(new Error("e"));
      await fetch("/a");
      await xhr("/b");
    });
    expect(await page.evaluate(() => kept.errors)).toEqual([]);
    await leave("/b");
    for (const path of ["/a", "/b"]) {
      const headers = (await app.received(path))[0]?.headers;
      expect(headers?.traceparent).toMatch(/^[0-9a-f-]{55}$/);
      expect(headers?.tracestate).toMatch(/^[^,]+$/);
      const told = app.events.filter((event) => String(event["url.full"]).endsWith(path));
      expect(told.map((event) => event["trace.id"])).toEqual([headers?.traceparent?.split("-")[1]]);
    }
    for (const type of ["custom", "error"]) expect(app.events.filter((event) => event.type === type)).toHaveLength(1);
    expect(new Set(app.beacons.map((beacon) => beacon["page.instance_id"])).size).toBe(1);
    const marks = app.events.map((event) =>
      [event.type, event["url.full"], event["web_vital.name"], event.start].join(),
    );
    expect(marks).toEqual([...new Set(marks)]);
  },
);

test("a wrapper of another vendor on top of ours: its context stays", async ({ page, app, open, leave }) => {
  await open();
  await page.evaluate(async (traceparent) => {
    const ours = window.fetch;
    window.fetch = (input, init) => ours(input, { ...init, headers: { ...init?.headers, traceparent } });
    await fetch("/a");
  }, `00-${TRACE}-${SPAN}-01`);
  expect(await leave("/a")).toMatchObject({ "request.trace_context_hint": "external", "trace.id": TRACE });
  expect((await app.received("/a"))[0]?.headers.traceparent).toBe(`00-${TRACE}-${SPAN}-01`);
});

test.for([
  ["at once", "send();"],
  ["later", "setTimeout(send);"],
])(
  "fetch as a polyfill by XMLHttpRequest, sent %s: one request, one context, one event",
  async ([, sending], { page, app, open }) => {
    await open({
      "data-exclude-url-pattern": "/excluded",
      before: `
      window.fetch = (url, init) => new Promise((resolve) => {
        const send = () => {
          const request = new XMLHttpRequest();
          request.onload = () => resolve(new Response(request.response));
          request.open(init?.method ?? "GET", url);
          new Headers(init?.headers).forEach((value, name) => request.setRequestHeader(name, value));
          request.send(init?.body);
        };
        ${sending}
      });`,
    });
    await page.evaluate(async () => {
      await fetch("/a?trace");
      await timed("/a?trace");
    });
    await page.evaluate(() => throughline.flush()); // by the polyfill too
    const [request] = await app.received("/a");
    const about = () => app.events.filter((event) => String(event["url.full"]).endsWith("/a?trace"));
    await app.event(() => about().length > 0);
    expect(about()).toEqual([
      expect.objectContaining({
        "request.kind": "fetch",
        "request.trace_context_hint": "set",
        "request.server_timing_hint": "received",
        "performance.initiator_type": "xmlhttprequest",
      }),
    ]);
    const [event] = about();
    expect(request?.headers.traceparent).toBe(`00-${event?.["trace.id"]}-${event?.["span.id"]}-03`);
    expect(request?.headers.tracestate?.split("@dtr")).toHaveLength(2);
  },
);

test("a polyfill's inner request is not told where no context was sent", async ({ page, app, open }) => {
  await open({
    "data-propagation": "off",
    before: `
      window.fetch = (url, init) => new Promise((resolve) => {
        const request = new XMLHttpRequest();
        request.onload = () => resolve(new Response(request.response));
        request.open(init?.method ?? "GET", url);
        request.send(init?.body);
      });`,
  });
  await page.evaluate(() => fetch("/a"));
  await page.evaluate(() => throughline.flush()); // by the polyfill too
  await app.event((event) => String(event["url.full"]).endsWith("/a"));
  expect(app.events.filter((event) => String(event["url.full"]).endsWith("/a"))).toHaveLength(1);
});

test("calls from before the agent are told too, with what the answer said of them", async ({ app, open, leave }) => {
  const early = `/early?header=${encodeURIComponent(`Server-Timing: trace;desc=00-${TRACE}-${SPAN}-01`)}`;
  await open({ before: `fetch("${early}");` });
  await app.received("/early");
  expect(await leave("/early")).toMatchObject({
    "request.kind": "fetch",
    "request.trace_context_hint": "from_server",
    "trace.id": TRACE,
    "span.id": SPAN,
  });
});

test("a failure of the agent reaches nobody, and is counted", async ({ page, app, open }) => {
  await open({
    before: `${RECORD}
      window.Headers = class { constructor() { throw new Error("hook"); } };
      WeakSet.prototype.has = () => { throw new Error("hook"); };`,
  });
  const texts = await page.evaluate(async () => [
    await (await fetch("/a", { headers: { "x-a": "1" } })).text(),
    (await xhr("/b")).text,
  ]);
  expect(texts).toEqual(["ok", "ok"]);
  expect(await page.evaluate(() => kept.errors)).toEqual([]);
  await page.goto("about:blank");
  await app.event((event) => event["request.kind"] === "document");
  const failures = app.beacons.map(
    ({ dropped }) => (dropped as { agent_error?: number } | undefined)?.agent_error ?? 0,
  );
  expect(failures.reduce((sum, n) => sum + n)).toBeGreaterThanOrEqual(2);
});

test("patterns may be functions, which get the URL; one that throws matches nothing", async ({
  page,
  other,
  start,
}) => {
  await start();
  await page.evaluate(
    async ([applicationId, origin]) => {
      await kept.agent.shutdown();
      kept.agent.init({
        applicationId,
        crossOriginUrlPattern: ({ url }) => url === `${origin}/yes?allow=*`,
        excludeUrlPattern: ({ url }) => {
          if (url.includes("yes")) throw new Error("user's");
          return false;
        },
      });
      await fetch(`${origin}/yes?allow=*`);
      await fetch(`${origin}/no?allow=*`);
    },
    [APPLICATION, other.origin] as const,
  );
  expect((await other.received("/yes"))[0]?.headers).toHaveProperty("traceparent");
  expect((await other.received("/no"))[0]?.headers).not.toHaveProperty("traceparent");
});

test("a global pattern is tested anew for each request", async ({ page, app, start }) => {
  await start();
  await page.evaluate(async (applicationId) => {
    await kept.agent.shutdown();
    kept.agent.init({ applicationId, excludeUrlPattern: /excluded/g });
    for (let i = 0; i < 3; i++) await fetch("/excluded");
  }, APPLICATION);
  for (const { headers } of await app.received("/excluded", 3)) expect(headers).not.toHaveProperty("traceparent");
});

test("without a usable endpoint nothing starts, and the page goes on", async ({ page, app, open }) => {
  await open({ "data-endpoint": "http://", before: RECORD });
  expect(await page.evaluate(() => kept.warned)).toEqual([expect.stringContaining("this agent is not usable")]);
  expect(await page.evaluate(async () => (await fetch("/a")).status)).toBe(200);
  expect((await app.received("/a"))[0]?.headers).not.toHaveProperty("traceparent");
});

test("beacons go to the endpoint that is configured, also on another origin", async ({ other, open }) => {
  await open({ "data-endpoint": `${other.origin}/beacon` });
  await other.event((event) => event["request.kind"] === "document");
  expect(other.requests.filter((request) => request.method === "OPTIONS")).toEqual([]);
});

test("a strict content security policy is enough", async ({ page, app, open }) => {
  const policy = "default-src 'self'; img-src data:; require-trusted-types-for 'script'; report-uri /violation";
  await open({ header: `Content-Security-Policy: ${policy}` });
  await page.evaluate(async () => {
    await fetch("/a");
    new Image().src = "https://elsewhere.test/of-the-test"; // the first violation
  });
  expect((await app.received("/violation"))[0]?.body).toContain("elsewhere.test");
  await page.goto("about:blank");
  await app.event((event) => String(event["url.full"]).endsWith("/a"));
});

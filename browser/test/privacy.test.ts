import { describe, expect } from "vitest";
import { APPLICATION, RECORD, SPAN, TRACE, test } from "./fixture";
import type { BeaconEvent } from "./server";

// What is told of people, and of whom.

const urlOf = (event: BeaconEvent) => String(event["url.full"]);

/** An expression that starts the agent with options as only a page can make them, such as functions. */
const beginWith = (options: string) =>
  `(kept.agent = kept.exported).init({ applicationId: "${APPLICATION}", ${options} })`;

describe("URLs", () => {
  test("by default the values of a query are told as *, wherever a URL stands", async ({ page, app, start }) => {
    await page.goto(`${app.origin}/module?from=secret`);
    await start({ allowQueryParameters: undefined });
    await page.evaluate(async () => {
      history.pushState({}, "", "?token=secret&page=2&flag");
      await fetch("/search?q=secret&page=2&flag&q=secret%20too&a%26b=secret");
      await xhr("//user:secret@127.0.0.1/nowhere?secret");
      kept.agent.addError(new Error("a"));
      new Image().src = "/image?q=secret";
      await timed("/image?q=secret");
      await kept.agent.flush();
    });
    await page.goto("about:blank");
    const event = await app.event((sent) => urlOf(sent).includes("/search"));
    expect(urlOf(event)).toBe(`${app.origin}/search?q=*&page=*&*&q=*&a%26b=*`);
    const error = await app.event((sent) => sent.type === "error");
    expect(urlOf(error)).toBe(`${app.origin}/module?token=*&page=*&*`);
    await app.event((sent) => urlOf(sent).endsWith("/image?q=*"));
    expect(JSON.stringify(app.beacons)).not.toContain("secret");
    // The requests themselves are what they were.
    expect((await app.received("/search"))[0]?.url.searchParams.getAll("q")).toEqual(["secret", "secret too"]);
  });

  test("the parameters that are named are told", async ({ page, app, start }) => {
    await start({ allowQueryParameters: ["page", "sort by"] });
    await page.evaluate(async () => {
      await fetch("/search?q=secret&page=2&sort+by=name&Page=3#secret");
      await kept.agent.flush();
    });
    await page.goto("about:blank");
    const event = await app.event((sent) => urlOf(sent).includes("/search"));
    expect(urlOf(event)).toBe(`${app.origin}/search?q=*&page=2&sort+by=name&Page=*`);
  });

  test("what the pattern finds in a path is told as *, every time", async ({ page, app }) => {
    await page.goto(`${app.origin}/module`);
    await page.evaluate(beginWith("allowQueryParameters: true, maskPathPattern: /\\d+|[^/]+@[^/]+/"));
    await page.evaluate(async () => {
      await fetch("/users/17/orders/23/mail/someone@example.com?n=5");
      await fetch("/users/18/orders/23");
      await kept.agent.flush();
    });
    await page.goto("about:blank");
    await app.event((sent) => urlOf(sent) === `${app.origin}/users/*/orders/*/mail/*?n=5`);
    await app.event((sent) => urlOf(sent) === `${app.origin}/users/*/orders/*`);
  });
});

describe("beforeSend", () => {
  const begin = (beforeSend: string) => beginWith(`allowQueryParameters: true, beforeSend: ${beforeSend}`);

  test("changes an event, gives another, or lets it be", async ({ page, app }) => {
    await page.goto(`${app.origin}/module`);
    await page.evaluate(
      begin(`(event) => {
        if (event["url.full"].endsWith("/changed")) event["url.full"] += "-by-it";
        if (event["url.full"].endsWith("/other")) return { ...event, "page.title": "Another" };
        if (event["url.full"].endsWith("/true")) return true;
      }`),
    );
    await page.evaluate(async () => {
      for (const path of ["/changed", "/other", "/true", "/as-is"]) await fetch(path);
      await kept.agent.flush();
    });
    await page.goto("about:blank");
    await app.event((event) => urlOf(event).endsWith("/changed-by-it"));
    expect(await app.event((event) => urlOf(event).endsWith("/other"))).toMatchObject({ "page.title": "Another" });
    await app.event((event) => urlOf(event).endsWith("/true"));
    await app.event((event) => urlOf(event).endsWith("/as-is"));
  });

  test.for(["return false", "return null", "throw new Error('theirs')", "return Promise.resolve(event)"])(
    "drops an event, and counts it: %s",
    async (what, { page, app }) => {
      await page.goto(`${app.origin}/module?${new URLSearchParams({ before: RECORD })}`);
      await page.evaluate(begin(`(event) => { if (event["url.full"].endsWith("/secret")) { ${what} } }`));
      await page.evaluate(async () => {
        await fetch("/secret");
        await timed("/secret");
        await fetch("/told");
        await kept.agent.flush();
      });
      expect(await page.evaluate(() => kept.errors)).toEqual([]);
      await page.goto("about:blank");
      await app.event((event) => urlOf(event).endsWith("/told"));
      expect(app.events.filter((event) => urlOf(event).endsWith("/secret"))).toEqual([]);
      const dropped = app.beacons.map((beacon) => (beacon.dropped as Record<string, number> | undefined)?.before_send);
      expect(dropped.reduce<number>((sum, n) => sum + (n ?? 0), 0)).toBe(1);
      // The request itself is linked as ever.
      expect((await app.received("/secret"))[0]?.headers).toHaveProperty("traceparent");
    },
  );
});

describe("sampling", () => {
  test("a session that is left out gets no headers and sends nothing", async ({ page, app, start }) => {
    await start({ sampleRate: 0 });
    await page.evaluate(async (traceparent) => {
      await fetch("/a");
      await fetch("/a", { headers: { traceparent } });
      await xhr("/a");
      kept.agent.addEvent("event");
      await kept.agent.flush();
    }, `00-${TRACE}-${SPAN}-01`);
    expect(await page.evaluate(() => kept.agent.getTraceHeaders("/a"))).toEqual({});
    await page.goto(`${app.origin}/page?data-application-id=${APPLICATION}`);
    await app.event((event) => urlOf(event).includes("/page"));
    expect(app.events.filter((event) => !urlOf(event).includes("/page"))).toEqual([]);
    const [first, own, last] = await app.received("/a", 3);
    expect(first?.headers).not.toHaveProperty("traceparent");
    expect(own?.headers.traceparent).toBe(`00-${TRACE}-${SPAN}-01`);
    expect(own?.headers).not.toHaveProperty("tracestate");
    expect(last?.headers).not.toHaveProperty("traceparent");
  });

  // The fraction is read off the first letters: A is the lowest, Z the highest.
  test.for([
    ["A", 0.1, true],
    ["M", 0.5, true],
    ["N", 0.5, false],
    ["Z", 0.9, false],
    ["Z", 1, true],
  ] as const)(
    "session %s... at %d: told %s, the same in each tab and after a split",
    async ([letter, sampleRate, told], { page, context, app, start }) => {
      await page.goto(`${app.origin}/module`);
      for (const number of [0, 7]) {
        await page.evaluate(
          (session) => localStorage.setItem("throughline.session", `${session} ${Date.now()} ${Date.now()}`),
          `${letter.repeat(32)}-${number}`,
        );
        await start({ sampleRate });
        const path = `/${number}`;
        await page.evaluate((url) => fetch(url), path);
        const tab = await context.newPage();
        await tab.goto(`${app.origin}/module`);
        await tab.evaluate(
          async ([options, url]) => {
            kept.exported.init(options);
            await fetch(url);
          },
          [{ applicationId: APPLICATION, sampleRate }, path] as const,
        );
        await tab.close();
        for (const { headers } of await app.received(path, 2)) expect("traceparent" in headers).toBe(told);
      }
      await page.evaluate(() => kept.agent.flush());
      expect(app.beacons.length > 0).toBe(told);
    },
  );

  test("traceSampleRate: no headers, and the hint; an application's own context stays linked", async ({
    page,
    app,
    start,
  }) => {
    await start({ traceSampleRate: 0 });
    await page.evaluate(async (traceparent) => {
      const url = `/a?header=${encodeURIComponent(`Server-Timing: trace;desc=${traceparent}`)}`;
      await (await fetch(url)).text();
      await timed(url);
      await fetch("/own", { headers: { traceparent } });
      await kept.agent.flush();
    }, `00-${TRACE}-${SPAN}-01`);
    await page.goto("about:blank");
    expect(await app.event((event) => urlOf(event).includes("/a?"))).toMatchObject({
      "request.trace_context_hint": "not_sampled",
      "request.server_timing_hint": "received",
      "trace.id": TRACE,
      "span.id": SPAN,
    });
    expect(await app.event((event) => urlOf(event).endsWith("/own"))).toMatchObject({
      "request.trace_context_hint": "external",
      "trace.id": TRACE,
    });
    const [request] = await app.received("/a");
    expect(request?.headers).not.toHaveProperty("traceparent");
    expect(request?.headers).not.toHaveProperty("tracestate");
    expect((await app.received("/own"))[0]?.headers.tracestate).toContain(`@dtr=1;${SPAN};1;`);
  });
});

describe("storage", () => {
  const failures: Record<string, string> = {
    "is full": `
      Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError"); };
      IDBFactory.prototype.open = () => { throw new DOMException("full", "QuotaExceededError"); };`,
    "is blocked": `
      for (const name of ["localStorage", "sessionStorage", "indexedDB"]) {
        Object.defineProperty(window, name, { get() { throw new DOMException("blocked", "SecurityError"); } });
      }`,
    "fails later": `
      IDBFactory.prototype.open = () => {
        const request = new EventTarget();
        queueMicrotask(() => { request.onerror?.(new Event("error")); request.dispatchEvent(new Event("error")); });
        return request;
      };`,
  };

  test.for(Object.entries(failures))("that %s is done without", async ([, before], { page, app, open }) => {
    await open({ before: RECORD + before });
    await page.evaluate(() => fetch("/a"));
    await page.evaluate(() => fetch("/b"));
    expect(await page.evaluate(() => kept.errors)).toEqual([]);
    await page.goto("about:blank");
    await app.event((event) => urlOf(event).endsWith("/b"));
    const [first, second] = [(await app.received("/a"))[0], (await app.received("/b"))[0]];
    const session = (tracestate: unknown) => String(tracestate).split(";").slice(3).join();
    expect(first?.headers.tracestate).toMatch(/@dtr=1;/);
    expect(session(first?.headers.tracestate)).toBe(session(second?.headers.tracestate));
  });
});

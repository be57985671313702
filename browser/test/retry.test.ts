import { describe, expect, inject } from "vitest";
import { RECORD, SPAN, TRACE, test } from "./fixture";
import type { BeaconEvent, Received } from "./server";

// Do no harm (linking contract, section 2.3): what fails because of our headers is sent once more without them.

/** One request by each way; what the application sees of it. */
const ways = {
  fetch: async ([url]: [string]) => {
    try {
      const response = await fetch(url, { headers: { "x-own": "1" } });
      return `${response.status} ${await response.text()}`;
    } catch (error) {
      return String((error as Error).name);
    }
  },
  xhr: async ([url]: [string]) => {
    const { status, text, end } = await xhr(url, { headers: [["x-own", "1"]] });
    return end === "load" ? `${status} ${text}` : "TypeError";
  },
  "synchronous xhr": async ([url]: [string]) => {
    const request = new XMLHttpRequest();
    request.open("GET", url, false);
    request.setRequestHeader("x-own", "1");
    try {
      request.send();
      return `${request.status} ${request.responseText}`;
    } catch {
      return "TypeError";
    }
  },
};

const about = (path: string) => (event: BeaconEvent) =>
  event.type === "request" && new URL(String(event["url.full"])).pathname === path;
/** Without preflights, which carry no headers. */
const sent = (requests: Received[], path: string) =>
  requests.filter(({ url, method }) => url.pathname === path && method !== "OPTIONS");
/** The paths of the preflights for our header. WebKit spares some of the others: what a refusing answer allows holds for later. */
const asked = (requests: Received[]) =>
  requests
    .filter(({ headers }) => /traceparent/.test(headers["access-control-request-headers"] ?? ""))
    .map(({ url }) => url.pathname);
const linked = (requests: Received[]) => requests.map(({ headers }) => "traceparent" in headers);

describe.for(Object.entries(ways))("%s", ([, way]) => {
  test("an endpoint that refuses the headers in its preflight", async ({ page, app, other, start, run }) => {
    await start({ crossOriginUrlPattern: other.origin });
    const url = (path: string) => `${other.origin}${path}?allow=x-own`;
    expect(await run(way, url("/a"))).toBe("200 ok");
    // From then on it is clean at once, elsewhere at that origin too.
    expect(await run(way, url("/b"))).toBe("200 ok");
    await page.evaluate(() => kept.agent.flush());
    expect(asked(other.requests)).toEqual(["/a"]);
    await page.goto("about:blank");
    for (const path of ["/a", "/b"]) {
      expect(linked(sent(other.requests, path))).toEqual([false]);
      expect(sent(other.requests, path)[0]?.headers["x-own"]).toBe("1");
      const event = await app.event(about(path));
      expect(event).toMatchObject({ "request.trace_context_hint": "cors_rejected", "http.response.status_code": 200 });
      expect(event).not.toHaveProperty("trace.id");
      expect(event["request.retried"]).toBe(path === "/a" ? true : undefined);
    }
  });

  test("a redirect from the page's origin to another, remembered by its path pattern", async ({
    page,
    app,
    other,
    start,
    run,
  }) => {
    await start();
    const to = encodeURIComponent(`${other.origin}/far?allow=x-own`);
    expect(await run(way, `/go/17?to=${to}`)).toBe("200 ok");
    expect(await run(way, `/go/18?to=${to}`)).toBe("200 ok");
    expect(await run(way, "/near")).toBe("200 ok");
    await page.goto("about:blank");
    expect(linked(sent(app.requests, "/go/17"))).toEqual([true, false]);
    expect(linked(sent(app.requests, "/go/18"))).toEqual([false]);
    expect(linked(sent(app.requests, "/near"))).toEqual([true]);
    for (const path of ["/go/17", "/go/18"]) {
      const event = await app.event(about(path));
      expect(event).toMatchObject({ "request.trace_context_hint": "cors_rejected", "http.response.status_code": 200 });
    }
  });

  test("what was learned holds in the tab's next pages", async ({ other, start, run }) => {
    for (const path of ["/a", "/b"]) {
      await start({ crossOriginUrlPattern: other.origin });
      expect(await run(way, `${other.origin}${path}?allow=x-own`)).toBe("200 ok");
    }
    expect(asked(other.requests)).toEqual(["/a"]);
  });

  test("where it fails without them too, the application sees that, and there is no further retry", async ({
    page,
    app,
    other,
    start,
    run,
  }) => {
    await start({ crossOriginUrlPattern: other.origin });
    expect(await run(way, `${other.origin}/a`)).toBe("TypeError");
    expect(await run(way, `${other.origin}/b`)).toBe("TypeError");
    await page.goto("about:blank");
    const preflights = other.requests.filter(({ method }) => method === "OPTIONS");
    expect(preflights.map(({ url }) => url.pathname)).toEqual(["/a", "/a", "/b"]);
    const event = await app.event(about("/a"));
    expect(event).toMatchObject({ "error.reason": "network", "request.retried": true });
    expect(event["request.trace_context_hint"]).not.toBe("cors_rejected");
  });

  test("it can be switched off", async ({ other, start, run }) => {
    await start({ crossOriginUrlPattern: other.origin, retryWithoutHeaders: false });
    expect(await run(way, `${other.origin}/a?allow=x-own`)).toBe("TypeError");
    expect(other.requests).toHaveLength(1);
  });

  test("an application's own context stays on the second try", async ({ page, app, other, start }) => {
    await start({ crossOriginUrlPattern: other.origin });
    const url = `${other.origin}/a?allow=traceparent`;
    const status = await page.evaluate(
      async ([to, traceparent]) => (await fetch(to, { headers: { traceparent } })).status,
      [url, `00-${TRACE}-${SPAN}-01`] as const,
    );
    expect(status).toBe(200);
    await page.goto("about:blank");
    const [request] = sent(other.requests, "/a");
    expect(request?.headers.traceparent).toBe(`00-${TRACE}-${SPAN}-01`);
    expect(request?.headers).not.toHaveProperty("tracestate");
    await app.event(about("/a"));
  });
});

test("a fetch that wants no redirect is sent again like any other", async ({ page, other, start }) => {
  await start({ crossOriginUrlPattern: other.origin });
  const text = await page.evaluate(
    (url) => fetch(url, { redirect: "error" }).then((response) => response.text()),
    `${other.origin}/a?allow=x-own`,
  );
  expect(text).toBe("ok");
  expect(linked(sent(other.requests, "/a"))).toEqual([false]);
});

describe("not sent again", () => {
  test.for([
    ["POST", { method: "POST" }],
    ["PUT", { method: "PUT" }],
  ] as const)("%s", async ([, init], { page, other, start }) => {
    await start({ crossOriginUrlPattern: other.origin });
    const failed = await page.evaluate(
      ([url, options]) => fetch(url, options as RequestInit).catch((error: Error) => error.name),
      [`${other.origin}/a?allow=x-own`, init] as const,
    );
    expect(failed).toBe("TypeError");
    expect(other.requests).toHaveLength(1);
  });

  test("an abort, by fetch and by xhr", async ({ page, app, start }) => {
    await start();
    const seen = await page.evaluate(async () => {
      const controller = new AbortController();
      const failure = fetch("/a?hold=1", { signal: controller.signal }).catch((error: Error) => error.name);
      controller.abort();
      const request = new XMLHttpRequest();
      const events: string[] = [];
      const ended = new Promise<void>((resolve) => {
        for (const type of ["readystatechange", "loadstart", "abort", "error", "load", "loadend"]) {
          request.addEventListener(type, () => {
            events.push(type === "readystatechange" ? `state ${request.readyState}` : type);
            if (type === "loadend") resolve();
          });
        }
      });
      request.open("GET", "/b?hold=2");
      request.send();
      request.abort();
      await ended;
      return [await failure, events];
    });
    expect(seen).toEqual(["AbortError", ["state 1", "loadstart", "state 4", "abort", "loadend"]]);
    await page.evaluate(() => fetch("/end"));
    await app.received("/end");
    for (const path of ["/a", "/b"]) expect(sent(app.requests, path).length).toBeLessThanOrEqual(1);
  });

  test("a time-out", async ({ page, app, start }) => {
    await start();
    const ended = await page.evaluate(async () => {
      const request = xhr("/a?hold=1", { timeout: 300 });
      const failure = fetch("/b?hold=2", { signal: AbortSignal.timeout(300) }).catch((error: Error) => error.name);
      return [(await request).end, await failure];
    });
    // WebKit takes it for an abort.
    expect(ended).toEqual(["timeout", inject("engine").name === "webkit" ? "AbortError" : "TimeoutError"]);
    await page.evaluate(() => fetch("/end"));
    await app.received("/end");
    expect(linked(sent(app.requests, "/a"))).toEqual([true]);
    expect(linked(sent(app.requests, "/b"))).toEqual([true]);
  });

  test("while the browser is offline", async ({ page, context, app, start }) => {
    await start();
    await context.setOffline(true);
    const [error, end] = await page.evaluate(async () => [
      await fetch("/a").catch(({ name }: Error) => name),
      (await xhr("/b")).end,
    ]);
    await context.setOffline(false);
    expect([error, end]).toEqual(["TypeError", "error"]);
    await page.goto("about:blank");
    const event = await app.event(about("/a"));
    expect(event["error.reason"]).toBe("no_network");
    expect(event["request.retried"]).toBeUndefined();
  });

  test("what the content security policy blocks", async ({ page, app, other, open }) => {
    await open({
      header: "Content-Security-Policy: connect-src 'self'",
      "data-cross-origin-url-pattern": "^http",
    });
    const name = await page.evaluate(
      (url) => fetch(url).catch((error: Error) => error.name),
      `${other.origin}/a?allow=*`,
    );
    expect(name).toBe("TypeError");
    await page.goto("about:blank");
    const event = await app.event((told) => told.type === "request" && String(told["url.full"]).includes(other.origin));
    expect(event["error.reason"]).toBe("csp");
    expect(event["request.retried"]).toBeUndefined();
  });
});

describe("the events of the second request", () => {
  /** All that an application can hear of an XMLHttpRequest, by listeners and by handlers, with what it reads meanwhile. */
  const listen = ([url, responseType]: [string, XMLHttpRequestResponseType]) =>
    new Promise<string[]>((resolve) => {
      const request = new XMLHttpRequest();
      const log: string[] = [];
      const types = ["readystatechange", "loadstart", "progress", "load", "error", "abort", "timeout", "loadend"];
      for (const type of types) {
        const note = (by: string) => () => log.push(`${by} ${type} ${request.readyState} ${request.status}`);
        Object.assign(request, { [`on${type}`]: note("handler") });
        request.addEventListener(type, note("listener"));
        request.addEventListener(type, note("capture"), true);
      }
      request.open("GET", url);
      request.responseType = responseType;
      request.withCredentials = false;
      request.setRequestHeader("x-own", "1");
      request.addEventListener("loadend", () => resolve([...log, `${request.response}`, request.responseURL]));
      request.send();
    });

  test.for([
    ["that succeeds", "allow=x-own"],
    ["that fails", "deny"],
  ])("%s are those of a page without the agent", async ([, query], { page, app, other, start, run }) => {
    const url = `${other.origin}/a?${query}`;
    await page.goto(`${app.origin}/module`);
    const without = await run(listen, url, "text");
    await start({ crossOriginUrlPattern: other.origin });
    const reported = await run(listen, url, "text");
    expect(reported).toEqual(without);
    expect(
      other.requests.some(({ headers }) => /traceparent/.test(headers["access-control-request-headers"] ?? "")),
    ).toBe(true);
  });

  test("a response type, time-out and credentials outlast it", async ({ page, other, start }) => {
    await start({ crossOriginUrlPattern: other.origin });
    const seen = await page.evaluate(
      (url) =>
        new Promise((resolve) => {
          const request = new XMLHttpRequest();
          request.open("GET", url);
          request.responseType = "arraybuffer";
          request.timeout = 15_000;
          request.setRequestHeader("x-own", "1");
          request.onload = () =>
            resolve([request.responseType, (request.response as ArrayBuffer).byteLength, request.timeout]);
          request.onerror = () => resolve("error");
          request.send();
        }),
      `${other.origin}/a?allow=x-own`,
    );
    expect(seen).toEqual(["arraybuffer", 2, 15_000]);
  });

  test("one object may send another request after it", async ({ page, other, start }) => {
    await start({ crossOriginUrlPattern: other.origin });
    const seen = await page.evaluate(
      (url) =>
        new Promise((resolve) => {
          const request = new XMLHttpRequest();
          const log: string[] = [];
          const next = () => {
            request.open("GET", log.length > 1 ? "/near" : url);
            request.setRequestHeader("x-own", "1");
            request.send();
          };
          request.onerror = () => log.push("error");
          request.onload = () => {
            log.push(request.responseText);
            if (log.length < 3) next();
            else resolve(log);
          };
          next();
        }),
      `${other.origin}/a?allow=x-own`,
    );
    expect(seen).toEqual(["ok", "ok", "ok"]);
  });

  test("a failure that the application does not handle is told once", async ({ page, app, other, start }) => {
    await start({ crossOriginUrlPattern: other.origin }, RECORD);
    const told = await page.evaluate(
      (url) =>
        new Promise((resolve) => {
          addEventListener("unhandledrejection", () => resolve(kept.errors));
          fetch(url);
        }),
      `${other.origin}/a`,
    );
    expect(told).toHaveLength(1);
    await app.event(() => true);
  });
});

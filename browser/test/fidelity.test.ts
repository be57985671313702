import { describe, expect } from "vitest";
import { APPLICATION, SPAN, TRACE, test } from "./fixture";

// First, do no harm: what the page asked for is what the browser does.

/** Each makes the arguments of a fetch anew, so that one can go through the agent and one cannot. */
const CASES: Record<string, string> = {
  "a string": `["/a"]`,
  "a URL": `[new URL("/a", location.href)]`,
  "an empty init": `["/a", {}]`,
  "undefined members": `["/a", { headers: undefined, method: undefined }]`,
  "all of init": `["/a", { method: "POST", body: "b", headers: { "X-A": "1" }, mode: "same-origin",
    credentials: "include", cache: "no-store", redirect: "error", referrer: "/from", referrerPolicy: "origin",
    integrity: "sha256-abc", keepalive: true, signal: AbortSignal.abort(), priority: "low" }]`,
  "headers as an array": `["/a", { headers: [["X-A", "1"], ["X-A", "2"]] }]`,
  "headers as Headers": `["/a", { headers: new Headers({ "X-A": "1" }) }]`,
  "headers as an iterator": `["/a", { headers: (function* () { yield ["X-A", "1"]; })() }]`,
  "headers as an iterator, excluded": `["/excluded", { headers: (function* () { yield ["X-A", "1"]; })() }]`,
  "a frozen init": `["/a", Object.freeze({ headers: Object.freeze({ "X-A": "1" }), method: "PUT" })]`,
  "a stream body": `["/a", { method: "POST", duplex: "half", body: new Blob(["stream"]).stream() }]`,
  "a form body": `["/a", { method: "POST", body: new URLSearchParams({ a: "1" }) }]`,
  "an inherited init": `["/a", Object.create({ method: "POST", headers: { "X-A": "1" }, credentials: "omit" })]`,
  "accessors of a class": `["/a", new (class { get method() { return "PUT"; } get headers() { return { "X-A": "1" }; } })()]`,
  "a Request": `[new Request("/a", { method: "POST", body: "b", headers: { "X-A": "1" }, mode: "same-origin",
    credentials: "include", cache: "reload", redirect: "manual", referrer: "/from", referrerPolicy: "origin",
    integrity: "sha256-abc", keepalive: true })]`,
  "a Request without a referrer": `[new Request("/a", { referrer: "" })]`,
  "a Request with a stream": `[new Request("/a", { method: "POST", duplex: "half", body: new Blob(["stream"]).stream() })]`,
  "a Request and headers": `[new Request("/a", { headers: { "X-A": "1", "X-B": "1" } }), { headers: { "X-A": "2" } }]`,
  "a Request and an init": `[new Request("/a", { headers: { "X-A": "1" }, referrer: "/from" }), { method: "PUT" }]`,
  "a Request and an empty init": `[new Request("/a", { referrer: "/from" }), {}]`,
  "a Request and a framework's own init": `[new Request("/a", { referrer: "/from", referrerPolicy: "no-referrer" }), { next: { revalidate: 1 } }]`,
  "a Request and an init with a priority": `[new Request("/a", { referrer: "/from" }), { priority: "low", next: 1 }]`,
  "a Request and its signal": `[new Request("/a", { signal: AbortSignal.abort() })]`,
  "a Request as init": `["/a", new Request("/b", { method: "POST", body: "b", headers: { "X-A": "1" }, credentials: "omit" })]`,
  "a Request of another frame": `[new (document.querySelector("iframe").contentWindow.Request)("/a", { method: "PUT", headers: { "X-A": "1" } })]`,
};

/** Put in front of the agent: keeps the arguments with which the browser's fetch would be called. */
const RECORDER = `
  window.kept = {
    fetched: [],
    cases: { ${Object.entries(CASES).map(([name, args]) => `${JSON.stringify(name)}: () => ${args}`)} },
  };
  window.fetch = async (...args) => {
    if (String(args[0]?.url ?? args[0]).includes("/beacon")) return new Response(null, { status: 202 });
    kept.fetched.push(args);
    return new Response("ok");
  };`;

test("fetch is handed the request that the page made, and two headers", async ({ page, open }) => {
  await open({ before: RECORDER, html: "<iframe></iframe>", "data-exclude-url-pattern": "/excluded" });
  const results = await page.evaluate(async () => {
    const { fetched, cases } = kept;
    const describe = async (args: Parameters<typeof fetch>) => {
      const request = new Request(...args);
      const described: Record<string, unknown> = { headers: Object.fromEntries(request.headers) };
      for (const name in request) {
        const value = request[name as keyof Request];
        if (typeof value === "string" || typeof value === "boolean") described[name] = value;
      }
      return { ...described, aborted: request.signal.aborted, priority: args[1]?.priority, text: await request.text() };
    };
    const results: [string, unknown, unknown][] = [];
    for (const [name, make] of Object.entries(cases)) {
      await fetch(...make());
      results.push([name, await describe(make()), await describe(fetched.pop() ?? [""])]);
    }
    return results;
  });

  expect(results).toHaveLength(Object.keys(CASES).length);
  for (const [name, direct, through] of results as [string, Traced, Traced][]) {
    const { traceparent, tracestate, ...headers } = through.headers;
    expect({ ...through, headers }, name).toEqual(direct);
    if (name.includes("excluded")) expect(traceparent).toBeUndefined();
    else
      expect([traceparent, tracestate], name).toEqual([
        expect.stringMatching(/^00-/),
        expect.stringMatching(/@dtr=1;/),
      ]);
  }
});

interface Traced {
  headers: Record<string, string>;
}

test("what the page passed is not changed", async ({ page, app, open }) => {
  await open();
  const kept = await page.evaluate(async () => {
    const init = { headers: { "X-A": "1" } };
    const headers = new Headers({ "X-A": "1" });
    const request = new Request("/a", { headers });
    await fetch("/a", init);
    await fetch("/a", { headers });
    await fetch(request);
    return [init, Object.fromEntries(headers), Object.fromEntries(request.headers)];
  });
  expect(kept).toEqual([{ headers: { "X-A": "1" } }, { "x-a": "1" }, { "x-a": "1" }]);
  for (const request of await app.received("/a", 3)) expect(request.headers["x-a"]).toBe("1");
});

test("bodies are neither read nor cloned", async ({ page, open, leave }) => {
  await open({
    before: `
      const touched = [];
      window.kept = { touched };
      for (const type of [Request, Response]) {
        for (const name of ["clone", "text", "json", "blob", "arrayBuffer", "formData", "bytes", "body"]) {
          const property = Object.getOwnPropertyDescriptor(type.prototype, name);
          if (!property) continue;
          const key = property.get ? "get" : "value";
          const original = property[key];
          Object.defineProperty(type.prototype, name, {
            ...property,
            [key]() { touched.push(type.name + "." + name); return original.apply(this, arguments); },
          });
        }
      }`,
  });
  const touched = await page.evaluate(async () => {
    await fetch(new Request("/a", { method: "POST", body: "b" }));
    const response = await fetch("/a", { method: "POST", body: new Blob(["b"]) });
    const before = kept.touched.splice(0);
    return [before, await response.text()];
  });
  expect(touched).toEqual([[], "ok"]);
  await leave("/a");
});

test("a streaming upload over HTTP/2, by init and by Request", async ({ page, secure }) => {
  await page.goto(`${secure.origin}/page?data-application-id=${APPLICATION}`);
  const texts = await page.evaluate(async () => {
    const upload = () => {
      const chunks = ["one ", "two"];
      const body = new ReadableStream({
        async pull(controller) {
          const chunk = chunks.shift();
          if (chunk === undefined) controller.close();
          else controller.enqueue(new TextEncoder().encode(chunk));
        },
      });
      return { method: "POST", duplex: "half", body };
    };
    const byInit = await fetch("/init", upload());
    const byRequest = await fetch(new Request("/request", upload()));
    return [await byInit.text(), await byRequest.text()];
  });
  expect(texts).toEqual(["ok", "ok"]);
  for (const path of ["/init", "/request"]) {
    const [request] = await secure.received(path);
    expect(request?.body).toBe("one two");
    expect(request?.headers.traceparent).toMatch(/^00-.*-03$/);
  }
});

test("referrer, cookies and keepalive reach the network", async ({ page, app, other, open }) => {
  await page.goto(`${other.origin}/visit?header=Set-Cookie: c=1`);
  await open({ "data-cross-origin-url-pattern": "." });
  await page.evaluate(async (origin) => {
    await fetch(new Request("/referrer", { referrer: "/from" }));
    await fetch("/keepalive", { keepalive: true });
    const allow = encodeURIComponent(`Access-Control-Allow-Origin: ${location.origin}`);
    const url = `${origin}/cookie?header=${allow}&header=Access-Control-Allow-Credentials: true`;
    await fetch(`${url}&header=Access-Control-Allow-Headers: traceparent, tracestate`, { credentials: "include" });
    await fetch(`${origin}/plain?allow=*`, { mode: "cors" });
  }, other.origin);
  expect((await app.received("/referrer"))[0]?.headers.referer).toBe(`${app.origin}/from`);
  await app.received("/keepalive");
  expect((await other.received("/cookie"))[0]?.headers).toMatchObject({
    cookie: "c=1",
    traceparent: expect.stringMatching(/^00-/),
  });
  expect((await other.received("/plain"))[0]?.headers).not.toHaveProperty("cookie");
});

test("priority reaches the network", async ({ page, secure }) => {
  await page.goto(`${secure.origin}/page?data-application-id=${APPLICATION}`);
  await page.evaluate(async () => {
    await fetch(new Request("/low", { priority: "low" }));
    await fetch("/high", { priority: "high" });
  });
  // RFC 9218: from 0, the most urgent, to 7; 3 where it is left out.
  const urgency = async (path: string) => {
    const [, digit = "3"] = /u=(\d)/.exec((await secure.received(path))[0]?.headers.priority ?? "") ?? [];
    return Number(digit);
  };
  expect(await urgency("/low")).toBeGreaterThan(await urgency("/high"));
});

describe("outcomes", () => {
  test("the page gets the browser's own Response, errors and unhandled rejections", async ({ page, open }) => {
    await open({
      before: `
        const response = new Response("own");
        const error = new Error("own");
        const unhandled = [];
        window.kept = { response, error, unhandled };
        addEventListener("unhandledrejection", (event) => { unhandled.push(event.reason); event.preventDefault(); });
        window.fetch = (url) => {
          if (url === "/throws") throw error;
          if (url === "/nothing") return undefined;
          if (url === "/last") return Promise.reject("last");
          return url === "/fails" ? Promise.reject(error) : Promise.resolve(response);
        };`,
    });
    const results = await page.evaluate(async () => {
      const { response, error, unhandled } = kept;
      const caught = await fetch("/fails").catch((reason) => reason);
      let thrown: unknown;
      try {
        fetch("/throws");
      } catch (reason) {
        thrown = reason;
      }
      const nothing = fetch("/nothing");
      fetch("/fails");
      await new Promise<void>((resolve) => {
        addEventListener("unhandledrejection", ({ reason }) => {
          if (reason === "last") resolve();
        });
        fetch("/last");
      });
      return {
        response: (await fetch("/works")) === response,
        caught: caught === error,
        thrown: thrown === error,
        nothing: nothing === undefined,
        unhandled: unhandled.length === 2 && unhandled[0] === error,
      };
    });
    expect(results).toEqual({ response: true, caught: true, thrown: true, nothing: true, unhandled: true });
  });

  test("wrong arguments fail as the browser has it", async ({ page, context, app, open }) => {
    const attempt = async () => {
      const outcomes: string[] = [];
      const attempts: (() => unknown)[] = [
        () => (fetch as () => unknown)(),
        () => fetch("http://"),
        () => fetch("/a", { body: "b" }),
        () => fetch("/a", { method: "no such" }),
        () => fetch("/a", { headers: null as never }),
        () => fetch("/a", { headers: { "bad name": "1" } }),
        () => fetch("/a", 5 as never),
        () => fetch("http://user:pass@127.0.0.1/"),
        () => fetch.call({} as never, "/a"),
        () => new XMLHttpRequest().send(),
        () => new XMLHttpRequest().open("no such", "/a"),
        () => new XMLHttpRequest().open("GET", "http://"),
        () => new XMLHttpRequest().setRequestHeader("tracestate", "a=1"),
        () => (new XMLHttpRequest().open as () => void)(),
        () => {
          const request = new XMLHttpRequest();
          request.open("GET", "/a");
          request.setRequestHeader("tracestate", "a\nb");
        },
        () => {
          const request = new XMLHttpRequest();
          request.open("GET", "/a");
          request.send();
          request.send();
        },
      ];
      for (const run of attempts) {
        try {
          await run();
          outcomes.push("ok");
        } catch (error) {
          outcomes.push(String(error));
        }
      }
      return outcomes;
    };
    await open();
    const bare = await context.newPage();
    await bare.goto(`${app.origin}/module`);
    expect(await page.evaluate(attempt)).toEqual(await bare.evaluate(attempt));
  });

  test("each failure has its reason", async ({ page, app, open, leave }) => {
    await open({ header: "Content-Security-Policy: connect-src 'self'" });
    await page.evaluate(async () => {
      const quiet = (promise: Promise<unknown>) => promise.catch(() => {});
      const later = new AbortController();
      await quiet(fetch("/unsent", { signal: AbortSignal.abort() }));
      const aborted = fetch("/aborted?hold=1", { signal: later.signal });
      await fetch("/started");
      later.abort(new Error("of my own"));
      await quiet(aborted);
      await quiet(fetch("/slow?hold=2", { signal: AbortSignal.timeout(1) }));
      await quiet(fetch("/dropped?drop"));
      await quiet(fetch("/call", { body: "with GET" }));
      const blocked = new Promise((resolve) =>
        document.addEventListener("securitypolicyviolation", resolve, { once: true }),
      );
      await quiet(fetch("https://elsewhere.test/blocked"));
      await blocked;
      await xhr("https://elsewhere.test/xhr-blocked");
      await xhr("/xhr-slow?hold=3", { timeout: 1 });
      await xhr("/xhr-dropped?drop");
    });
    const reasons = {
      "/unsent": "abort_unsent",
      "/aborted": "abort",
      "/slow": "timeout",
      "/dropped": "network",
      "/call": "invalid_call",
      "/blocked": "csp",
      "/xhr-blocked": "csp",
      "/xhr-slow": "timeout",
      "/xhr-dropped": "network",
      "/started": undefined,
    };
    for (const [path, reason] of Object.entries(reasons)) {
      expect((await leave(path))["error.reason"], path).toBe(reason);
    }
    expect(app.requests.map((request) => request.url.pathname)).not.toContain("/unsent");
  });

  test("fetch looks like the browser's own", async ({ page, open }) => {
    await open();
    expect(await page.evaluate(() => [window.fetch.name, window.fetch.length])).toEqual(["fetch", 1]);
  });

  test("an XMLHttpRequest that is used again gathers no listeners", async ({ page, app, open, leave }) => {
    await open({
      before: `
        window.kept = { touched: [] };
        const { addEventListener } = EventTarget.prototype;
        EventTarget.prototype.addEventListener = function (type, ...rest) {
          if (this instanceof XMLHttpRequest) kept.touched.push(type);
          return addEventListener.call(this, type, ...rest);
        };`,
    });
    const listeners = await page.evaluate(async () => {
      const request = new XMLHttpRequest();
      for (const path of ["/a", "/b", "/c"]) {
        await new Promise((resolve) => {
          request.onload = resolve;
          request.open("GET", path);
          request.send();
        });
      }
      return kept.touched.length;
    });
    expect(listeners).toBe(8);
    for (const path of ["/a", "/b", "/c"]) expect((await leave(path))["http.response.status_code"], path).toBe(200);
    expect(app.requests).toHaveLength(3);
  });

  test("the URL of an XMLHttpRequest is that of open(), whatever the page's becomes", async ({ page, open, leave }) => {
    await open();
    await page.evaluate(async () => {
      const request = new XMLHttpRequest();
      request.open("GET", "relative");
      history.pushState(null, "", "/deep/er/");
      await new Promise((resolve) => {
        request.onload = resolve;
        request.send();
      });
    });
    expect(await leave("/relative")).toMatchObject({ "performance.initiator_type": "xmlhttprequest" });
  });

  test("offline is no_network", async ({ page, context, app, open, leave }) => {
    await open();
    await context.setOffline(true);
    await page.evaluate(async () => {
      await fetch("/fetch").catch(() => {});
      await xhr("/xhr");
    });
    await context.setOffline(false);
    expect((await leave("/fetch"))["error.reason"]).toBe("no_network");
    expect((await leave("/xhr"))["error.reason"]).toBe("no_network");
    expect(app.requests).toEqual([]);
  });

  test("a request under way when the page is left was aborted", async ({ page, app, open, leave }) => {
    await open();
    await page.evaluate(() => {
      fetch("/gone?hold=1");
    });
    await app.received("/gone");
    expect((await leave("/gone"))["error.reason"]).toBe("abort");
  });
});

describe("XMLHttpRequest", () => {
  test("one object can be used again, from its own listeners too", async ({ page, app, open, leave }) => {
    await open();
    await page.evaluate(async () => {
      const request = new XMLHttpRequest();
      await new Promise<void>((resolve) => {
        request.onload = () => {
          if (request.responseURL.endsWith("/second")) resolve();
          else {
            request.open("PUT", "/second");
            request.setRequestHeader("X-A", "1");
            request.send("b");
          }
        };
        request.open("GET", "/first");
        request.send();
      });
      await timed("/second");
    });
    expect(await leave("/first")).toMatchObject({ "http.request.method": "GET", "http.response.status_code": 200 });
    expect(await leave("/second")).toMatchObject({ "http.request.method": "PUT", "http.response.status_code": 200 });
    const [first] = await app.received("/first");
    const [second] = await app.received("/second");
    expect(second?.headers.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-03$/);
    expect(second?.headers.traceparent).not.toBe(first?.headers.traceparent);
    expect(second).toMatchObject({ body: "b", headers: { "x-a": "1" } });
  });

  test("opened anew while under way: the first one was aborted", async ({ page, open, leave }) => {
    await open();
    await page.evaluate(async () => {
      const request = new XMLHttpRequest();
      request.open("GET", "/first?hold=1");
      request.send();
      request.open("GET", "/second");
      await new Promise((resolve) => {
        request.onload = resolve;
        request.send();
      });
    });
    expect(await leave("/first")).toMatchObject({ "error.reason": "abort" });
    expect(await leave("/second")).toMatchObject({ "http.response.status_code": 200 });
  });

  test("synchronous requests, answered and failed", async ({ page, app, open, leave }) => {
    await open();
    const name = await page.evaluate(async () => {
      const request = new XMLHttpRequest();
      request.open("GET", "/sync", false);
      request.send();
      request.open("GET", "/dropped?drop", false);
      try {
        request.send();
        return "none";
      } catch (error) {
        return (error as Error).name;
      }
    });
    expect(name).toBe("NetworkError");
    expect(await leave("/sync")).toMatchObject({ "http.response.status_code": 200 });
    expect(await leave("/dropped")).toMatchObject({ "error.reason": "network" });
    expect((await app.received("/sync"))[0]?.headers).toHaveProperty("traceparent");
  });

  test("a header that the page repeats is one value", async ({ page, app, open }) => {
    await open();
    await page.evaluate(
      ([trace, span]) =>
        xhr("/a", {
          headers: [
            ["Traceparent", `00-${trace}-${span}-00`],
            ["tracestate", "a=1"],
            ["TRACESTATE", "b=2"],
          ],
        }),
      [TRACE, SPAN],
    );
    const [request] = await app.received("/a");
    expect(request?.headers.traceparent).toBe(`00-${TRACE}-${SPAN}-00`);
    expect(request?.headers.tracestate).toMatch(new RegExp(`@dtr=1;${SPAN};0;.*,a=1,b=2$`));
  });
});

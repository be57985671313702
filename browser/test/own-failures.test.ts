import { describe, expect } from "vitest";
import { NOTICE, same } from "./compare";
import { ALL_LOADED, RECORD, test } from "./fixture";
import type { Server } from "./server";

// What fails within the agent reaches nobody but its counter.

/** A script for `before`: this function, or constructor, throws while kept.broken is set. */
const breakable = (path: string) => {
  const [, holder, name] = /^(.*)\.(\w+)$/.exec(path) ?? [];
  return `
    ${holder}.${name} = new Proxy(${path}, {
      apply(target, self, args) {
        if (kept.broken) throw new Error("${name} is broken");
        return Reflect.apply(target, self, args);
      },
      construct(target, args, made) {
        if (kept.broken) throw new Error("${name} is broken");
        return Reflect.construct(target, args, made);
      },
    });`;
};

/** The same of an attribute. */
const breakableAttribute = `
  const attribute = Object.getOwnPropertyDescriptor(PerformanceResourceTiming.prototype, "initiatorType");
  Object.defineProperty(PerformanceResourceTiming.prototype, "initiatorType", {
    ...attribute,
    get() {
      if (kept.broken) throw new Error("initiatorType is broken");
      return attribute.get.call(this);
    },
  });`;

/**
 * Web-vitals runs unguarded, so it must be done before anything breaks: it observes nothing here, and kept.vitals resolves
 * when both files of the agent have come and no timer without a delay, which it looks at the page in, is left.
 */
const VITALS_DONE = `
  Object.defineProperty(PerformanceObserver, "supportedEntryTypes", { value: ["resource"] });
  {
    const { setTimeout: later } = window;
    let timers = 0;
    window.setTimeout = (run, delay, ...rest) => {
      if (delay) return later(run, delay, ...rest);
      timers++;
      return later(() => {
        timers--;
        run(...rest);
      });
    };
    kept.vitals = ${ALL_LOADED}.then(async () => {
      while (timers) await new Promise((resolve) => requestAnimationFrame(resolve));
    });
  }`;

/** How often the agent says that it failed. */
const failures = (app: Server) =>
  app.beacons.reduce((sum, { dropped }) => sum + ((dropped as { agent_error?: number })?.agent_error ?? 0), 0);

/** In the page: a bit of everything that the agent looks at. Gives what the page saw of it. */
const live = async () => {
  const seen: unknown[] = [];
  const { throughline } = window as { throughline?: { flush(): Promise<void> } };
  if (throughline) await kept.vitals;
  const frame = document.createElement("iframe");
  document.body.append(frame, document.createElement("button"));
  const last = timed("/last");
  document.querySelector("button")?.click(); // from now on the agent looks for changes of the document
  const request = new Request("/a", { headers: { "x-a": "1" } });
  const attempt = async (name: string, run: () => unknown) => {
    try {
      seen.push([name, await run()]);
    } catch (error) {
      seen.push([name, `${error}`]);
    }
  };
  kept.broken = true;
  await attempt("fetch", async () => (await fetch("/a")).text());
  await attempt("fetch with headers", async () => (await fetch("/a", { headers: { "x-a": "1" } })).text());
  await attempt("fetch of a Request", async () => (await fetch(request)).text());
  await attempt("fetch that fails", () => fetch("http://"));
  await attempt("xhr", () => xhr("/a", { headers: [["tracestate", "a=1"]] }));
  await attempt("xhr that fails", () => xhr("/a?drop", { method: "POST" }));
  await attempt("synchronous xhr", () => {
    const sync = new XMLHttpRequest();
    sync.open("GET", "/a", false);
    sync.send();
    return sync.responseText;
  });
  await attempt("history", () => {
    history.pushState(null, "", "/pushed");
    history.replaceState(null, "", "/replaced");
    return location.pathname;
  });
  await settled();
  for (let i = 0; i < 2; i++) await attempt("click", () => document.querySelector("button")?.click());
  await attempt("mutations", () => {
    document.body.append("text");
  });
  await attempt("many calls", async () => {
    for (let i = 0; i < 40; i++) await (await fetch("/many")).text();
  });
  await attempt("leave", () => {
    Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
    document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
    Reflect.deleteProperty(document, "visibilityState");
  });
  await attempt("flush", () => throughline?.flush());
  await attempt("last", async () => (await fetch("/last")).text());
  await last;
  kept.broken = false;
  return seen;
};

describe.each([
  // What is used, and whether the agent has to do without an answer.
  ["performance.now", true],
  ["crypto.getRandomValues", true],
  ["JSON.stringify", true],
  ["window.URL", true],
  ["window.Headers", true],
  ["Storage.prototype.getItem", false],
  ["Storage.prototype.setItem", false],
  ["TextEncoder.prototype.encodeInto", true],
  ["navigator.sendBeacon", undefined],
  ["PerformanceResourceTiming.prototype.initiatorType", true],
  ["Math.round", true],
  ["Date.now", true],
  ["AbortSignal.timeout", false],
  ["Element.prototype.closest", true],
] as const)("%s throws", (path, counted) => {
  // One that a browser has not is taken away where it has.
  const attribute = path.endsWith("initiatorType");
  const before =
    VITALS_DONE +
    (path === "navigator.sendBeacon" ? "delete window.fetchLater;" : "") +
    (attribute ? breakableAttribute : breakable(path));

  same("the page works as without the agent", live, { before });

  test("and it is counted", async ({ page, app, open }) => {
    await open({ before: NOTICE + before, html: "<p>Text</p>" });
    await page.evaluate(live);
    expect(await page.evaluate(() => kept.seen)).toEqual([]);
    await page.evaluate(async () => {
      await (await fetch("/mended")).text();
      // A page that may come back keeps what it could not send.
      await (window as unknown as { throughline: { flush(): Promise<void> } }).throughline.flush();
    });
    await page.goto("about:blank");
    await app.event((event) => String(event["url.full"]).endsWith("/mended"));
    if (counted) expect(failures(app)).toBeGreaterThan(0);
    if (counted === false) expect(failures(app)).toBe(0);
  });
});

describe("hostile values", () => {
  same("options and errors that throw when they are looked at", async () => {
    const hostile = (made: object = {}): never =>
      new Proxy(made, {
        get(_, key) {
          throw new RangeError(`get ${String(key)}`);
        },
        has() {
          throw new RangeError("has");
        },
        getPrototypeOf() {
          throw new RangeError("getPrototypeOf");
        },
        ownKeys() {
          throw new RangeError("ownKeys");
        },
      }) as never;
    const revoked = Proxy.revocable({}, {});
    revoked.revoke();
    const one = (name: string) =>
      Object.defineProperty({}, name, { get: () => undefined_(), enumerable: true }) as never;
    const undefined_ = () => {
      throw new RangeError("a getter");
    };
    const tries: (() => unknown)[] = [
      () => fetch("/a", hostile()),
      () => fetch(hostile()),
      () => fetch(hostile(), hostile()),
      () => fetch("/a", revoked.proxy),
      () => fetch(revoked.proxy as never),
      () => fetch("/a", one("headers")),
      () => fetch("/a", one("method")),
      () => fetch("/a", one("mode")),
      () => fetch("/a", one("signal")),
      () => fetch("/a", { headers: hostile() }),
      () => fetch("/a", { headers: revoked.proxy as never }),
      () => fetch("/a", { headers: one("x-a") }),
      () => fetch("/a", { signal: hostile() }),
      () => fetch("/a", { method: hostile() }),
      () => fetch("/a", { signal: AbortSignal.abort(hostile()) }),
      () => fetch("/a", { signal: AbortSignal.abort(revoked.proxy) }),
      () => xhr(hostile()),
      () => new XMLHttpRequest().open(hostile(), "/a"),
      () => new XMLHttpRequest().open("GET", hostile()),
      () => {
        const request = new XMLHttpRequest();
        request.open("GET", "/a");
        request.setRequestHeader(hostile(), "a");
      },
      () => {
        const request = new XMLHttpRequest();
        request.open("GET", "/a");
        request.setRequestHeader("tracestate", hostile());
      },
      () => history.pushState(hostile(), "", "/pushed"),
      () => history.pushState(null, "", hostile()),
    ];
    const seen: unknown[] = [];
    const text = (value: unknown) => {
      try {
        return String(value);
      } catch (error) {
        return `hostile: ${error}`;
      }
    };
    for (const [i, run] of tries.entries()) {
      let at = "at once";
      try {
        const result = run();
        at = "later";
        seen.push([i, at, ((await result) as Response | undefined)?.status]);
      } catch (error) {
        seen.push([i, at, text(error)]);
      }
    }
    return seen;
  });

  same("errors that nobody caught", async () => {
    const hostile = new Error("hostile");
    for (const name of ["name", "message", "stack", "cause", "response"]) {
      Object.defineProperty(hostile, name, {
        get() {
          throw new Error(`${name} is hostile`);
        },
      });
    }
    const reported: string[] = [];
    const rejected = new Promise<void>((resolve) => {
      addEventListener(
        "unhandledrejection",
        (event) => {
          reported.push(`rejection ${event.reason === hostile}`);
          event.stopImmediatePropagation();
          resolve();
        },
        { capture: true, once: true },
      );
    });
    const thrown = new Promise<void>((resolve) => {
      addEventListener(
        "error",
        (event) => {
          reported.push(`error ${event.error === hostile}`);
          event.stopImmediatePropagation();
          resolve();
        },
        { capture: true, once: true },
      );
    });
    Promise.reject(hostile);
    await rejected;
    setTimeout(() => {
      throw hostile;
    });
    await thrown;
    (window as { throughline?: { addError(error: unknown): void } }).throughline?.addError(hostile);
    return reported;
  });
});

describe("a page that leaves no room for the agent", () => {
  const closed = [
    ["a frozen XMLHttpRequest.prototype", "Object.freeze(XMLHttpRequest.prototype);"],
    [
      "an XMLHttpRequest that can be opened alone",
      `Object.defineProperty(XMLHttpRequest.prototype, "send", { writable: false });`,
    ],
    ["a fetch that cannot be written", `Object.defineProperty(window, "fetch", { writable: false });`],
    [
      "a fetch that can be read alone",
      `const native = fetch; Object.defineProperty(window, "fetch", { get: () => native });`,
    ],
    ["a sealed history", "Object.freeze(history); Object.freeze(History.prototype);"],
    [
      "frozen objects of the language",
      "for (const type of [Object, Array, Promise, Function, EventTarget, Headers, URL]) Object.freeze(type.prototype);",
    ],
    // That the agent cannot start is told on the console.
    ["no fetch", "delete window.fetch; console.warn = () => {};"],
    ["no PerformanceObserver", "delete window.PerformanceObserver; console.warn = () => {};"],
    [
      "no localStorage",
      `Object.defineProperty(window, "localStorage", { get() { throw new DOMException("denied", "SecurityError"); } });`,
    ],
    ["no crypto", "delete window.crypto; console.warn = () => {};"],
  ] as const;

  for (const [name, before] of closed) {
    same(
      name,
      async () => {
        const seen: unknown[] = [];
        const attempt = async (run: () => unknown) => {
          try {
            seen.push(await run());
          } catch (error) {
            seen.push(String(error));
          }
        };
        await attempt(async () => (await fetch("/a", { headers: { "x-a": "1" } })).text());
        await attempt(() =>
          xhr("/a", {
            headers: [
              ["tracestate", "a=1"],
              ["x-a", "1"],
            ],
          }),
        );
        await attempt(() => history.pushState(null, "", "/pushed"));
        document.body.click();
        return [...seen, location.pathname];
      },
      { before },
    );
  }

  test("a header that the page set is not lost", async ({ page, app, open }) => {
    await open({ before: RECORD + closed[1][1] });
    await page.evaluate(() => xhr("/a", { headers: [["tracestate", "a=1"]] }));
    expect((await app.received("/a"))[0]?.headers.tracestate).toMatch(/(^|,)a=1$/);
  });
});

test("beforeSend and patterns that throw keep nothing from the page", async ({ page, app, start }) => {
  await start({}, RECORD);
  const texts = await page.evaluate(async () => {
    const fail = () => {
      throw new Error("of the page");
    };
    await kept.agent.shutdown();
    kept.agent.init({
      applicationId: "745a78fe5b6e57f6",
      crossOriginUrlPattern: fail,
      excludeUrlPattern: fail,
      beforeSend: (event) => {
        if (event.type === "request") fail();
      },
    });
    const texts = [await (await fetch("/a")).text(), (await xhr("/a")).text];
    kept.agent.addEvent("after");
    await kept.agent.flush();
    return texts;
  });
  expect(texts).toEqual(["ok", "ok"]);
  await app.event((event) => event.type === "custom");
  expect(app.beacons.some(({ dropped }) => Number((dropped as { before_send?: number })?.before_send) >= 2)).toBe(true);
  expect(await page.evaluate(() => kept.errors)).toEqual([]);
});

import { describe, expect } from "vitest";
import { same } from "./compare";
import { APPLICATION, test } from "./fixture";

// First, do no harm: a page with the agent sees what a page without it sees.

describe("fetch", () => {
  same("answers, redirects and their Response", async ({ other }) => {
    const requests: [string, RequestInit?][] = [
      ["/a"],
      ["/a?status=204&body="],
      ["/a?status=404"],
      ["/a", { method: "HEAD" }],
      ["/a?to=/b"],
      ["/a?to=/b", { redirect: "manual" }],
      ["/a?to=/b", { redirect: "error" }],
      [`/a?to=${encodeURIComponent(`${other}/b?allow=*`)}`],
      [`/a?to=${encodeURIComponent(`${other}/b`)}`],
      [`${other}/a?allow=*`],
      [`${other}/a`],
      [`${other}/a`, { mode: "no-cors" }],
      [`${other}/a?allow=*`, { mode: "same-origin" }],
      ["/a?drop"],
      ["/a?drop", { method: "POST", body: "b" }],
      ["data:text/plain,a"],
      [URL.createObjectURL(new Blob(["a"]))],
      ["no-such-scheme:a"],
      ["about:blank"],
    ];
    const seen: unknown[] = [];
    for (const [url, init] of requests) {
      try {
        const response = await fetch(url, init);
        const copy = response.clone();
        seen.push([
          response.type,
          response.url.replace(/^blob:.*/, "blob:"),
          response.redirected,
          response.status,
          response.statusText,
          response.ok,
          [...response.headers].filter(([name]) => name !== "date"),
          response.bodyUsed,
          response.body instanceof ReadableStream,
          response instanceof Response,
          response.constructor === Response,
          Reflect.ownKeys(response).map(String),
          await response.text(),
          response.bodyUsed,
          await copy.arrayBuffer().then((bytes) => bytes.byteLength),
        ]);
      } catch (error) {
        const { name, message, constructor: type } = error as Error;
        seen.push([
          name,
          message,
          type === TypeError,
          Reflect.ownKeys(error as Error)
            .map(String)
            .sort(),
        ]);
      }
    }
    return seen;
  });

  same("each option", async ({ app }) => {
    const ok = "sha256-JokvUf7IVPIFjQ8QDuTPSK9tmMuoZi5Y1ZEzZ7nkNjE="; // no digest of "ok"
    const requests: (() => [RequestInfo, RequestInit?])[] = [
      () => ["/a", { integrity: ok }],
      () => ["/a", { cache: "no-store" }],
      () => ["/a", { cache: "reload" }],
      () => ["/a", { cache: "only-if-cached", mode: "same-origin" }],
      () => ["/a", { cache: "only-if-cached" }],
      () => ["/a", { keepalive: true, method: "POST", body: "b" }],
      () => ["/a", { keepalive: true, method: "POST", body: "b".repeat(70_000) }],
      () => ["/a", { priority: "low" } as RequestInit],
      () => ["/a", { referrer: `${app}/from`, referrerPolicy: "unsafe-url" }],
      () => ["/a", { referrer: "https://elsewhere.test/" }],
      () => ["/a", { referrerPolicy: "no-referrer" }],
      () => ["/a", { credentials: "omit" }],
      () => ["/a", { mode: "navigate" as RequestMode }],
      () => ["/a", { method: "TRACE" }],
      () => ["/a", { method: "patch", body: "b" }],
      () => ["/a", { method: "POST", body: new FormData() }],
      () => ["/a", { method: "POST", body: new Uint8Array([65]) }],
      () => ["/a", { window: {} } as never],
      () => ["/a", { signal: {} } as never],
      () => [new Request("/a", { integrity: ok, priority: "low" } as RequestInit)],
      () => [new Request("/a", { method: "POST", body: "b", headers: { "content-type": "text/x" } })],
      () => [new Request("/a", { method: "POST", body: "b" }), { body: "c" }],
      () => [new Request("/a", { cache: "no-cache" }), { headers: { "x-a": "1" } }],
    ];
    const seen: unknown[] = [];
    for (const make of requests) {
      try {
        const response = await fetch(...make());
        seen.push([response.status, await response.text()]);
      } catch (error) {
        seen.push(String(error));
      }
    }
    return seen;
  });

  same("a Request is used up once, and its own signal ends it", async () => {
    const request = new Request("/a", { method: "POST", body: "b" });
    const kind = async (run: () => Promise<Response>) => run().then((response) => response.text(), String);
    const first = await kind(() => fetch(request));
    const again = await kind(() => fetch(request));
    const controller = new AbortController();
    const held = new Request("/a?hold=1", { signal: controller.signal });
    const ended = kind(() => fetch(held));
    controller.abort();
    return [first, request.bodyUsed, again, await ended, held.signal.aborted, held.bodyUsed];
  });

  same("abort before, during and after, and by time", async () => {
    const reason = new Error("of my own");
    const outcome = (promise: Promise<unknown>) =>
      promise.then(
        (value) => `answer: ${value}`,
        (error) => [String(error), error === reason, error instanceof DOMException],
      );
    const seen: unknown[] = [];
    for (const given of [undefined, reason, "text", 0]) {
      const before = new AbortController();
      before.abort(given);
      seen.push(await outcome(fetch("/a", { signal: before.signal })));

      const during = new AbortController();
      const waits = fetch(`/a?hold=${seen.length}`, { signal: during.signal });
      during.abort(given);
      seen.push(await outcome(waits));

      const body = new AbortController();
      const response = await fetch(`/a?hold=${seen.length}&part=${"p".repeat(2_000)}`, { signal: body.signal });
      const text = response.text();
      body.abort(given);
      seen.push(await outcome(text));

      const after = new AbortController();
      const done = await fetch("/a", { signal: after.signal });
      const read = await done.text();
      after.abort(given);
      seen.push(read, after.signal.aborted);
    }
    seen.push(await outcome(fetch("/a?hold=time", { signal: AbortSignal.timeout(5) })));
    return seen;
  });

  same("ways to call it", async () => {
    const { fetch: loose } = window;
    const frame = document.body.appendChild(document.createElement("iframe"));
    const theirs = (frame.contentWindow as Window & typeof globalThis).fetch;
    const ways: (() => unknown)[] = [
      () => loose("/a"),
      () => fetch.call(window, "/a"),
      () => fetch.call(undefined as never, "/a"),
      () => fetch.call(null as never, "/a"),
      () => fetch.call({} as never, "/a"),
      () => fetch.call(document as never, "/a"),
      () => fetch.bind(window)("/a"),
      () => Reflect.apply(fetch, null, ["/a"]),
      () => (fetch as (...args: unknown[]) => unknown)("/a", undefined, 3),
      () => fetch("/a", null as never),
      () => (fetch as () => unknown)(),
      () => fetch(undefined as never),
      () => fetch(null as never),
      () => fetch(Symbol() as never),
      () => fetch({ toString: () => "/a" } as never),
      () => fetch({ toString: () => ({}) } as never),
      () => fetch(location as never),
      () => fetch("/a", "text" as never),
      () => fetch("/a", (() => {}) as never),
      () => fetch("/a", { headers: [["a"]] } as never),
      () => fetch("/a", { headers: 5 } as never),
      () => fetch("/a", { headers: "text" } as never),
      () => fetch("/a", { headers: { a: "\u{1F600}" } }),
      () => theirs("/a"),
      () => theirs.call(window, "/a"),
      () => fetch.call(frame.contentWindow as never, "/a"),
    ];
    const seen: unknown[] = [];
    for (const [i, way] of ways.entries()) {
      let at = "returned";
      try {
        const result = way();
        at = result instanceof Promise ? "promised" : "another's promise";
        seen.push([i, at, ((await result) as Response).status]);
      } catch (error) {
        seen.push([i, at, String(error)]);
      }
    }
    return seen;
  });

  same("headers that the page sets arrive", async () => {
    const init = { method: "POST", body: "b", headers: { "X-A": "1", "Content-Type": "text/x", Accept: "x/y" } };
    const echo = async (...args: Parameters<typeof fetch>) => (await fetch(...args)).text();
    return [
      await echo("/a", init),
      await echo(new Request("/a", init)),
      await echo("/a", { headers: new Headers(init.headers) }),
    ];
  });
});

test("the network sees the same requests, but for the two headers", async ({ page, app }) => {
  const send = async (parameters: Record<string, string>) => {
    const before = app.requests.length;
    await page.goto(`${app.origin}/page?${new URLSearchParams(parameters)}`);
    await page.evaluate(async () => {
      const upload = new URLSearchParams({ b: "1" });
      await fetch("/a");
      await fetch("/a", { method: "POST", body: "b", headers: { "X-A": "1", Accept: "x/y" } });
      await fetch(new Request("/a", { method: "PUT", body: upload, referrerPolicy: "no-referrer", cache: "no-store" }));
      await fetch("/a", { credentials: "omit", mode: "same-origin", redirect: "manual", keepalive: true });
      await xhr("/a", { method: "POST", body: "b", headers: [["X-A", "1"]] });
      await fetch("/a?to=/b");
      await xhr("/a?to=/b");
    });
    return app.requests.slice(before).map(({ method, url, headers, body }) => {
      const { traceparent, tracestate, referer, ...rest } = headers;
      return {
        method,
        path: url.pathname + url.search,
        headers: rest,
        referred: referer !== undefined,
        body,
        traceparent,
      };
    });
  };
  const bare = await send({ bare: "" });
  const linked = await send({ "data-application-id": APPLICATION });
  expect(bare).toHaveLength(9);
  expect(linked.map((request) => ({ ...request, traceparent: undefined }))).toEqual(bare);
  for (const { traceparent } of linked) expect(traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-03$/);
});

/** In the page: makes an XMLHttpRequest whose every event is logged, by all the ways there are. */
const WATCHED = `
  window.watched = (log, use, late) => new Promise((resolve) => {
    const request = new XMLHttpRequest();
    if (late) request.open("GET", "/opened");
    const types = ["readystatechange", "loadstart", "progress", "load", "error", "abort", "timeout", "loadend"];
    const hear = (how, target) => (event) => {
      const { type, isTrusted, lengthComputable, loaded, total, bubbles, cancelable, eventPhase } = event;
      const entry = [how, type, request.readyState, request.status, isTrusted, bubbles, cancelable, eventPhase,
        event.constructor.name, event.currentTarget === target, event.target === target, target.constructor.name];
      if (type === "progress") entry.splice(3);
      else entry.push(lengthComputable, loaded, total);
      const line = entry.join();
      if (line !== log.filter((other) => other.startsWith(how)).pop()) log.push(line);
    };
    // A listener of an upload sees also the first of two attempts.
    for (const target of late ? [request] : [request, request.upload]) {
      for (const type of types) {
        target["on" + type] = hear("on", target);
        target.addEventListener(type, hear("bubble", target));
        target.addEventListener(type, hear("capture", target), true);
        target.addEventListener(type, hear("once", target), { once: true });
      }
    }
    request.addEventListener("loadend", () => setTimeout(() => {
      // How much progress there was before it failed is up to the network.
      if (!request.status) log.splice(0, log.length, ...log.filter((line) => !line.includes(",progress,")));
      log.push([request.readyState, request.status, request.statusText, request.responseURL, String(request.response),
        request.getAllResponseHeaders().replace(/date:.*/i, "")].join());
      resolve(request);
    }));
    use(request);
  });`;

/** Sets up and uses one XMLHttpRequest. */
const XHR_CASES: Record<string, (request: XMLHttpRequest) => void> = {
  "an answer": (request) => {
    request.open("GET", "/a");
    request.send();
  },
  "no body": (request) => {
    request.open("HEAD", "/a");
    request.send();
  },
  "an upload": (request) => {
    request.open("POST", "/a");
    request.send("b".repeat(5_000));
  },
  "a redirect": (request) => {
    request.open("GET", "/a?to=/b");
    request.send();
  },
  "a status of failure": (request) => {
    request.open("GET", "/a?status=500");
    request.send();
  },
  "an error": (request) => {
    request.open("POST", "/a?drop");
    request.send("b");
  },
  "an error that is tried again": (request) => {
    request.open("GET", "/a?drop&xhr");
    request.send();
  },
  "an unreachable origin": (request) => {
    request.open("GET", "https://elsewhere.test/");
    request.send();
  },
  "a time-out": (request) => {
    request.open("GET", "/a?hold=xhr");
    request.timeout = 5;
    request.send();
  },
  "an abort at once": (request) => {
    request.open("GET", "/a?hold=xhr");
    request.send();
    request.abort();
  },
  "an abort with headers": (request) => {
    request.open("GET", `/a?hold=xhr&part=${"p".repeat(2_000)}`);
    request.addEventListener("readystatechange", () => request.readyState === 2 && request.abort());
    request.send();
  },
  "an abort of an upload": (request) => {
    request.open("POST", "/a?hold=xhr");
    request.upload.addEventListener("loadstart", () => request.abort());
    request.send("b");
  },
  "opened again while under way": (request) => {
    request.open("GET", "/a?hold=xhr");
    request.send();
    request.open("GET", "/b");
    request.send();
  },
  "opened twice": (request) => {
    request.open("GET", "/a");
    request.open("POST", "/b");
    request.setRequestHeader("x-a", "1");
    request.send("b");
  },
};

describe("XMLHttpRequest", () => {
  for (const [name, use] of Object.entries(XHR_CASES)) {
    same(
      `events and their order: ${name}`,
      async () => {
        const { watched, use, late } = window as unknown as {
          watched: (log: unknown[], use: (request: XMLHttpRequest) => void, late: boolean) => Promise<unknown>;
          use: (request: XMLHttpRequest) => void;
          late: boolean;
        };
        const log: unknown[] = [];
        await watched(log, use, late);
        return log;
      },
      { before: `${WATCHED} window.use = ${use}; window.late = ${name.includes("tried again")};` },
    );
  }

  same("every type of response", async () => {
    const seen: unknown[] = [];
    const types = ["", "text", "json", "blob", "arraybuffer", "document", "no such"] as XMLHttpRequestResponseType[];
    for (const type of types) {
      for (const url of ["/a?body=[1]", "/a?body=<p>a</p>&type=text/html", "/a?body=<a/>&type=text/xml"]) {
        const request = new XMLHttpRequest();
        request.open("GET", url);
        request.responseType = type;
        request.overrideMimeType("text/xml");
        await new Promise((resolve) => {
          request.onloadend = resolve;
          request.send();
        });
        const { response } = request;
        const attempt = (run: () => unknown) => {
          try {
            return String(run());
          } catch (error) {
            return String(error);
          }
        };
        seen.push([
          type,
          request.responseType,
          Object.prototype.toString.call(response),
          response?.size ?? response?.byteLength ?? response?.documentElement?.outerHTML ?? response,
          attempt(() => request.responseText),
          attempt(() => request.responseXML?.documentElement.outerHTML),
        ]);
      }
    }
    return seen;
  });

  same("synchronous calls", () => {
    const seen: unknown[] = [];
    for (const url of ["/a", "/a?status=404", "/a?to=/b", "/a?drop", "/a?drop", "https://elsewhere.test/", "data:,a"]) {
      for (const method of ["GET", "POST"]) {
        const request = new XMLHttpRequest();
        const events: unknown[] = [];
        try {
          request.open(method, url, false);
          for (const type of ["readystatechange", "loadstart", "load", "error", "loadend"]) {
            request.addEventListener(type, () => events.push([type, request.readyState]));
          }
          request.send("b");
          seen.push([request.status, request.responseText, request.responseURL]);
        } catch (error) {
          seen.push([String(error), error instanceof DOMException, request.readyState, request.status]);
        }
        seen.push(events);
      }
    }
    return seen;
  });

  same("ways to call it, right and wrong", async () => {
    const { open, send, setRequestHeader } = XMLHttpRequest.prototype;
    const made = () => new XMLHttpRequest();
    const opened = () => {
      const request = made();
      request.open("GET", "/a");
      return request;
    };
    const ways: (() => unknown)[] = [
      () => (open as () => void).call(made()),
      () => open.call({} as never, "GET", "/a", true),
      () => open.call(undefined as never, "GET", "/a", true),
      () => open.call(null as never, "GET", "/a", true),
      () => send.call({} as never),
      () => send.call(undefined as never),
      () => setRequestHeader.call({} as never, "a", "b"),
      () => setRequestHeader.call(undefined as never, "a", "b"),
      () => (open as (method: string) => void).call(made(), "GET"),
      () => made().open("GET", "http://"),
      () => made().open("CONNECT", "/a"),
      () => made().open("a b", "/a"),
      () => made().open("GET", "/a", "yes" as never),
      () => made().open("GET", "/a", true, "user", "password"),
      () => made().open(Symbol() as never, "/a"),
      () => made().open("GET", Symbol() as never),
      () => made().open("GET", new URL("/a", location.href)),
      () => made().send(),
      () => made().setRequestHeader("a", "b"),
      () => (opened().setRequestHeader as () => void)(),
      () => (opened().setRequestHeader as (name: string) => void)("a"),
      () => opened().setRequestHeader("a b", "c"),
      () => opened().setRequestHeader("a", "\n\u{1F600}"),
      () => opened().setRequestHeader("tracestate", "\n\u{1F600}"),
      () => opened().setRequestHeader(Symbol() as never, "a"),
      () => opened().setRequestHeader("a", Symbol() as never),
      () => opened().setRequestHeader("tracestate", Symbol() as never),
      () => opened().setRequestHeader("a", undefined as never),
      () => opened().setRequestHeader("cookie", "a"),
      () => opened().setRequestHeader("tracestate", "a=1"),
      () => opened().send(Symbol() as never),
      () => {
        const request = opened();
        request.send();
        request.send();
      },
      () => {
        const request = opened();
        request.send();
        request.setRequestHeader("tracestate", "a=1");
      },
      () => {
        const request = opened();
        request.abort();
        request.send();
      },
    ];
    return ways.map((way, i) => {
      try {
        return [i, String(way())];
      } catch (error) {
        return [i, String(error), (error as Error).constructor.name];
      }
    });
  });

  same("subclasses, methods on an object and those of another frame", async () => {
    const frame = document.body.appendChild(document.createElement("iframe"));
    const theirs = (frame.contentWindow as Window & typeof globalThis).XMLHttpRequest;
    class Mine extends XMLHttpRequest {
      override open(method: string, url: string) {
        super.open(method, url);
        super.setRequestHeader("x-a", "1");
      }
    }
    const seen: unknown[] = [];
    const ended = (request: XMLHttpRequest) =>
      new Promise((resolve) => {
        request.onloadend = () => resolve([request.status, request.responseText, request.constructor.name]);
      });
    for (const type of [XMLHttpRequest, Mine, theirs]) {
      const request = new type();
      const end = ended(request);
      request.open("GET", "/a");
      request.send();
      seen.push(await end, request instanceof XMLHttpRequest, request.constructor === type);
    }
    const { open, send } = XMLHttpRequest.prototype;
    const foreign = new theirs();
    const end = ended(foreign);
    open.call(foreign, "GET", "/a", true);
    send.call(foreign);
    seen.push(await end);
    return seen;
  });

  same("listeners from before open, and removed ones, keep their order", async () => {
    const seen: string[] = [];
    const request = new XMLHttpRequest();
    const hear = (name: string) => () => seen.push(name);
    const removed = hear("removed");
    request.addEventListener("load", hear("1"));
    request.onload = hear("2");
    request.addEventListener("load", removed);
    request.addEventListener("load", hear("3"), true);
    request.open("GET", "/a");
    request.addEventListener("load", hear("4"), true);
    request.addEventListener("load", { handleEvent: hear("5") });
    request.removeEventListener("load", removed);
    request.addEventListener("load", (event) => event.stopImmediatePropagation());
    request.addEventListener("load", hear("never"));
    await new Promise((resolve) => {
      request.addEventListener("loadend", resolve);
      request.send();
    });
    return seen;
  });
});

describe("the page", () => {
  same("history", async () => {
    const seen: unknown[] = [];
    addEventListener("popstate", () => seen.push("popstate"));
    const attempts: (() => unknown)[] = [
      () => history.pushState({ a: 1 }, "", "/pushed"),
      () => history.replaceState([2], "", "?replaced#hash"),
      () => history.pushState(null, ""),
      () => history.pushState(undefined, "", undefined),
      () => history.pushState(null, "", new URL("/url", location.href)),
      () => history.pushState(() => {}, "", "/function"),
      () => history.pushState(null, "", "https://elsewhere.test/"),
      () => history.pushState(null, "", "http://"),
      () => (history.pushState as () => void)(),
      () => history.pushState.call({} as never, null, ""),
      () => history.pushState.call(undefined as never, null, ""),
      () => document.title,
    ];
    const length = history.length;
    for (const attempt of attempts) {
      let result: string;
      try {
        result = String(attempt());
      } catch (error) {
        result = String(error);
      }
      seen.push([result, JSON.stringify(history.state), history.length - length, location.pathname + location.hash]);
    }
    for (const move of [() => (location.hash = "#set"), () => history.back()]) {
      const moved = new Promise<HashChangeEvent>((resolve) => addEventListener("hashchange", resolve, { once: true }));
      move();
      const { oldURL, newURL } = await moved;
      seen.push(oldURL, newURL, JSON.stringify(history.state), location.pathname);
    }
    return seen;
  });

  same("errors and rejections are reported once", async ({ other }) => {
    const { seen } = kept;
    fetch("/a?drop");
    fetch(`${other}/a`);
    fetch("/a", { signal: AbortSignal.abort("aborted") });
    fetch("http://");
    fetch("/a?drop").catch(() => seen.push("caught"));
    const late = fetch("/a?drop&late");
    const reported = (text: string) => () => seen.filter((line) => line.includes(text)).length;
    const until = (enough: () => boolean) =>
      new Promise<void>((resolve) => {
        const look = () => (enough() ? resolve() : setTimeout(look));
        look();
      });
    await until(() => reported("unhandledrejection")() >= 5 && reported("caught")() >= 1);
    late.catch(() => {});
    await until(() => reported("rejectionhandled")() >= 1);
    setTimeout(() => {
      throw new Error("thrown");
    });
    await until(() => reported("thrown")() >= 2);
    const image = document.body.appendChild(new Image());
    await new Promise((resolve) => {
      image.onerror = resolve;
      image.src = "/a?status=404";
    });
    const request = new XMLHttpRequest();
    request.onload = () => {
      throw new Error("in a listener");
    };
    request.open("GET", "/a");
    request.send();
    await until(() => reported("in a listener")() >= 2);
    return seen.splice(0).sort();
  });

  same("events reach the page's own listeners as before", async () => {
    const seen: unknown[] = [];
    document.body.insertAdjacentHTML(
      "beforeend",
      `<button><b>Press</b></button><a href="#to">Go</a><form><input></form>`,
    );
    for (const type of ["click", "keydown", "submit", "focusin"]) {
      for (const target of [window, document, ...document.querySelectorAll("body, button, a")]) {
        for (const capture of [true, false]) {
          const hear = (event: Event) => {
            const { eventPhase, isTrusted, defaultPrevented } = event;
            seen.push([type, target.constructor.name, capture, eventPhase, isTrusted, defaultPrevented]);
          };
          target.addEventListener(type, hear, capture);
        }
      }
    }
    (document.querySelector("button b") as HTMLElement).click();
    document.querySelector("a")?.addEventListener("click", (event) => event.preventDefault());
    document.querySelector("a")?.click();
    document.querySelector("input")?.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
    seen.push(location.hash);
    return seen;
  });

  same("structuredClone, messages, workers and frames", async () => {
    const seen: unknown[] = [];
    const value = { a: [new Date(0), new Map([[1, /x/]])], e: new TypeError("t"), b: new Uint8Array(2) };
    const describe = (given: typeof value) => [given.a[0] instanceof Date, String(given.e), given.b.length];
    seen.push(describe(structuredClone(value)));
    for (const wrong of [fetch, XMLHttpRequest.prototype.open, new XMLHttpRequest()]) {
      try {
        structuredClone(wrong);
      } catch (error) {
        seen.push(String(error).replace(/^(\w+: ).*( could not be cloned)/s, "$1$2"));
      }
    }
    const { port1, port2 } = new MessageChannel();
    const answered = new Promise<MessageEvent>((resolve) => {
      port2.onmessage = resolve;
    });
    port1.postMessage(value, [value.b.buffer]);
    seen.push(describe((await answered).data), value.b.length);
    const posted = new Promise<MessageEvent>((resolve) => addEventListener("message", resolve, { once: true }));
    postMessage({ a: 1 }, "*");
    const { data, origin, source } = await posted;
    seen.push(data, origin === location.origin, source === window);

    const script = `fetch("${location.origin}/a").then((r) => r.text()).then((text) => postMessage([text, Object.keys(self).filter((key) => /throughline/i.test(key)), String(fetch)]))`;
    const worker = new Worker(URL.createObjectURL(new Blob([script])));
    seen.push(await new Promise((resolve) => (worker.onmessage = (event) => resolve(event.data))));
    worker.terminate();

    for (const src of ["", "about:blank", "/a?type=text/html&body=<p>frame</p>"]) {
      const frame = document.createElement("iframe");
      if (src) frame.src = src;
      const loaded = new Promise((resolve) => (frame.onload = resolve));
      document.body.append(frame);
      await loaded;
      const inner = frame.contentWindow as Window & typeof globalThis;
      seen.push([
        String(inner.fetch),
        String(inner.XMLHttpRequest.prototype.send),
        Reflect.ownKeys(inner).filter((key) => /throughline/i.test(String(key))).length,
        await (await inner.fetch(`${location.origin}/a`)).text(),
        inner.document.body.innerHTML,
        inner.fetch === fetch,
      ]);
      inner.document.open();
      inner.document.write("<p>written</p>");
      inner.document.close();
      seen.push(inner.document.body.innerHTML);
    }
    return seen;
  });

  same("a service worker that passes requests through", async () => {
    const registration = await navigator.serviceWorker.register("/pass.js");
    if (!navigator.serviceWorker.controller) {
      await new Promise((resolve) => navigator.serviceWorker.addEventListener("controllerchange", resolve));
    }
    const seen: unknown[] = [];
    for (const [url, init] of [
      ["/a"],
      ["/a", { method: "POST", body: "b" }],
      ["/a?to=/b"],
      ["/a?to=/b", { redirect: "manual" }],
      ["/a?drop"],
    ] as [string, RequestInit?][]) {
      try {
        const response = await fetch(url, init);
        seen.push([response.type, response.url, response.redirected, response.status, await response.text()]);
      } catch (error) {
        seen.push(String(error));
      }
    }
    seen.push(await xhr("/a"), await xhr("/a?drop"));
    await registration.unregister();
    return seen;
  });

  same("what is wrapped looks like the browser's own", () => {
    const methods: [object, string[]][] = [
      [window, ["fetch"]],
      [XMLHttpRequest.prototype, ["open", "send", "setRequestHeader"]],
      [History.prototype, ["pushState", "replaceState"]],
    ];
    return methods.flatMap(([holder, names]) =>
      names.map((name) => {
        const { value, ...flags } = Object.getOwnPropertyDescriptor(holder, name) as PropertyDescriptor;
        let made: string;
        try {
          made = String(new value("/a"));
        } catch (error) {
          made = String(error);
        }
        return [
          flags,
          typeof value,
          value.name,
          value.length,
          Reflect.ownKeys(value).map(String).sort(),
          Object.getOwnPropertyDescriptor(value, "name"),
          Object.getOwnPropertyDescriptor(value, "length"),
          Object.getPrototypeOf(value) === Function.prototype,
          Object.prototype.toString.call(value),
          // The text of a proxy has not the name.
          value.toString().replace(/(?<=^function )\w*/, ""),
          Function.prototype.toString.call(value).replace(/(?<=^function )\w*/, ""),
          made,
          Object.keys(holder).includes(name),
        ];
      }),
    );
  });

  same("nothing is added but what the documentation names", async () => {
    // Playwright's begin with __pw.
    const own = ["throughline", "Symbol(throughline.agent)"];
    const globals = Reflect.ownKeys(window)
      .map(String)
      .filter((key) => !own.includes(key) && !key.startsWith("__pw"));
    const text = document.documentElement.outerHTML.replace(/<script.*?<\/script>|\n/gs, "");
    return [
      globals.sort(),
      text,
      document.cookie,
      performance.getEntriesByType("mark").length + performance.getEntriesByType("measure").length,
      Object.keys(sessionStorage),
      Object.keys(localStorage).filter((key) => !/^throughline\.(instance|session)$/.test(key)),
      Object.getOwnPropertyNames(document),
      Object.getOwnPropertyNames(navigator),
      Object.getOwnPropertyNames(history),
      Object.getOwnPropertyNames(new XMLHttpRequest()),
    ];
  });
});

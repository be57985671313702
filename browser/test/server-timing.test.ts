import { describe, expect } from "vitest";
import type { Page } from "./engines/engine";
import { APPLICATION, SPAN, TRACE, test } from "./fixture";
import type { Server } from "./server";

// What the agent reads from answers: linking contract, section 3.

const DT = `Server-Timing: dtTrId;desc="${TRACE}", dtSInfo;desc="0", dtRpid;desc="-609157671"`;
const FULL = `Server-Timing: trace;desc=00-${TRACE}-${SPAN}-01, dtTrId;desc="${TRACE}", dtSInfo;desc="1", dtRpid;desc="7"`;
const CACHED = "Cache-Control: max-age=600";

const query = (...headers: string[]) => headers.map((header) => `&header=${encodeURIComponent(header)}`).join("");

describe("documents and resources", () => {
  test("a document takes trace and entry span from the answer", async ({ open, leave }) => {
    await open({ header: FULL });
    expect(await leave("/page")).toMatchObject({
      "request.kind": "document",
      start: 0,
      "request.trace_context_hint": "from_server",
      "request.server_timing_hint": "received",
      "trace.id": TRACE,
      "span.id": SPAN,
      "trace.is_sampled": true,
      "request.server_timing.response_id": 7,
      "performance.initiator_type": "navigation",
      "performance.delivery": "network",
    });
  });

  test("a document tells its status", async ({ open, leave }) => {
    await open();
    expect((await leave("/page"))["http.response.status_code"]).toBe(200);
  });

  test("dtTrId names no entry span", async ({ open, leave }) => {
    await open({ header: DT });
    const event = await leave("/page");
    expect(event).toMatchObject({
      "request.trace_context_hint": "from_server",
      "trace.id": TRACE,
      "trace.is_sampled": false,
      "request.server_timing.response_id": -609157671,
    });
    expect(event).not.toHaveProperty("span.id");
  });

  const image = (url: string) => `<img src="${url}">`;
  const watched = { "request.kind": "resource", "performance.initiator_type": "img" };
  const received = { "request.trace_context_hint": "from_server", "request.server_timing_hint": "received" };
  const none = { "request.trace_context_hint": "not_set", "request.server_timing_hint": "not_available" };

  test("resources, of this origin and of another that hides its timing", async ({ page, other, open, leave }) => {
    await open({
      html: [image(`/named?${query(FULL)}`), image("/bare?"), image(`${other.origin}/hidden?${query(FULL)}`)].join(""),
    });
    expect(await leave("/named")).toMatchObject({ ...watched, ...received, "trace.id": TRACE, "span.id": SPAN });
    expect(await leave("/bare")).toMatchObject({ ...watched, ...none });
    const hidden = await leave("/hidden");
    expect(hidden).toMatchObject({ ...watched, ...none });
    expect(hidden).not.toHaveProperty("trace.id");
    expect(hidden).not.toHaveProperty("performance.transfer_size");
    expect(page.url()).toBe("about:blank");
  });

  test("resources of another origin that shows its timing", async ({ other, open, leave }) => {
    await open({ html: image(`${other.origin}/shown?${query(FULL, "Timing-Allow-Origin: *")}`) });
    expect(await leave("/shown")).toMatchObject({ ...watched, ...received, "trace.id": TRACE, "span.id": SPAN });
  });

  test("a cached document and a cached resource name an earlier answer's trace", async ({ page, app }) => {
    const html = `<img src="/image?${query(FULL, CACHED)}">`;
    const stale = (kind: string) =>
      app.event((event) => event["request.kind"] === kind && event["request.server_timing_hint"] === "stale");
    for (let visit = 0; visit < 2; visit++) {
      const parameters = new URLSearchParams({ "data-application-id": APPLICATION, html });
      await page.goto(`${app.origin}/page?${parameters}${query(FULL, CACHED)}`);
      await page.goto("about:blank");
    }
    for (const event of [await stale("document"), await stale("resource")]) {
      expect(event).toMatchObject({
        "request.trace_context_hint": "not_set",
        "request.server_timing.response_id": 7,
        "performance.delivery": "cache",
      });
      expect(event).not.toHaveProperty("trace.id");
      expect(event).not.toHaveProperty("trace.is_sampled");
    }
  });
});

const ways = {
  fetch: async ([url]: [string]) => {
    await (await fetch(url)).text();
    await timed(url);
  },
  xhr: async ([url]: [string]) => {
    await xhr(url);
    await timed(url);
  },
};

describe.for(Object.entries(ways))("%s", ([, way]) => {
  test("each hint", async ({ open, run, leave }) => {
    await open();
    const answers = {
      "/received": ["received", "trace"],
      "/not-available": ["not_available", ""],
      "/no-trace-info": ["no_trace_info", query("Server-Timing: db;dur=5")],
      "/invalid": ["invalid", query(`Server-Timing: trace;desc=00-${TRACE.toUpperCase()}-${SPAN}-01`)],
      "/mismatch": ["mismatch", query(FULL)],
    } as const;
    for (const [path, [, parameters]] of Object.entries(answers)) await run(way, `${path}?${parameters}`);
    for (const [path, [hint]] of Object.entries(answers)) {
      const event = await leave(path);
      expect(event["request.trace_context_hint"]).toBe("set");
      expect(event["request.server_timing_hint"], path).toBe(hint);
      expect(event["trace.id"], path).not.toBe(TRACE);
      expect(event["request.server_timing.trace_id"], path).toBe(
        { received: event["trace.id"], mismatch: TRACE }[hint as string],
      );
      const named = hint === "received" || hint === "mismatch";
      expect(event["request.server_timing.span_id"], path).toBe(named ? SPAN : undefined);
      expect(event["trace.is_sampled"], path).toBe(named ? true : undefined);
    }
  });

  test("stale: the answer came from the HTTP cache", async ({ app, open, run, leave }) => {
    await open();
    const url = `/a?trace${query(CACHED, 'Server-Timing: dtRpid;desc="7"')}`;
    await run(way, url);
    await run(way, url.replace("/a?", "/b?"));
    await run(way, url.replace("/a?", "/b?"));
    expect((await leave("/a"))["request.server_timing_hint"]).toBe("received");
    const copy = await app.event((event) => event["request.server_timing_hint"] === "stale");
    expect(new URL(String(copy["url.full"])).pathname).toBe("/b");
    expect(copy).toMatchObject({
      "request.trace_context_hint": "set",
      "performance.delivery": "cache",
      "request.server_timing.response_id": 7,
    });
    expect(copy).not.toHaveProperty("request.server_timing.trace_id");
    expect(copy).not.toHaveProperty("trace.is_sampled");
    expect(app.requests.filter((request) => request.url.pathname === "/b")).toHaveLength(1);
  });

  test("a cross-origin call without context is linked by the answer, where it may be read", async ({
    other,
    open,
    run,
    leave,
  }) => {
    await open();
    await run(way, `${other.origin}/shown?allow=*${query(FULL, "Timing-Allow-Origin: *")}`);
    await run(way, `${other.origin}/hidden?allow=*${query(FULL)}`);
    const shown = await leave("/shown");
    expect(shown).toMatchObject({
      "request.trace_context_hint": "cross_origin",
      "request.server_timing_hint": "received",
      "trace.id": TRACE,
      "span.id": SPAN,
    });
    expect(shown).not.toHaveProperty("request.server_timing.trace_id");
    const hidden = await leave("/hidden");
    expect(hidden).toMatchObject({
      "request.trace_context_hint": "cross_origin",
      "request.server_timing_hint": "not_available",
      "http.response.status_code": 200,
    });
    expect(hidden).not.toHaveProperty("trace.id");
  });

  /** The Server-Timing hints of so many calls of one URL at once. */
  const hintsOfMany = async (page: Page, app: Server) => {
    const count = 30;
    await page.evaluate(
      async ([by, times]) => {
        const call = () =>
          by === "xhr" ? xhr("/same?trace") : fetch("/same?trace").then((response) => response.text());
        await Promise.all(Array.from({ length: times }, call));
      },
      [way === ways.xhr ? "xhr" : "fetch", count] as const,
    );
    await page.goto("about:blank");
    const found = () => app.events.filter((event) => String(event["url.full"]).includes("/same"));
    await app.event(() => found().length === count);
    return found().map((event) => event["request.server_timing_hint"]);
  };

  test("requests with one URL at once: an entry is another call's never", async ({ page, app, open }) => {
    await open();
    expect(await hintsOfMany(page, app)).not.toContain("mismatch");
  });

  test("requests with one URL at once: some are told apart", async ({ page, app, open }) => {
    await open();
    expect(await hintsOfMany(page, app)).toContain("received");
  });
});

describe("timing", () => {
  test("after 103 Early Hints the answer begins with its own headers", async ({ page, app, open, leave }) => {
    await open();
    const call = page.evaluate(async () => {
      await (await fetch("/a?early&hold=1")).text();
      await timed("/a?early&hold=1");
    });
    await app.received("/a");
    await fetch(`${app.origin}/release?1`);
    await call;
    const timing = (await leave("/a"))["performance.timing"];
    expect(timing.first_interim_response_start).toBeGreaterThan(0);
    expect(timing.response_start).toBeGreaterThanOrEqual(timing.first_interim_response_start ?? 0);
    expect(timing.response_end).toBeGreaterThanOrEqual(timing.response_start ?? 0);
  });

  test("a redirected call is told with the URL that the page asked for", async ({ page, app, open, leave }) => {
    await open();
    await page.evaluate(async () => {
      await (await fetch("/a?to=/b#fragment")).text();
      await timed("/a?to=/b#fragment");
    });
    const event = await leave("/a");
    expect(event["url.full"]).toBe(`${app.origin}/a?to=/b`);
    expect(event["performance.timing"].redirect_end).toBeGreaterThan(0);
  });

  test("a body that goes on does not hold the event back when the page is left", async ({ page, app, open, leave }) => {
    await open();
    await page.evaluate(async () => {
      const response = await fetch("/a?hold=1&part=first");
      await response.body?.getReader().read();
    });
    const event = await leave("/a");
    expect(event).toMatchObject({ "http.response.status_code": 200, "request.server_timing_hint": "not_available" });
    expect(app.requests).toHaveLength(1);
  });

  test("a body's end completes the event while the page lives", async ({ page, app, open }) => {
    await open();
    const call = page.evaluate(async () => {
      const response = await fetch("/a?trace&hold=1&part=first");
      await fetch("/release?1");
      await response.text();
    });
    await call;
    const event = await app.event((sent) => String(sent["url.full"]).includes("/a?"));
    expect(event["request.server_timing_hint"]).toBe("received");
    expect(event["performance.timing"].response_end).toBeGreaterThan(0);
  });
});

describe("clock", () => {
  test("the server's clock is taken from an answer to this page, not from a copy", async ({ page, app, open, run }) => {
    await open();
    await page.evaluate(async () => {
      const cached = "/cached?ahead=-3600000&header=Cache-Control: max-age=600";
      for (const url of [cached, cached]) {
        await (await fetch(url)).text();
        await timed(url);
      }
    });
    for (const name of ["a", "b"]) {
      const url = `/${name}?ahead=5000&trace&hold=${name}`;
      await run(([held]) => void fetch(held), url);
      // Not within the millisecond that some engines round times to.
      await app.received(`/${name}`);
      await run(
        async ([held, release]) => {
          await fetch(release);
          await timed(held);
        },
        url,
        `/release?${name}`,
      );
    }
    await page.goto("about:blank");
    await app.event((event) => String(event["url.full"]).includes("/b?"));
    const beacon = app.beacons.filter((sent) => "clock.offset" in sent).at(-1);
    const uncertainty = Number(beacon?.["clock.uncertainty"]);
    expect(uncertainty).toBeGreaterThan(0);
    // Both clocks are this machine's; the page's may have been read some ms before.
    expect(Math.abs(Number(beacon?.["clock.offset"]) - 5000)).toBeLessThan(uncertainty + 50);
  });
});

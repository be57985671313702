import { afterEach, beforeEach, describe, expect, vi } from "vitest";
import { parseTraceparent } from "../src/parse-traceparent";
import { propagate } from "../src/propagate";
import { readServerTiming } from "../src/read-server-timing";
import { test } from "./fixture";
import { readVectors, textOf } from "./vectors";

// The wire formats, held against the vectors that every language reads.

describe("traceparent.txt", () => {
  const vectors = readVectors(
    "traceparent.txt",
    "input",
    "version",
    "trace-id",
    "parent-id",
    "flags",
    "output",
    "part",
  );
  test.for(vectors)("$name", (vector) => {
    const context = parseTraceparent(textOf(vector, "input"));
    if (textOf(vector, "expect") === "error") {
      expect(context).toBeUndefined();
      return;
    }
    expect(context).toEqual({
      _traceId: textOf(vector, "trace-id"),
      _spanId: textOf(vector, "parent-id"),
      _sampled: (Number.parseInt(textOf(vector, "flags"), 16) & 1) === 1,
    });
  });
});

describe("put-dtr.txt", () => {
  beforeEach(() => {
    vi.stubGlobal("self", { origin: "https://shop.example" });
  });
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  const vectors = readVectors(
    "put-dtr.txt",
    "tenant",
    "tracestate",
    "span-id",
    "sampled",
    "application-id",
    "instance-id",
    "session-id",
    "output",
  )
    // What cannot come up here: the agent draws span, instance and session itself, and resolveConfig checks the rest.
    .filter((vector) => textOf(vector, "expect") !== "invalid")
    .filter((vector) => textOf(vector, "span-id") && textOf(vector, "instance-id") && textOf(vector, "session-id"));
  test.for(vectors)("$name", (vector) => {
    const result = propagate(
      {
        _url: "https://shop.example/cart",
        _noCors: false,
        _given: new Headers({
          traceparent: `00-4bf92f3577b34da6a3ce929d0e0e4736-${textOf(vector, "span-id")}-0${textOf(vector, "sampled")}`,
          tracestate: textOf(vector, "tracestate"),
        }),
      },
      {
        _config: {
          _endpoint: "https://shop.example/beacon",
          _own: [],
          _applicationId: textOf(vector, "application-id") || undefined,
          _tenant: textOf(vector, "tenant") || "7468726f-75676800",
          _propagation: true,
          _crossOrigin: () => false,
          _exclude: () => false,
          _told: (url) => url,
        },
        _identity: { _instance: textOf(vector, "instance-id"), _session: () => textOf(vector, "session-id") },
        _head: () => ({ _session: textOf(vector, "session-id"), _view: "" }),
      },
    );
    const expected = textOf(vector, "expect");
    expect(result._hint).toBe(expected === "ok" ? "external" : expected);
    expect(result._headers?.tracestate ?? "").toBe(textOf(vector, "output"));
  });
});

test("server-timing-trace.txt, parsed by the browser", async ({ page, app }) => {
  const vectors = readVectors(
    "server-timing-trace.txt",
    "field",
    "trace-id",
    "span-id",
    "sampled",
    "response-id",
    "now",
  );
  await page.goto(`${app.origin}/module`);
  const urls = vectors.map((vector, i) => {
    const query = new URLSearchParams({ i: String(i) });
    for (const field of vector.get("field") ?? []) query.append("header", `Server-Timing: ${field}`);
    return `/timing?${query}`;
  });
  const metrics = await page.evaluate(async (list) => {
    const result = [];
    for (const url of list) {
      await (await fetch(url)).text();
      const { serverTiming } = await timed(url);
      result.push(serverTiming.map(({ name, duration, description }) => ({ name, duration, description })));
    }
    return result;
  }, urls);

  for (const [i, vector] of vectors.entries()) {
    const sampled = textOf(vector, "sampled");
    const number = (key: string) => (vector.has(key) ? Number(textOf(vector, key)) : undefined);
    expect(readServerTiming(metrics[i]), vector.name).toEqual({
      _hint: textOf(vector, "expect"),
      _traceId: textOf(vector, "trace-id") || undefined,
      _spanId: textOf(vector, "span-id") || undefined,
      _sampled: sampled ? sampled === "1" : undefined,
      _responseId: number("response-id"),
      _now: number("now"),
    });
  }
});

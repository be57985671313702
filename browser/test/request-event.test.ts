import { expect, test } from "vitest";
import { createClock } from "../src/clock";
import { requestEvent } from "../src/request-event";
import type { TimingEntry } from "../src/timing-entry";
import { SPAN, TRACE } from "./fixture";

/** What Chromium tells of an answer that names its trace. */
const entry = (change: object) =>
  ({
    name: "https://shop.example/a",
    initiatorType: "img",
    startTime: 1,
    requestStart: 2,
    responseStart: 10,
    responseEnd: 12,
    workerStart: 0,
    transferSize: 0,
    encodedBodySize: 5,
    deliveryType: "",
    serverTiming: [{ name: "trace", description: `00-${TRACE}-${SPAN}-01`, duration: 0 }],
    ...change,
  }) as unknown as TimingEntry;

test.each([
  ["the network", { transferSize: 305 }, "received", "network"],
  ["the HTTP cache", { deliveryType: "cache" }, "stale", "cache"],
  ["a worker that passed it through", { workerStart: 1, deliveryType: "cache" }, "received", "service_worker"],
  ["a worker that had kept a copy", { workerStart: 1, deliveryType: "cache-storage" }, "stale", "service_worker"],
])("an answer from %s", (_, change, hint, delivery) => {
  const url = "https://shop.example/a";
  const event = requestEvent({ _id: SPAN, _kind: "resource", _url: url }, url, entry(change), createClock(0));
  expect(event).toMatchObject({ "request.server_timing_hint": hint, "performance.delivery": delivery });
  expect(event["trace.id"]).toBe(hint === "received" ? TRACE : undefined);
});

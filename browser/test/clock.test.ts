import { expect, test } from "vitest";
import { createClock } from "../src/clock";
import type { TimingEntry } from "../src/timing-entry";

const ORIGIN = 1_777_270_045_000;

/** An answer that took so long, from a server whose clock is ahead by so much when it is half way. */
const answer = (roundTrip: number, ahead: number, entry: Partial<TimingEntry> = {}) =>
  [
    { requestStart: 100, responseStart: 100 + roundTrip, workerStart: 0, deliveryType: "", ...entry } as TimingEntry,
    ORIGIN + 100 + roundTrip / 2 + ahead,
  ] as const;

test("nothing is known until an answer was measured", () => {
  const clock = createClock(ORIGIN);
  expect([clock._fields()["clock.offset"], clock._fields()["clock.uncertainty"]]).toEqual([undefined, undefined]);
  clock._sample(...answer(20, 5000), false);
  expect([clock._fields()["clock.offset"], clock._fields()["clock.uncertainty"]]).toEqual([5000, 10]);
});

test("the smallest round trip counts", () => {
  const clock = createClock(ORIGIN);
  for (const roundTrip of [40, 20, 30]) clock._sample(...answer(roundTrip, roundTrip), false);
  expect([clock._fields()["clock.offset"], clock._fields()["clock.uncertainty"]]).toEqual([20, 10]);
});

test("an answer to this very request beats a quicker one that may be a shared cache's copy", () => {
  const clock = createClock(ORIGIN);
  clock._sample(...answer(10, -3_600_000), false);
  clock._sample(...answer(40, 5000), true);
  clock._sample(...answer(5, -3_600_000), false);
  expect(clock._fields()["clock.offset"]).toBe(5000);
  clock._sample(...answer(30, 5001), true);
  expect(clock._fields()["clock.offset"]).toBe(5001);
});

test("a shared cache's copy tells a time that is too old, and is no measurement beside a fresh answer", () => {
  for (const fresh of [0, 1]) {
    const clock = createClock(ORIGIN);
    for (const ahead of fresh ? [5000, -3_600_000] : [-3_600_000, 5000]) {
      clock._sample(...answer(ahead < 0 ? 2 : 40, ahead), false);
    }
    expect(clock._fields()["clock.offset"]).toBe(5000);
  }
});

test("when a clock has jumped, as after sleep, the later of two proven measurements counts", () => {
  const clock = createClock(ORIGIN);
  clock._sample(...answer(10, 5000), true);
  clock._sample(...answer(30, 7_205_000), true);
  expect(clock._fields()["clock.offset"]).toBe(7_205_000);
});

test.each([
  ["a copy or a 304", { deliveryType: "cache" }],
  ["a prefetch", { deliveryType: "navigational-prefetch" }],
  ["one that took no time", { responseStart: 100 }],
  ["a service worker's", { workerStart: 50 }],
  ["one whose times are hidden", { requestStart: 0, responseStart: 0 }],
])("%s is not measured", (_, entry) => {
  const clock = createClock(ORIGIN);
  clock._sample(...answer(20, 5000, entry), true);
  expect(clock._fields()["clock.offset"]).toBeUndefined();
});

test("after 103 Early Hints the answer's own headers count", () => {
  const clock = createClock(ORIGIN);
  clock._sample(...answer(20, 5000, { responseStart: 105, finalResponseHeadersStart: 120 }), false);
  expect([clock._fields()["clock.offset"], clock._fields()["clock.uncertainty"]]).toEqual([5000, 10]);
});

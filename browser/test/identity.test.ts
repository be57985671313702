import { expect, test } from "vitest";
import { createIdentity } from "../src/identity";
import type { Store } from "../src/page-storage";
import { INSTANCE, SESSION } from "./fixture";

const MINUTE = 60_000;

/** Two tabs share a store; time passes when the test says so. */
function profile(kept: Record<string, string> = {}) {
  const clock = { time: 1_777_270_045_450 };
  const store: Store = {
    _get: (key) => kept[key] ?? null,
    _set: (key, value) => {
      kept[key] = value;
    },
  };
  return { kept, clock, open: () => createIdentity(store, () => clock.time) };
}

test("grammar: 13 digits and 32 characters; 32 letters, a dash and a number", () => {
  const identity = profile().open();
  expect(identity._instance).toMatch(INSTANCE);
  expect(identity._instance).toMatch(/^1777270045450/);
  expect(identity._session()).toMatch(SESSION);
  expect(identity._session()).toMatch(/-0$/);
});

test("tabs share instance and session; profiles do not", () => {
  const { open } = profile();
  const [one, two, other] = [open(), open(), profile().open()];
  expect(two._instance).toBe(one._instance);
  expect(two._session()).toBe(one._session());
  expect(other._instance).not.toBe(one._instance);
  expect(other._session()).not.toBe(one._session());
});

test("a session ends after 30 minutes without activity, in any tab", () => {
  const { clock, open } = profile();
  const [one, two] = [open(), open()];
  const first = one._session();
  clock.time += 29 * MINUTE;
  expect(two._session()).toBe(first);
  clock.time += 29 * MINUTE;
  expect(one._session()).toBe(first);
  clock.time += 31 * MINUTE;
  const second = one._session();
  expect(second).not.toBe(first);
  expect(second).toMatch(/-0$/);
  expect(two._session()).toBe(second);
});

test("a session that lasts more than 8 hours is split: the same random part, the next number", () => {
  const { clock, open } = profile();
  const identity = open();
  const first = identity._session();
  const begin = clock.time;
  const seen = new Set<string>();
  while (clock.time <= begin + 17 * 60 * MINUTE) {
    clock.time += 20 * MINUTE;
    seen.add(identity._session());
  }
  expect([...seen]).toEqual([first, first.replace(/0$/, "1"), first.replace(/0$/, "2")]);
});

test("a clock that was set back begins a new session, not an endless one", () => {
  const { clock, open } = profile();
  const identity = open();
  const first = identity._session();
  clock.time -= 60 * MINUTE;
  expect(identity._session()).not.toBe(first);
});

test.each(["", "x", `${"A".repeat(32)}-0`, `${"a".repeat(32)}-0 1 1`, "A-0 1 1"])(
  "what is stored and malformed is replaced: %j",
  (stored) => {
    const { open } = profile({ "throughline.instance": stored, "throughline.session": stored });
    const identity = open();
    expect(identity._instance).toMatch(INSTANCE);
    expect(identity._session()).toMatch(SESSION);
  },
);

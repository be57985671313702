import type { Agent } from "./build-agents";
import type { Chromium, Session } from "./chromium";
import { type MainThread, mainThread } from "./main-thread";
import { openPage } from "./open-page";
import { LATER_PATH, type Server, type Tally } from "./server";

export interface Fetched extends MainThread {
  /** What JavaScript holds after a garbage collection, in bytes. */
  heapBytes: number;
  /** What the server saw of the page, beacons included. */
  tally: Tally;
}

/** Agents wait so long for what the browser tells late of a request, before it is ready to be sent. */
const LATE_MS = 1_000;
/** Everything is sent when nothing has arrived for so long. */
const QUIET_MS = 2_000;
const QUIET_WITHIN_MS = 30_000;

/**
 * Opens the agent's page, fetches count small documents of its origin, burst of them at a time, hides the page so that
 * the agent sends what it still has, and waits until that has arrived. Time is that of all this after the page's start.
 */
export async function measureFetches(
  browser: Chromium,
  server: Server,
  agent: Agent,
  count: number,
  burst: number,
): Promise<Fetched> {
  const tally = server.tally(agent);
  return browser.withPage(async (page) => {
    await openPage(page, server.page(agent, "warm"));
    if (agent.script) await evaluate(page, `(${untilLinked})()`);
    if (agent.later) await evaluate(page, `(${untilLoaded})("${LATER_PATH}")`);

    const before = await mainThread(page);
    await evaluate(page, `(${fetchItems})(${count}, ${burst})`);
    await pause(LATE_MS);
    await page.hide();
    await quiet(tally);
    const after = await mainThread(page);

    await page.send("HeapProfiler.collectGarbage");
    const { usedSize } = await page.send("Runtime.getHeapUsage");
    return {
      taskMs: after.taskMs - before.taskMs,
      scriptMs: after.scriptMs - before.scriptMs,
      heapBytes: usedSize as number,
      tally,
    };
  });
}

/** Runs in the page: some agents start a while after their script. One that never does is told by the tally. */
async function untilLinked(): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const response = await fetch("/linked");
    if (await response.json()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Runs in the page: until this script has come and run. */
async function untilLoaded(path: string): Promise<void> {
  await new Promise<void>((resolve) => {
    new PerformanceObserver((list) => {
      if (list.getEntries().some(({ name }) => name.endsWith(path))) resolve();
    }).observe({ type: "resource", buffered: true });
  });
  await new Promise((resolve) => requestIdleCallback(resolve));
}

/** Runs in the page. */
async function fetchItems(count: number, burst: number): Promise<void> {
  const one = async (item: number) => {
    const response = await fetch(`/items/${item}`);
    await response.text();
  };
  for (let item = 0; item < count; ) {
    const calls: Promise<void>[] = [];
    while (calls.length < burst && item < count) calls.push(one(item++));
    await Promise.all(calls);
  }
}

async function evaluate(page: Session, expression: string): Promise<void> {
  const { exceptionDetails } = await page.send("Runtime.evaluate", { expression, awaitPromise: true });
  if (exceptionDetails) throw new Error(`in the page: ${JSON.stringify(exceptionDetails)}`);
}

async function quiet(tally: Tally): Promise<void> {
  const began = performance.now();
  for (;;) {
    const end = Math.min(Math.max(tally.last, began) + QUIET_MS, began + QUIET_WITHIN_MS);
    if (performance.now() >= end) return;
    await pause(end - performance.now());
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

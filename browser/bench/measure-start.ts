import type { Agent } from "./build-agents";
import type { Chromium } from "./chromium";
import { mainThread } from "./main-thread";
import { openPage } from "./open-page";
import type { Server } from "./server";

export interface Loaded {
  /** Of the trace event EvaluateScript, compiling included; 0 where there is no script. */
  evaluationMs: number;
  /** Of the page's main thread, until a second after the load event. */
  taskMs: number;
}

interface TraceEvent {
  name: string;
  ts: number;
  dur?: number;
  tdur?: number;
  args?: { data?: { url?: string; consumedCacheSize?: number; cacheRejected?: boolean } };
}

/** What agents put off until the page is idle is done by then. */
const SETTLE_MS = 1_000;
/** Chromium keeps the code of a script that it has seen twice, and writes it down later. */
const ATTEMPTS = 10;

/** Loads the agent's page, each time with a script that Chromium has not seen before; mark makes URLs of this round. */
export async function measureColdStart(
  browser: Chromium,
  server: Server,
  agent: Agent,
  loads: number,
  mark: string,
): Promise<Loaded[]> {
  const versions = Array.from({ length: loads }, (_, load) => `cold-${mark}-${load}`);
  const { loaded, cached } = await load(browser, server, agent, versions);
  if (cached) throw new Error(`${agent.name}: a script that was not seen before came with compiled code`);
  return loaded;
}

/** Loads the agent's page as often, V8 having kept the code of its script. */
export async function measureWarmStart(
  browser: Chromium,
  server: Server,
  agent: Agent,
  loads: number,
): Promise<Loaded[]> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const { loaded, cached } = await load(browser, server, agent, Array(loads).fill("warm"));
    if (cached === loads || !agent.script) return loaded;
  }
  throw new Error(`${agent.name}: V8 does not keep the code of its script`);
}

/** All processor time; cached: how many of the scripts came with compiled code. */
async function load(browser: Chromium, server: Server, agent: Agent, versions: string[]) {
  const events: TraceEvent[] = [];
  const off = browser.on("Tracing.dataCollected", ({ value }: { value: TraceEvent[] }) => {
    events.push(...value);
  });
  await browser.send("Tracing.start", {
    transferMode: "ReportEvents",
    traceConfig: { includedCategories: ["devtools.timeline"] },
  });
  const tasks: number[] = [];
  for (const version of versions) {
    await browser.withPage(async (page) => {
      await openPage(page, server.page(agent, version));
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      tasks.push((await mainThread(page)).taskMs);
    });
  }
  const complete = browser.once("Tracing.tracingComplete");
  await browser.send("Tracing.end");
  await complete;
  off();

  const urls = new Set(versions.map((version) => server.script(agent, version)));
  const ofScript = (name: string) =>
    events
      .filter((event) => event.name === name && event.dur !== undefined && urls.has(event.args?.data?.url ?? ""))
      .sort((a, b) => a.ts - b.ts);
  const evaluations = ofScript("EvaluateScript").map(({ tdur, dur = 0 }) => (tdur ?? dur) / 1000);
  if (agent.script && evaluations.length !== versions.length) throw new Error(`${agent.name}: its script did not run`);
  const cached = ofScript("v8.compile").filter(
    ({ args }) => args?.data?.consumedCacheSize && !args.data.cacheRejected,
  ).length;
  return {
    loaded: tasks.map((taskMs, index): Loaded => ({ taskMs, evaluationMs: evaluations[index] ?? 0 })),
    cached,
  };
}

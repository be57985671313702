// Compares the agent with others in Chromium; --help tells the options.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Agent, buildAgents } from "./build-agents";
import { startChromium } from "./chromium";
import { didItsWork, type Work } from "./did-its-work";
import { FIGURES, type Figure } from "./figures";
import { insert } from "./insert";
import { measureFetches } from "./measure-fetches";
import { type Loaded, measureColdStart, measureWarmStart } from "./measure-start";
import { report } from "./report";
import { startServer } from "./server";
import { type Samples, summarize } from "./summarize";

const BURST = 20;

const { values: given } = parseArgs({
  options: {
    fetches: { type: "string", default: "2000" },
    "heap-fetches": { type: "string", default: "10000" },
    rounds: { type: "string", default: "3" },
    loads: { type: "string", default: "3" },
    out: { type: "string" },
    help: { type: "boolean" },
  },
});
if (given.help) {
  console.log(`--fetches N        requests of a run one after another, and of one in bursts of ${BURST}
--heap-fetches N   requests before the heap is looked at
--rounds N         rounds in which the agents take turns
--loads N          page loads a round, cold and warm each
--out FILE         the document that keeps the tables; without it they are printed only
CHROMIUM           (variable) the browser`);
  process.exit();
}
const number = (name: "fetches" | "heap-fetches" | "rounds" | "loads"): number => {
  const value = Number(given[name]);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name}: a number of one or more is needed`);
  return value;
};
const [fetches, heapFetches, rounds, loads] = [
  number("fetches"),
  number("heap-fetches"),
  number("rounds"),
  number("loads"),
];

const began = new Date();
const loadBefore = load();
const commit = revision();
const agents = await buildAgents(join(import.meta.dirname, ".."));
const server = await startServer(agents);
const browser = await startChromium(process.env.CHROMIUM || "/usr/bin/chromium");
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => browser.close().finally(() => process.exit(1)));

const samples: Samples = {};
const works: Record<string, Record<string, Work>> = {};

/** Measures each agent in turn by measure, which returns values of figures, one of each. */
async function each(what: string, round: number, measure: (agent: Agent) => Promise<Record<string, number>>) {
  for (const agent of agents) {
    const values = await measure(agent);
    for (const [key, value] of Object.entries(values)) {
      samples[agent.id] ??= {};
      const ofAgent = samples[agent.id] as Record<string, number[]>;
      ofAgent[key] = [...(ofAgent[key] ?? []), value];
    }
    const shown = Object.entries(values).map(([key, value]) => `${key} ${value.toFixed(3)}`);
    console.error(`round ${round} of ${rounds}: ${what}: ${agent.name}: ${shown.join(", ")}`);
  }
}

async function fetched(kind: "sequential" | "bursts" | "heap", agent: Agent, count: number, burst: number) {
  const result = await measureFetches(browser, server, agent, count, burst);
  const { requests, linked, beacons, mentioned, refused } = result.tally;
  works[agent.id] ??= {};
  const ofAgent = works[agent.id] as Record<string, Work>;
  ofAgent[kind] ??= { requests: 0, linked: 0, mentioned: 0, beacons: 0, refused: new Set() };
  const work = ofAgent[kind];
  work.requests += requests;
  work.linked += linked;
  work.mentioned += mentioned.size;
  work.beacons += beacons;
  for (const path of refused) work.refused.add(path);
  return result;
}

const median = (loaded: Loaded[], value: keyof Loaded): number => {
  const sorted = loaded.map((one) => one[value]).sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
};

try {
  for (let round = 1; round <= rounds; round++) {
    await each(`${fetches} fetches`, round, async (agent) => {
      const { taskMs, scriptMs, tally } = await fetched("sequential", agent, fetches, 1);
      return {
        sequential: taskMs / fetches,
        sequentialScript: scriptMs / fetches,
        bytes: tally.bytes / fetches,
        wireBytes: tally.wireBytes / fetches,
      };
    });
    await each(`${fetches} fetches in bursts`, round, async (agent) => {
      const { taskMs, scriptMs } = await fetched("bursts", agent, fetches, BURST);
      return { bursts: taskMs / fetches, burstsScript: scriptMs / fetches };
    });
    await each(`heap after ${heapFetches} fetches`, round, async (agent) => {
      const { heapBytes } = await fetched("heap", agent, heapFetches, BURST);
      return { heap: heapBytes };
    });
    await each(`${loads} page loads`, round, async (agent) => {
      const cold = await measureColdStart(browser, server, agent, loads, String(round));
      const warm = await measureWarmStart(browser, server, agent, loads);
      return {
        evaluationCold: median(cold, "evaluationMs"),
        evaluationWarm: median(warm, "evaluationMs"),
        loadCold: median(cold, "taskMs"),
        loadWarm: median(warm, "taskMs"),
        brotli: agent.brotli,
      };
    });
  }
} finally {
  await browser.close();
  await server.close();
}

const worked = (id: string, { run }: Figure): boolean => {
  const work = run && works[id]?.[run];
  return !work || didItsWork(work);
};
const text = report(
  {
    began,
    loadBefore,
    loadAfter: load(),
    command: `make bench-agent ARGS='--fetches ${fetches} --heap-fetches ${heapFetches} --rounds ${rounds} --loads ${loads}'`,
    commit,
    browser: browser.version,
    fetches,
    heapFetches,
    rounds,
    loads,
  },
  agents,
  summarize(FIGURES, samples, worked),
  works,
  worked,
);
console.log(text);
if (given.out) writeFileSync(given.out, insert(readFileSync(given.out, "utf8"), text));

/** How many tasks ran or waited to, on average over the last minute. */
function load(): string {
  return (loadavg()[0] ?? 0).toFixed(2);
}

function revision(): string {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8", stdio: "pipe" }).trim();
  } catch {
    return "unknown";
  }
}

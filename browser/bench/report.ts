import { cpus, release, totalmem } from "node:os";
import type { Agent } from "./build-agents";
import { didItsWork, type Work } from "./did-its-work";
import type { Figure } from "./figures";
import type { Row, Spread } from "./summarize";
import { table } from "./table";

export interface Run {
  began: Date;
  loadBefore: string;
  loadAfter: string;
  command: string;
  /** Of the repository, when the run began. */
  commit: string;
  browser: string;
  fetches: number;
  heapFetches: number;
  rounds: number;
  loads: number;
}

/** The product's goal for each figure: less than this part of the best rival's. */
const GOAL = 0.5;

/** Writes what was measured, on what, as Markdown. */
export function report(
  run: Run,
  agents: Agent[],
  rows: Row[],
  works: Record<string, Record<string, Work>>,
  worked: (id: string, figure: Figure) => boolean,
): string {
  const shown = agents.filter(({ id }) => id !== "bare");
  const nameOf = (id: string | undefined) => agents.find((agent) => agent.id === id)?.name ?? "";
  const machine = [
    ["what", "value"],
    ["date", `${run.began.toISOString().slice(0, 16).replace("T", " ")} UTC`],
    ["command", run.command],
    [
      "machine",
      `${cpus()[0]?.model ?? "unknown"}, ${cpus().length} processors, ${Math.round(totalmem() / 2 ** 30)} GiB of memory`,
    ],
    [
      "other work",
      `load average ${run.loadBefore} at the start, ${run.loadAfter} at the end; the browser and the server make some of it`,
    ],
    ["kernel", `Linux ${release()} ${process.arch}`],
    ["browser", `${run.browser}, Node.js ${process.version}`],
    ["commit", run.commit],
    ...shown.map(({ name, versions }) => [name, versions]),
  ];
  const figures = [
    ["figure", ...shown.map(({ name }) => name), "best rival", "ours / best", "below half"],
    ...rows.map(({ figure, spreads, best, ratio }) => [
      figure.title,
      ...shown.map(({ id }) => cell(spreads[id], figure, worked(id, figure))),
      nameOf(best),
      ratio === undefined ? "" : ratio.toFixed(2),
      ratio === undefined ? "" : ratio < GOAL ? "✓" : "✗",
    ]),
  ];
  const work = [
    ["agent", "run", "requests", "with traceparent", "told by beacons", "beacons", "compared"],
    ...shown.flatMap(({ id, name }) =>
      Object.entries(works[id] ?? {}).map(([kind, done]) => [
        name,
        kind,
        count(done.requests),
        count(done.linked),
        count(done.mentioned),
        count(done.beacons),
        (didItsWork(done) ? "yes" : "no") +
          (done.refused.size ? `; sent to ${[...done.refused].join(", ")} as well` : ""),
      ]),
    ),
  ];
  return `### Run of the agents

${table(machine)}
### Figures

Medians, from the least to the most in brackets; rounds: ${run.rounds}, fetches in a run: ${count(run.fetches)}, before the heap is looked at: ${count(run.heapFetches)}, page loads a round: ${run.loads}.

${table(figures)}
### What the agents did

All rounds together.

${table(work)}`;
}

function cell(spread: Spread | undefined, { unit }: Figure, compared: boolean): string {
  if (!spread) return "-";
  const { median, least, most } = spread;
  const kilo = unit === "bytes" && median >= 100_000;
  const show = (value: number) => {
    if (unit === "ms") return value.toFixed(median < 2 ? 3 : 1);
    return count(Math.round(kilo ? value / 1000 : value));
  };
  const range = show(least) === show(most) ? "" : ` (${show(least)} to ${show(most)})`;
  const name = unit === "ms" ? "ms" : kilo ? "kB" : "B";
  return `${show(median)} ${name}${range}${compared ? "" : ", not compared"}`;
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}

import type { Figure } from "./figures";

/** What was measured of each agent, by its id: of each figure one value a round. */
export type Samples = Record<string, Record<string, number[]>>;

export interface Spread {
  median: number;
  least: number;
  most: number;
}

export interface Row {
  figure: Figure;
  /** By the agent's id. */
  spreads: Record<string, Spread>;
  /** The rival with the smallest median; ratio is ours to it. Undefined where nothing is compared. */
  best?: string;
  ratio?: number;
}

/** Takes the bare page off, round by round, and compares ours with the best of those that did their work. */
export function summarize(figures: Figure[], samples: Samples, worked: (id: string, figure: Figure) => boolean): Row[] {
  return figures.map((figure) => {
    const bare = samples.bare?.[figure.key] ?? [];
    const spreads: Row["spreads"] = {};
    for (const [id, { [figure.key]: values = [] }] of Object.entries(samples)) {
      if (id === "bare" || !values.length) continue;
      spreads[id] = spread(values.map((value, round) => value - (figure.overBare ? (bare[round] ?? Number.NaN) : 0)));
    }
    const row: Row = { figure, spreads };
    if (!figure.compared || !spreads.ours || !worked("ours", figure)) return row;
    for (const [id, { median }] of Object.entries(spreads)) {
      if (id === "ours" || !worked(id, figure)) continue;
      if (row.best === undefined || median < (spreads[row.best]?.median ?? 0)) row.best = id;
    }
    if (row.best !== undefined) row.ratio = spreads.ours.median / (spreads[row.best]?.median ?? Number.NaN);
    return row;
  });
}

function spread(values: number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (index: number) => sorted[index] ?? Number.NaN;
  const middle = (sorted.length - 1) / 2;
  return { median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2, least: at(0), most: at(sorted.length - 1) };
}

/** What is measured of each agent. */
export interface Figure {
  key: string;
  title: string;
  unit: "ms" | "bytes";
  /** What the page without any agent shows is taken off. */
  overBare: boolean;
  /** The run that it comes from, which an agent that did not do its work there is not compared by. */
  run?: "sequential" | "bursts" | "heap";
  /** False: shown, but no measure of an agent. */
  compared: boolean;
}

const COMMON = { unit: "ms", overBare: true, compared: true } as const;

export const FIGURES: Figure[] = [
  { ...COMMON, key: "sequential", title: "main thread per fetch, one after another", run: "sequential" },
  { ...COMMON, key: "sequentialScript", title: "- counted as script", run: "sequential", compared: false },
  { ...COMMON, key: "bursts", title: "main thread per fetch, 20 at a time", run: "bursts" },
  { ...COMMON, key: "burstsScript", title: "- counted as script", run: "bursts", compared: false },
  { ...COMMON, key: "evaluationCold", title: "script evaluation and init, cold", overBare: false },
  { ...COMMON, key: "evaluationWarm", title: "script evaluation and init, warm", overBare: false },
  { ...COMMON, key: "loadCold", title: "main thread of the page load, cold" },
  { ...COMMON, key: "loadWarm", title: "main thread of the page load, warm" },
  { key: "bytes", title: "beacons per request", unit: "bytes", overBare: false, run: "sequential", compared: true },
  {
    key: "wireBytes",
    title: "beacons per request, on the wire",
    unit: "bytes",
    overBare: false,
    run: "sequential",
    compared: true,
  },
  { key: "heap", title: "JavaScript heap", unit: "bytes", overBare: true, run: "heap", compared: true },
  { key: "brotli", title: "script, minified, brotli", unit: "bytes", overBare: false, compared: true },
];

import type { Api } from "./public-api";

/** Found by another copy of the agent on the page, of whatever version. */
const PLACE = Symbol.for("throughline.agent");

export interface Place {
  /** Of the agent that is there. */
  api?: Partial<Api> | undefined;
  /** When one was shut down last, by performance.now(): what began before was told. */
  ended: number;
}

/** Where the copies of the agent on a page, or in a worker, find each other. */
export function running(): Place {
  const global = self as { [PLACE]?: Place };
  global[PLACE] ??= { ended: 0 };
  return global[PLACE];
}

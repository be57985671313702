import type { TimingEntry } from "./timing-entry";

/** When the final answer began: where a 103 came first, Chromium's and Firefox's responseStart is the 103's. */
export function responseStart(entry: TimingEntry): number {
  return entry.finalResponseHeadersStart || entry.responseStart;
}

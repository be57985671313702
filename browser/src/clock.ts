import { responseStart } from "./response-start";
import type { TimingEntry } from "./timing-entry";

export interface Clock {
  /**
   * Takes a measurement from an answer that says its server's time. Proven is one whose trace is the one that this
   * request started, so that the answer cannot be a shared cache's copy.
   */
  _sample(entry: TimingEntry, serverTime: number, proven: boolean): void;
  /** Server clock minus page clock in ms, and half the round trip of that measurement; undefined until measured. */
  _offset(): number | undefined;
  _uncertainty(): number | undefined;
}

/** Keeps the measurement with the smallest round trip; a proven one is better than one that is not. */
export function createClock(timeOrigin: number): Clock {
  let best: { _offset: number; _uncertainty: number; _proven: boolean } | undefined;
  return {
    _sample(entry, serverTime, proven) {
      const sent = entry.requestStart;
      const answered = responseStart(entry);
      // A 304 and a service worker may hand out a time that was written earlier.
      if (!sent || answered < sent || entry.deliveryType === "cache" || entry.workerStart) return;
      const uncertainty = (answered - sent) / 2;
      if (!best || (proven === best._proven ? uncertainty < best._uncertainty : proven)) {
        best = { _offset: serverTime - timeOrigin - sent - uncertainty, _uncertainty: uncertainty, _proven: proven };
      }
    },
    _offset: () => best?._offset,
    _uncertainty: () => best?._uncertainty,
  };
}

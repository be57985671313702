import { responseStart } from "./response-start";
import type { TimingEntry } from "./timing-entry";

export interface Clock {
  /**
   * Takes a measurement from an answer that says its server's time. Proven is one whose trace is the one that this
   * request started, so that the answer cannot be a shared cache's copy.
   */
  _sample(entry: TimingEntry, serverTime: number, proven: boolean): void;
  /** Whether an answer that says this time was written long before its request came: it is a cache's copy. */
  _isOld(entry: TimingEntry, serverTime: number | undefined): boolean;
  /** Server clock minus page clock in ms, and half the round trip of that measurement; undefined until measured. */
  _fields(): { "clock.offset"?: number; "clock.uncertainty"?: number };
}

/** A measurement gives way to any other one after so long, since clocks drift. */
const REFRESH_MS = 5 * 60_000;
/** The clocks of a site's servers may differ by so much. */
const SLACK_MS = 10_000;

/**
 * Keeps the measurement with the smallest round trip; a proven one is better than one that is not. Two that cannot both
 * be right are another matter: of proven ones the later is right, since a clock has jumped, as after sleep; of the
 * others one comes from a shared cache's copy, whose time is too old, so the one that is ahead is right.
 */
export function createClock(timeOrigin: number): Clock {
  // Until there is one, all else is undefined.
  let best = { _proven: false } as { _offset: number; _uncertainty: number; _proven: boolean; _at: number };
  return {
    _sample(entry, serverTime, proven) {
      const sent = entry.requestStart;
      const answered = responseStart(entry);
      // A cache, a prefetch and a service worker may hand out a time that was written earlier.
      if (!sent || answered <= sent || entry.deliveryType || entry.workerStart) return;
      const uncertainty = (answered - sent) / 2;
      const offset = serverTime - timeOrigin - sent - uncertainty;
      const ahead = offset - best._offset;
      const apart = Math.abs(ahead) > uncertainty + best._uncertainty;
      const better = apart ? proven || ahead > 0 : !(uncertainty >= best._uncertainty) || sent - best._at > REFRESH_MS;
      if (proven === best._proven ? better : proven)
        best = { _offset: offset, _uncertainty: uncertainty, _proven: proven, _at: sent };
    },
    _isOld: (entry, serverTime = Infinity) =>
      best._proven && serverTime < timeOrigin + entry.requestStart + best._offset - best._uncertainty - SLACK_MS,
    _fields: () => ({ "clock.offset": best._offset, "clock.uncertainty": best._uncertainty }),
  };
}

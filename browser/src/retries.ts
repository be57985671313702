import type { Store } from "./page-storage";
import { RETRIES_KEY } from "./storage-keys";

export interface Retries {
  /** Whether a request to this URL succeeded without headers after it had failed with them; undefined: not known. */
  _outcome(url: string): boolean | undefined;
  _remember(url: string, succeeded: boolean): void;
}

type Outcome = [until: number, succeeded: boolean];

const HOUR = 3_600_000;
const MAX_SCOPES = 50;

/** Remembers for an hour what sending a request once more without headers brought (linking contract, section 2.3). */
export function createRetries(store: Store): Retries {
  let known: Record<string, Outcome> = {};
  try {
    known = { ...JSON.parse(store._get(RETRIES_KEY) as string) };
  } catch {}
  return {
    _outcome(url) {
      const [until, succeeded] = known[scopeOf(url)] ?? [0];
      return until > Date.now() ? succeeded : undefined;
    },
    _remember(url, succeeded) {
      const recent = Object.entries(known).slice(1 - MAX_SCOPES);
      known = { ...Object.fromEntries(recent), [scopeOf(url)]: [Date.now() + HOUR, succeeded] };
      store._set(RETRIES_KEY, JSON.stringify(known));
    },
  };
}

/** The origin, or, within the page's own, the path with `*` for each segment that has a digit, as ids do. */
function scopeOf(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin === self.origin ? pathname.replace(/[^/]*\d[^/]*/g, "*") : origin;
}

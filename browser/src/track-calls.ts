import { cleanUrl } from "./clean-url";
import type { Identity } from "./identity";
import type { Losses } from "./losses";
import { type Propagation, propagate } from "./propagate";
import type { Config } from "./resolve-config";
import type { TimingEntry } from "./timing-entry";

/** One fetch or XMLHttpRequest of the page. Times are performance.now(). */
export interface Call extends Propagation {
  _kind: "fetch" | "xhr";
  _url: string;
  _method: string;
  /** Survives the page. */
  _keepalive: boolean;
  _session: string;
  /** From and to when the browser was handed the request: its timing entry starts within. */
  _start: number;
  _to?: number;
  _initiator: string;
  /** Undefined until the outcome is known: headers of a fetch, the end of an XMLHttpRequest. */
  _end?: number;
  _status?: number;
  _error?: string;
  _entry?: TimingEntry;
  _timer?: number;
  /** Its event is out; it stays so that its late timing entry is not taken for another call's. */
  _reported?: boolean;
}

export interface CallFacts {
  _url: string;
  _method: string;
  _noCors: boolean;
  _keepalive: boolean;
  _traceparent: string | null;
  _tracestate: string | null;
}

export interface CallTracker {
  /** Undefined: leave the request alone (our own beacon, a URL that does not parse, a polyfill's inner request). */
  _begin(kind: "fetch" | "xhr", facts: CallFacts): Call | undefined;
  /** Runs the browser's own function for the call. */
  _send<T>(call: Call | undefined, run: () => T): T;
  _settle(call: Call, status: number, error?: string): void;
  /** Gives a timing entry to the one call that it can belong to. */
  _match(entry: TimingEntry): void;
  /** The content security policy blocked this URL. */
  _blocked(url: string): void;
  /** Reports the calls with a known outcome without further waiting for timing; gone: the others too. */
  _hurry(gone?: boolean): void;
}

/** How many calls are kept at once. */
const MAX_CALLS = 500;
/** How long a call waits for its timing entry: after its end, and after the headers of an answer whose body may go on. */
const WAIT_AFTER_END = 2_000;
const WAIT_FOR_BODY = 60_000;

/** Follows each call until its outcome and its timing entry are known, then reports it, once. */
export function trackCalls(
  config: Config,
  identity: Identity,
  losses: Losses,
  report: (call: Call) => void,
): CallTracker {
  const calls: Call[] = [];
  const endpoint = pathOf(config._endpoint);
  const initiators = { fetch: "fetch", xhr: "xmlhttprequest" };
  const { setTimeout, clearTimeout } = window;
  let outer: Call | undefined;

  const remove = (call: Call) => {
    const at = calls.indexOf(call);
    if (at >= 0) calls.splice(at, 1);
  };
  const publish = (call: Call) => {
    if (call._reported) return;
    call._reported = true;
    clearTimeout(call._timer);
    report(call);
  };

  return {
    _begin(kind, facts) {
      let url: string;
      try {
        url = cleanUrl(new URL(facts._url, document.baseURI));
      } catch {
        return undefined;
      }
      if (pathOf(url) === endpoint) return undefined;
      const now = performance.now();

      // A fetch polyfill sends by XMLHttpRequest, a second wrapper calls the first: one request, one context, one event.
      const twin =
        outer?._url === url
          ? outer
          : calls.find((call) => call._traceparent && call._traceparent === facts._traceparent && call._url === url);
      if (twin) {
        twin._initiator = initiators[kind];
        twin._start = now;
        twin._to = undefined;
        queueMicrotask(() => {
          twin._to = performance.now();
        });
        return undefined;
      }

      const session = identity._session();
      const call: Call = {
        ...propagate({ ...facts, _url: url }, config, identity, session),
        _kind: kind,
        _url: url,
        _method: facts._method.toUpperCase(),
        _keepalive: facts._keepalive,
        _session: session,
        _start: now,
        _initiator: initiators[kind],
      };
      if (calls.push(call) > MAX_CALLS) {
        const oldest = calls.shift() as Call;
        if (oldest._end !== undefined) publish(oldest);
        else if (!oldest._reported) losses._count("too_many_calls");
        oldest._reported = true;
      }
      return call;
    },

    _send(call, run) {
      if (!call) return run();
      const before = outer;
      outer = call;
      call._start = performance.now();
      try {
        return run();
      } finally {
        outer = before;
        call._to = performance.now();
      }
    },

    _settle(call, status, error) {
      if (call._end !== undefined) return;
      call._end = performance.now();
      call._status = status;
      call._error = error && (call._error ?? error);
      if (call._entry) {
        remove(call);
        publish(call);
      } else if (!call._reported) {
        const wait = error || call._kind === "xhr" ? WAIT_AFTER_END : WAIT_FOR_BODY;
        call._timer = setTimeout(() => losses._guard(() => publish(call)), wait);
      }
    },

    _match(entry) {
      const url = cleanUrl(entry.name);
      const start = entry.startTime;
      const owners = calls.filter(
        (call) =>
          !call._entry &&
          call._url === url &&
          call._initiator === entry.initiatorType &&
          call._start <= start &&
          start <= (call._to ?? start),
      );
      const [owner] = owners;
      if (!owner || owners.length > 1) return;
      owner._entry = entry;
      if (owner._end !== undefined) {
        remove(owner);
        publish(owner);
      }
    },

    _blocked(url) {
      for (const call of calls) {
        if (call._url === url && !call._status) call._error = "csp";
      }
    },

    _hurry(gone) {
      for (const call of calls) {
        if (call._end === undefined && gone) {
          call._end = performance.now();
          call._error = call._keepalive ? undefined : "abort";
        }
        if (call._end !== undefined) publish(call);
      }
    },
  };
}

/** The URL without its query. */
function pathOf(url: string): string {
  return url.replace(/[?#].*/s, "");
}

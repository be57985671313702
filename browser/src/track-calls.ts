import { baseUrl } from "./base-url";
import { cleanUrl } from "./clean-url";
import { type Outgoing, type Propagation, propagate } from "./propagate";
import { randomHex } from "./random-hex";
import type { Agent } from "./start-agent";
import type { TimingEntry } from "./timing-entry";

/** Whose an event is. */
export interface Head {
  readonly _session: string;
  readonly _view: string;
  /** Of all these events, beside their own. */
  readonly _attributes?: Record<string, unknown>;
}

/** One fetch or XMLHttpRequest of the page. Times are performance.now(). */
export interface Call extends CallFacts, Propagation {
  /** Of its event. */
  _id: string;
  _head: Head;
  /** The user's action that it belongs to. */
  _action?: object | undefined;
  /** It was sent once more without our headers. */
  _retried?: boolean | undefined;
  /** From and to when the browser was handed the request: its timing entry starts within. */
  _start: number;
  _to?: number;
  /** Undefined until the outcome is known: headers of a fetch, the end of an XMLHttpRequest. */
  _end?: number;
  _status?: number;
  _error?: string;
  _entry?: TimingEntry | undefined;
  _timer?: number;
  /** Its event is out. */
  _reported?: boolean;
}

export interface CallFacts extends Outgoing {
  _kind: "fetch" | "xhr";
  _method: string;
  /** Survives the page. */
  _keepalive?: boolean;
}

export interface CallTracker {
  /** Undefined: leave the request alone (our own beacon, a URL that does not parse, a polyfill's inner request). */
  _begin(facts: CallFacts): Call | undefined;
  /** Runs the browser's own function for the call. */
  _send<T>(call: Call | undefined, run: () => T): T;
  /** Without an error it is answered. The carrier is what the page got: a Response, an error, the XMLHttpRequest. */
  _settle(call: Call, status: number, error: string, carrier: unknown): void;
  /** Gives a timing entry to the one call that it can belong to. */
  _match(entry: TimingEntry): void;
  /** Those whose outcome is not told yet. */
  _open(): readonly Call[];
  /** Reports the calls with a known outcome without further waiting for timing; gone: the others too. */
  _hurry(gone?: boolean): void;
}

/** Is told of each call twice: when it begins, and with its carrier when its outcome is known. */
export type CallObserver = (call: Call, carrier?: unknown) => void;

/** How many calls are kept at once. */
const MAX_CALLS = 500;
/** How long a call waits for its timing entry: after it failed, and after the headers of an answer whose body may go on. */
const WAIT_AFTER_ERROR = 2_000;
const WAIT_FOR_BODY = 60_000;

/** Follows each call until its outcome and its timing entry are known, then reports it, once. */
export function trackCalls(
  agent: Agent,
  report: (call: Call, entry: TimingEntry | undefined, head: Head) => void,
): CallTracker {
  const { _config: config, _losses: losses } = agent;
  let calls: Call[] = [];
  let outer: Call | undefined;

  const isTimed = (call: Call) => /^https?:/.test(call._url);
  const publish = (call: Call) => {
    // Without its timing entry it stays, so that this is not taken for another call's; other schemes have none.
    if (call._entry || !isTimed(call)) calls = calls.filter((other) => other !== call);
    clearTimeout(call._timer);
    if (!call._reported) report(call, call._entry, call._head);
    call._reported = true;
  };
  const observe: CallObserver = (call, carrier) => {
    for (const observer of agent._calls) losses._guard(() => observer(call, carrier));
  };

  return {
    _begin(facts) {
      let url: string;
      try {
        url = cleanUrl(facts._url, baseUrl());
      } catch {
        return undefined;
      }
      const head = agent._head();
      if (url.split("?")[0] === config._endpoint || agent._isOut?.(head._session)) return undefined;

      // A fetch polyfill sends by XMLHttpRequest, a second wrapper calls the first: one request, one context, one event.
      const given = facts._given?.get("traceparent");
      const twin =
        outer?._url === url
          ? outer
          : calls.find((call) => given && call._headers?.traceparent === given && call._url === url);
      if (twin) {
        // It may be sent later than the page asked for it.
        twin._to = undefined;
        return undefined;
      }

      const context = propagate({ ...facts, _url: url }, agent);
      const call: Call = {
        ...facts,
        ...context,
        // One of ours is drawn for this request alone.
        _id: (context._headers?.traceparent && context._context?._spanId) || randomHex(8),
        _head: head,
        _url: url,
        _method: facts._method.toUpperCase(),
        _start: 0,
      };
      if (calls.push(call) > MAX_CALLS) {
        const oldest = calls.shift() as Call;
        if (oldest._end) publish(oldest);
        else losses._count("too_many_calls");
        oldest._reported = true;
      }
      call._action = agent._action?.();
      observe(call);
      return call;
    },

    _send(call, run) {
      if (!call) return run();
      const before = outer;
      outer = call;
      losses._guard(() => {
        call._start = performance.now();
      });
      try {
        return run();
      } finally {
        outer = before;
        losses._guard(() => {
          call._to = performance.now();
        });
      }
    },

    _settle(call, status, error, carrier) {
      if (call._end) return;
      call._end = performance.now();
      call._status = status;
      call._error = (error && call._error) || error;
      observe(call, carrier);
      if (call._entry || !isTimed(call)) publish(call);
      else {
        const wait = error ? WAIT_AFTER_ERROR : WAIT_FOR_BODY;
        call._timer = self.setTimeout(() => losses._guard(() => publish(call)), wait);
      }
    },

    _match(entry) {
      const url = cleanUrl(entry.name);
      const start = entry.startTime;
      const owners = calls.filter(
        (call) =>
          !call._entry &&
          call._url === url &&
          call._start <= start &&
          // Firefox and WebKit, which have no deliveryType, may start a request some time after it was handed to them.
          start <= (("deliveryType" in entry ? call._to : call._end) ?? start),
      );
      const [owner] = owners;
      if (!owner || owners.length > 1) return;
      owner._entry = entry;
      if (owner._end) publish(owner);
    },

    _open: () => calls,

    _hurry(gone) {
      for (const call of calls) {
        if (gone && !call._end) {
          call._end = performance.now();
          if (!call._keepalive) call._error = "abort";
        }
        if (call._end) publish(call);
      }
    },
  };
}

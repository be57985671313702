import { failureReason } from "./failure-reason";
import { pageStorage } from "./page-storage";
import type { Agent } from "./start-agent";
import { RETRIES_KEY } from "./storage-keys";
import type { Call } from "./track-calls";
import { wrapMethod } from "./wrap-method";
import type { XhrState } from "./wrap-xhr";

/** Firefox fails what is under way before it tells that the page is left; by then it is gone. */
const WAIT_MS = 100;
const HOUR = 3_600_000;
/** How many outcomes are kept. */
const MAX_OUTCOMES = 50;

/** Where a request was sent once more, until when that counts, and whether it succeeded. */
type Outcome = [scope: string, until: number, succeeded: boolean];

/**
 * First, do no harm (linking contract, section 2.3): a GET or HEAD that fails with our headers is sent once more without
 * them, and the page sees that outcome alone. Where it succeeds, such requests go out without them for an hour.
 */
export function retryWithoutHeaders(agent: Agent): void {
  const storage = pageStorage("sessionStorage");
  const { setTimeout } = self;
  const Original = XMLHttpRequest;
  const { prototype } = Original;
  const { open, setRequestHeader, send } = prototype;
  /** XMLHttpRequests that failed and will be sent once more: the page does not see how they ended. */
  const waiting = new WeakSet<XMLHttpRequest>();
  /** The one that is sent once more just now: the page does not see that it is opened. */
  let opening: XMLHttpRequest | undefined;
  let outcomes: Outcome[] = JSON.parse(storage._get(RETRIES_KEY) ?? "[]");
  let ended = false;

  const outcomeOf = (url: string) => outcomes.find(([scope, until]) => scope === scopeOf(url) && until > Date.now());
  const mayRetry = (call: Call, reason: string) => {
    const may =
      !!call._headers &&
      reason === "network" &&
      !call._end &&
      !call._error &&
      !call._retried &&
      /^(GET|HEAD)$/.test(call._method) &&
      !outcomeOf(call._url);
    if (may) call._retried = true;
    return may;
  };
  const retry = (call: Call, reason: string) =>
    mayRetry(call, reason) &&
    new Promise<boolean>((resolve) => {
      // By then the page is gone, where it was left, and it is known what its content security policy blocked.
      setTimeout(() => {
        call._entry = undefined;
        resolve(!call._error);
      }, WAIT_MS);
    });
  const sendAgain = (request: XMLHttpRequest, { _opened: opened, _headers: headers, _call: call }: XhrState) => {
    opening = request;
    try {
      open.apply(request, opened);
      for (const header of headers) setRequestHeader.apply(request, header);
      agent._track._send(call, () => send.call(request));
    } finally {
      opening = undefined;
    }
  };

  agent._isRejected = (url) => !!outcomeOf(url)?.[2];
  agent._retry = retry;
  agent._sendsAgain = (request, state, reason) => {
    const again = waiting.delete(request) || (!!state._call && mayRetry(state._call, reason));
    if (again) sendAgain(request, state);
    return again;
  };

  /** Tells the page what it was not told. */
  const end = (request: XMLHttpRequest, how: string) => {
    for (const type of ["readystatechange", how, "loadend"]) request.dispatchEvent(new ProgressEvent(type));
  };
  const hear = (event: Event) => {
    const request = event.currentTarget as XMLHttpRequest;
    const { readyState, status, timeout } = request;
    const state = agent._xhrs.get(request);
    const call = state?._call;
    // The page gave up the one that waits.
    if (readyState === 1 && request !== opening) waiting.delete(request);
    const timedOut = timeout && call && performance.now() - call._start >= timeout - 1;
    const failed = event.type === "readystatechange" && readyState === 4 && !status && !timedOut;
    const again = failed && call && retry(call, failureReason("error"));
    if (again) {
      waiting.add(request);
      again.then((may) => {
        if (agent._xhrs.get(request) !== state || !waiting.delete(request)) return;
        try {
          if (may) return sendAgain(request, state);
        } catch {}
        end(request, "error");
      });
    }
    if (waiting.has(request) || (readyState === 1 && request === opening)) event.stopImmediatePropagation();
  };
  // Only who listens first can hide something from all others.
  const wrapper = new Proxy(Original, {
    construct(target, args, newTarget) {
      const request = Reflect.construct(target, args, newTarget);
      for (const type of ["readystatechange", "loadstart", "error", "loadend"]) {
        request.addEventListener(type, (event: Event) => agent._losses._guard(() => hear(event)), true);
      }
      return request;
    },
  });
  self.XMLHttpRequest = prototype.constructor = wrapper;
  agent._undo.push(() => {
    ended = true;
    if (self.XMLHttpRequest === wrapper) self.XMLHttpRequest = prototype.constructor = Original;
  });
  wrapMethod(agent, prototype, "abort", (request, args, abort) => {
    const call = agent._xhrs.get(request)?._call;
    if (call && !call._end) call._error = "abort";
    if (waiting.delete(request)) end(request, "abort");
    else abort(...args);
  });

  agent._calls.push((call) => {
    const { _error: error } = call;
    if (ended || !call._end || !call._retried || (error && error !== "network")) return;
    const outcome: Outcome = [scopeOf(call._url), Date.now() + HOUR, !error];
    outcomes = [outcome, ...outcomes].slice(0, MAX_OUTCOMES);
    storage._set(RETRIES_KEY, JSON.stringify(outcomes));
    if (error) return;
    call._hint = "cors_rejected";
    if (call._headers?.traceparent) call._context = undefined;
  });
}

/** The origin, or, within the page's own, the path with `*` for each segment that has a digit, as ids do. */
function scopeOf(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin === self.origin ? pathname.replace(/[^/]*\d[^/]*/g, "*") : origin;
}

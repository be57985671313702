import { failureReason } from "./failure-reason";
import { pageStorage } from "./page-storage";
import { createRetries } from "./retries";
import type { Agent } from "./start-agent";
import type { Call } from "./track-calls";
import { wrapMethod } from "./wrap-method";
import type { XhrState } from "./wrap-xhr";

/** Firefox fails what is under way before it tells that the page is left; by then it is gone. */
const WAIT_MS = 100;

/**
 * First, do no harm (linking contract, section 2.3): a GET or HEAD that fails with our headers is sent once more without
 * them, and the page sees that outcome alone. Where it succeeds, such requests go out without them for an hour.
 */
export function retryWithoutHeaders(agent: Agent): void {
  const retries = createRetries(pageStorage("sessionStorage"));
  const { setTimeout } = self;
  const Original = XMLHttpRequest;
  const { prototype } = Original;
  const { open, setRequestHeader, send } = prototype;
  /** XMLHttpRequests that failed and are sent once more: the page does not see their last events, nor that they are opened. */
  const hidden = new WeakSet<XMLHttpRequest>();

  /** Aborted by the page just now. */
  const aborting = new WeakSet<XMLHttpRequest>();

  const timedOut = ({ timeout }: XMLHttpRequest, { _start: start }: Call) =>
    timeout > 0 && performance.now() - start >= timeout - 1;
  const mayRetry = (call: Call | undefined, reason: string) => {
    const may =
      !!call?._headers &&
      reason === "network" &&
      !call._retried &&
      !call._error &&
      !call._noRedirect &&
      /^(GET|HEAD)$/.test(call._method) &&
      retries._outcome(call._url) === undefined;
    if (may) call._retried = true;
    return may;
  };
  /** Opened by us just now. */
  let opening: XMLHttpRequest | undefined;
  let ended = false;
  agent._undo.push(() => {
    ended = true;
  });

  const sendAgain = (request: XMLHttpRequest, { _opened: opened, _headers: headers, _call: call }: XhrState) => {
    hidden.add(request);
    opening = request;
    try {
      open.apply(request, opened);
    } finally {
      opening = undefined;
      hidden.delete(request);
    }
    for (const header of headers) setRequestHeader.apply(request, header);
    if (call) call._entry = undefined;
    agent._track._send(call, () => send.call(request));
  };

  agent._isRejected = (url) => !!retries._outcome(url);
  agent._retry = (call, reason) =>
    mayRetry(call, reason) &&
    new Promise((resolve) => {
      // By then the page is gone, where it was left, and it is known what its content security policy blocked.
      setTimeout(() => {
        call._entry = undefined;
        resolve(!call._error);
      }, WAIT_MS);
    });
  agent._sendsAgain = (request, state, reason) => {
    const again = hidden.delete(request) || mayRetry(state._call, reason);
    if (again) sendAgain(request, state);
    return again;
  };

  /** Tells the page what it was not told. */
  const end = (request: XMLHttpRequest, how: string) => {
    for (const type of ["readystatechange", how, "loadend"]) request.dispatchEvent(new ProgressEvent(type));
  };
  const hear = (event: Event) => {
    const { type } = event;
    const request = event.currentTarget as XMLHttpRequest;
    // The page gave up the one that waits.
    if (request.readyState === 1 && request !== opening) hidden.delete(request);
    const state = agent._xhrs.get(request);
    const call = state?._call;
    // Another one is under way, which is not ours.
    if (!state || !call || call._end) return;
    const change = type === "readystatechange";
    const ends =
      change && request.readyState === 4 && !request.status && !aborting.has(request) && !timedOut(request, call);
    if (ends && mayRetry(call, failureReason("error"))) hidden.add(request);
    if (!hidden.has(request)) {
      // That it starts was told.
      if (type === "loadstart" && call._retried) event.stopImmediatePropagation();
    } else if (change || /^(error|loadstart|loadend)$/.test(type)) {
      event.stopImmediatePropagation();
      // Firefox has events also for a synchronous request that failed, and then throws.
      if (type !== "loadend" || state._opened[2] === false) return;
      setTimeout(() => {
        if (agent._xhrs.get(request) !== state || !hidden.delete(request)) return;
        try {
          if (!call._error) return sendAgain(request, state);
        } catch {}
        end(request, "error");
      }, WAIT_MS);
    }
  };
  // Only who listens first can hide something from all others.
  const wrapper = new Proxy(Original, {
    construct(target, args, newTarget) {
      const request = Reflect.construct(target, args, newTarget);
      for (const type of ["readystatechange", "loadstart", "abort", "timeout", "error", "loadend"]) {
        request.addEventListener(type, (event: Event) => agent._losses._guard(() => hear(event)), true);
      }
      return request;
    },
  });
  self.XMLHttpRequest = prototype.constructor = wrapper;
  agent._undo.push(() => {
    if (self.XMLHttpRequest === wrapper) self.XMLHttpRequest = Original;
    if (prototype.constructor === wrapper) prototype.constructor = Original;
  });
  wrapMethod(agent, prototype, "abort", (request, args, abort) => {
    const waiting = hidden.delete(request);
    aborting.add(request);
    abort(...args);
    if (waiting) end(request, "abort");
    aborting.delete(request);
  });

  agent._calls.push((call) => {
    const { _error: error, _retried: retried } = call;
    if (ended || !call._end || !retried || (error && error !== "network")) return;
    retries._remember(call._url, !error);
    if (error) return;
    call._hint = "cors_rejected";
    if (call._headers?.traceparent) call._context = undefined;
  });
}

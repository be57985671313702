import { errorReason } from "./error-reason";
import type { Losses } from "./losses";
import type { Call, CallTracker } from "./track-calls";
import { withHeaders } from "./with-headers";

interface Prepared {
  _call: Call | undefined;
  _args: Parameters<typeof fetch>;
  _signal: AbortSignal | null | undefined;
}

/** Replaces window.fetch; the result puts the original back. Bodies are never read, and Requests never rebuilt. */
export function wrapFetch(tracker: CallTracker, losses: Losses): () => void {
  const original = window.fetch;
  let active = true;

  const prepare = ([...args]: Parameters<typeof fetch>): Prepared | undefined => {
    const [input, init] = args;
    if (init && Object(init) !== init) return undefined;
    const request = isRequest(input) ? input : undefined;
    const given = init?.headers === undefined ? request?.headers : init.headers;
    const headers = new Headers(given);
    const signal = init?.signal === undefined ? request?.signal : init.signal;
    const call = tracker._begin("fetch", {
      _url: request ? request.url : String(input),
      _method: String(init?.method ?? request?.method ?? "GET"),
      _noCors: (init?.mode ?? request?.mode) === "no-cors",
      _keepalive: !!(init?.keepalive ?? request?.keepalive),
      _traceparent: headers.get("traceparent"),
      _tracestate: headers.get("tracestate"),
    });
    if (call?._traceparent) headers.set("traceparent", call._traceparent);
    if (call?._tracestate) headers.set("tracestate", call._tracestate);
    // An iterator among the headers can be read once, and that was just now.
    if (call?._traceparent || call?._tracestate || (init?.headers && Symbol.iterator in init.headers)) {
      args[1] = withHeaders(init, headers, request);
    }
    return { _call: call, _args: args, _signal: signal };
  };

  const wrapper = function fetch(this: unknown, ...args: Parameters<typeof original>): Promise<Response> {
    const prepared = active && args.length ? losses._guard(() => prepare(args)) : undefined;
    const call = prepared?._call;
    if (!call) return original.apply(this as typeof globalThis, prepared?._args ?? args);

    let atOnce = true;
    const fail = (error: unknown) =>
      losses._guard(() => tracker._settle(call, 0, errorReason(error, prepared._signal, atOnce)));
    let promise: Promise<Response>;
    try {
      promise = tracker._send(call, () => original.apply(this as typeof globalThis, prepared._args));
    } catch (error) {
      fail(error);
      throw error;
    }
    if (typeof promise?.then !== "function") return promise;
    // The page gets the promise that follows ours: were it given the first one, its rejection would count as handled.
    const result = promise.then(
      (response) => {
        losses._guard(() => tracker._settle(call, response.status));
        return response;
      },
      (error) => {
        fail(error);
        throw error;
      },
    );
    queueMicrotask(() => {
      atOnce = false;
    });
    return result;
  };

  for (const name of ["name", "length"] as const) Object.defineProperty(wrapper, name, { value: original[name] });
  window.fetch = wrapper;
  return () => {
    active = false;
    if (window.fetch === wrapper) window.fetch = original;
  };
}

/** Also of another frame, whose Request is not an instance of ours. */
function isRequest(input: unknown): input is Request {
  return input instanceof Request || Object.prototype.toString.call(input) === "[object Request]";
}

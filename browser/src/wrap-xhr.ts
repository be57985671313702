import { baseUrl } from "./base-url";
import { failureReason } from "./failure-reason";
import type { Agent } from "./start-agent";
import type { Call, CallTracker } from "./track-calls";
import { wrapMethod } from "./wrap-method";

/** What an XMLHttpRequest was asked for. */
export interface XhrState {
  /** With the URL as of open(), even if the base changes before send(). */
  _opened: Parameters<XMLHttpRequest["open"]>;
  /** What the page set. */
  _headers: Headers;
  _sent?: boolean;
  /** Other wrappers, beneath ours, may be at work on it. */
  _passing?: boolean;
  _call?: Call | undefined;
}

/** Wraps open, setRequestHeader and send of XMLHttpRequest. */
export function wrapXhr(agent: Agent, tracker: CallTracker): void {
  const { prototype } = XMLHttpRequest;
  const { setRequestHeader } = prototype;
  const { _xhrs: states } = agent;
  const guard = agent._losses._guard;

  const settle = (request: XMLHttpRequest, status: number, reason: string) => {
    const call = states.get(request)?._call;
    if (call) tracker._settle(call, status, reason, request);
  };

  // First: where it cannot be wrapped, the others must not be, since nothing would send what they hold back.
  wrapMethod(agent, prototype, "send", (request, args, send) => {
    const state = states.get(request);
    if (!state || state._sent) return send(...args);
    state._sent = true;
    const tracestate = state._headers.get("tracestate");
    const call = guard(() =>
      tracker._begin({
        _kind: "xhr",
        _url: state._opened[1] as string,
        _method: String(state._opened[0]),
        _given: state._headers,
      }),
    );
    state._call = call;
    guard(() => {
      const headers = { ...(tracestate && { tracestate }), ...call?._headers };
      for (const name in headers) setRequestHeader.call(request, name, headers[name as "tracestate"] as string);
    });
    state._passing = true;
    try {
      return tracker._send(call, () => send(...args));
    } catch (error) {
      // A synchronous request throws where another one has an event.
      const reasonOf = ({ name }: Error) => failureReason(name, false, !/^(Network|Timeout)/.test(name));
      let failure = error as Error;
      try {
        if (agent._sendsAgain?.(request, state, reasonOf(failure))) return;
      } catch (again) {
        failure = again as Error;
      }
      guard(() => settle(request, 0, reasonOf(failure)));
      throw failure;
    } finally {
      state._passing = false;
    }
  });

  wrapMethod(agent, prototype, "open", (request, args, open) => {
    const status = request?.readyState === 4 ? request.status : 0;
    open(...args);
    guard(() => {
      // The earlier request of this object is done and our listeners did not run yet, or it ends now without an event.
      settle(request, status, status ? "" : "abort");
      const known = states.has(request);
      const [method, url, ...rest] = args;
      states.set(request, { _opened: [method, new URL(url, baseUrl()).href, ...rest], _headers: new Headers() });
      if (known) return;
      for (const type of ["load", "abort", "timeout", "error"]) {
        request.addEventListener(type, () =>
          guard(() => {
            // A listener before ours may have sent the next request already.
            if (request.readyState > 3) settle(request, request.status, type === "load" ? "" : failureReason(type));
          }),
        );
      }
    });
  });

  wrapMethod(agent, prototype, "setRequestHeader", (request, args, set) => {
    const state = states.get(request);
    const name = String(args[0]).toLowerCase();
    // The browser would join a second one to ours.
    if (name === "traceparent" && state?._passing && state._call?._headers?.traceparent) return;
    const keep = () => {
      state?._headers.append(...args);
      return true;
    };
    // Tracestate is held back until send(), since the browser has no way to replace a header; what is no value it refuses.
    if (name === "tracestate" && state && !state._sent && guard(keep)) return;
    set(...args);
    keep();
  });
}

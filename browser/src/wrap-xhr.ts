import type { Losses } from "./losses";
import type { Call, CallTracker } from "./track-calls";

interface State {
  _method: string;
  _url: string;
  /** What the page set; repeated headers are joined, as the browser does. */
  _traceparent: string | null;
  /** Held back until send(), since the browser has no way to replace a header. */
  _tracestate: string | null;
  _sent?: boolean;
  _call?: Call;
}

const OUTCOMES: Record<string, string | undefined> = {
  load: undefined,
  abort: "abort",
  timeout: "timeout",
  error: "network",
  TimeoutError: "timeout",
  NetworkError: "network",
};

/** Replaces open, setRequestHeader and send of XMLHttpRequest; the result puts the originals back. */
export function wrapXhr(tracker: CallTracker, losses: Losses): () => void {
  const prototype = XMLHttpRequest.prototype;
  const { open, setRequestHeader, send } = prototype;
  const states = new WeakMap<XMLHttpRequest, State>();
  /** Those that have our listeners: an object may send many requests. */
  const watched = new WeakSet<XMLHttpRequest>();
  let active = true;

  const settle = (call: Call | undefined, status: number, outcome: string) =>
    losses._guard(() => {
      if (!call) return;
      let error = outcome in OUTCOMES ? OUTCOMES[outcome] : "invalid_call";
      if (error === "network" && !navigator.onLine) error = "no_network";
      tracker._settle(call, status, error);
    });

  const wrappers = {
    open(this: XMLHttpRequest, ...args: Parameters<typeof open>) {
      const earlier = states.get(this)?._call;
      const status = this.readyState === 4 ? this.status : 0;
      open.apply(this, args);
      // The earlier request of this object is done and our listeners did not run yet, or it ends now without an event.
      settle(earlier, status, status ? "load" : "abort");
      states.delete(this);
      if (active) {
        losses._guard(() => {
          states.set(this, {
            _method: String(args[0]),
            _url: new URL(args[1], document.baseURI).href, // as of now, even if the base changes before send()
            _traceparent: null,
            _tracestate: null,
          });
        });
      }
    },

    setRequestHeader(this: XMLHttpRequest, ...args: Parameters<typeof setRequestHeader>) {
      const state = states.get(this);
      const name = String(args[0]).toLowerCase();
      const value = String(args[1]);
      const join = (before: string | null) => (before === null ? value : `${before}, ${value}`);
      if (state && !state._sent && name === "tracestate" && /^[\x20-\x7e]*$/.test(value)) {
        state._tracestate = join(state._tracestate);
        return;
      }
      setRequestHeader.apply(this, args);
      if (state && name === "traceparent") state._traceparent = join(state._traceparent);
    },

    send(this: XMLHttpRequest, ...args: Parameters<typeof send>) {
      const state = states.get(this);
      if (!state || state._sent) return send.apply(this, args);
      state._sent = true;
      const call = losses._guard(() =>
        tracker._begin("xhr", {
          _url: state._url,
          _method: state._method,
          _noCors: false,
          _keepalive: false,
          _traceparent: state._traceparent,
          _tracestate: state._tracestate,
        }),
      );
      state._call = call;
      losses._guard(() => {
        const tracestate = call?._tracestate ?? state._tracestate;
        if (call?._traceparent) setRequestHeader.call(this, "traceparent", call._traceparent);
        if (tracestate !== null) setRequestHeader.call(this, "tracestate", tracestate);
        if (!call || watched.has(this)) return;
        watched.add(this);
        for (const type of ["load", "abort", "timeout", "error"]) {
          this.addEventListener(type, () => settle(states.get(this)?._call, this.status, type));
        }
      });
      try {
        return tracker._send(call, () => send.apply(this, args));
      } catch (error) {
        // A synchronous request throws where another one has an event.
        settle(call, 0, String((error as Error).name));
        throw error;
      }
    },
  };

  Object.assign(prototype, wrappers);
  return () => {
    active = false;
    if (prototype.open === wrappers.open) prototype.open = open;
    if (prototype.setRequestHeader === wrappers.setRequestHeader) prototype.setRequestHeader = setRequestHeader;
    if (prototype.send === wrappers.send) prototype.send = send;
  };
}

import type { Identity } from "./identity";
import { parseTraceparent, type TraceContext } from "./parse-traceparent";
import { putMember } from "./put-member";
import { randomHex } from "./random-hex";
import type { Config } from "./resolve-config";

export interface Outgoing {
  /** Absolute, without user-info and fragment. */
  _url: string;
  _noCors: boolean;
  /** What the application itself put on the request; several values are joined by commas. */
  _traceparent: string | null;
  _tracestate: string | null;
}

export interface Propagation {
  /** request.trace_context_hint */
  _hint: string;
  /** What the request carries: the application's own context, or ours. */
  _context?: TraceContext;
  /** Header values to set; undefined: leave the header as it is. */
  _traceparent?: string;
  _tracestate?: string;
}

/** Decides what context a fetch or XMLHttpRequest goes out with: the steps of the linking contract, in its order. */
export function propagate(
  request: Outgoing,
  config: Config,
  identity: Pick<Identity, "_instance">,
  session: string,
): Propagation {
  const own = request._traceparent === null ? undefined : parseTraceparent(request._traceparent);
  const untouched = (hint: string): Propagation => ({ _hint: hint, _context: own });
  const url = new URL(request._url);
  const http = /^https?:$/.test(url.protocol);
  // self.origin, unlike location.origin, is "null" in a sandboxed frame, and that equals no http origin.
  const sameOrigin = http && url.origin === self.origin;
  const allowed = !sameOrigin && config._propagation && config._crossOrigin(request._url);

  if (!config._propagation) return untouched("disabled");
  if (!http && !allowed) return untouched("not_http");
  if (config._exclude(request._url)) return untouched("excluded");
  if (request._noCors || (!sameOrigin && !allowed)) return untouched("cross_origin");
  if (request._traceparent !== null && !own) return untouched("invalid");

  const context = own ?? { _traceId: randomHex(16), _spanId: randomHex(8), _sampled: true };
  const ids = config._tenant && config._applicationId;
  const tracestate =
    ids &&
    putMember(
      request._tracestate ?? "",
      `${config._tenant}@dtr`,
      [1, context._spanId, +context._sampled, config._applicationId, identity._instance, session].join(";"),
    );
  let hint = sameOrigin ? "set" : "included";
  if (own) hint = "external";
  if (!tracestate) hint = ids ? "max_length" : "missing_values";
  return {
    _hint: hint,
    _context: context,
    // 03: sampled, and the trace id is random.
    _traceparent: own ? undefined : `00-${context._traceId}-${context._spanId}-03`,
    _tracestate: tracestate || undefined,
  };
}

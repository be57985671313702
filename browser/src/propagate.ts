import { parseTraceparent, type TraceContext } from "./parse-traceparent";
import { putMember } from "./put-member";
import { randomHex } from "./random-hex";
import type { Agent } from "./start-agent";

export interface Outgoing {
  /** Absolute, without user-info and fragment. */
  _url: string;
  _noCors?: boolean;
  /** What the application itself put on the request. */
  _given?: Pick<Headers, "get"> | undefined;
}

export interface Propagation {
  /** request.trace_context_hint */
  _hint: string;
  /** What the request carries: the application's own context, or ours. */
  _context?: TraceContext;
  /** Headers to set, by their names in lower case. */
  _headers?: Record<string, string>;
}

/** The agent, as far as it matters to a request. */
type Propagator = Pick<Agent, "_config" | "_identity" | "_head" | "_isRejected" | "_isLeftOut">;

/** Decides what context a fetch or XMLHttpRequest goes out with: the steps of the linking contract, in its order. */
export function propagate(request: Outgoing, agent: Propagator): Propagation {
  const { _url: url } = request;
  // Several values are joined by commas.
  const given = request._given?.get("traceparent") ?? null;
  const { _config: config } = agent;
  const own = given === null ? undefined : parseTraceparent(given);
  const untouched = (hint: string): Propagation => ({ _hint: hint, _context: own });
  const http = /^https?:/.test(url);
  // self.origin, unlike location.origin, is "null" in a sandboxed frame, and that begins no URL.
  const sameOrigin = http && url.startsWith(`${self.origin}/`);

  if (!config._propagation) return untouched("disabled");
  const allowed = sameOrigin || config._crossOrigin(url);
  if (!http && !allowed) return untouched("not_http");
  if (config._exclude(url)) return untouched("excluded");
  if (request._noCors || !allowed) return untouched("cross_origin");
  if (given !== null && !own) return untouched("invalid");
  if (agent._isRejected?.(url)) return untouched("cors_rejected");
  if (!own && agent._isLeftOut?.()) return untouched("not_sampled");

  const context = own ?? { _traceId: randomHex(16), _spanId: randomHex(8), _sampled: true };
  const session = agent._head()._session;
  const instance = agent._identity._instance;
  const ids = config._tenant && config._applicationId && instance && session;
  const value = [1, context._spanId, +context._sampled, config._applicationId, instance, session];
  const tracestate =
    ids && putMember(request._given?.get("tracestate") ?? "", `${config._tenant}@dtr`, value.join(";"));
  let hint = sameOrigin ? "set" : "included";
  if (own) hint = "external";
  if (!tracestate) hint = ids ? "max_length" : "missing_values";
  // None of ours: as the page made it.
  if (own && !tracestate) return { _hint: hint, _context: context };
  const headers: Record<string, string> = {};
  // 03: sampled, and the trace id is random.
  if (!own) headers.traceparent = `00-${context._traceId}-${context._spanId}-03`;
  if (tracestate) headers.tracestate = tracestate;
  return { _hint: hint, _context: context, _headers: headers };
}

import type { Clock } from "./clock";
import type { Propagation } from "./propagate";
import { readServerTiming } from "./read-server-timing";
import { round } from "./round";
import type { TimingEntry } from "./timing-entry";

export interface RequestFacts extends Partial<Propagation> {
  _id: string;
  _kind: "document" | "resource" | "fetch" | "xhr";
  _url: string;
  /** By the page's clock (performance.now); only read where the timing entry does not tell. */
  _start?: number;
  _end?: number;
  _method?: string;
  _status?: number;
  _error?: string;
  _retried?: boolean | undefined;
  _action?: object | undefined;
}

/**
 * Builds a request event (beacon format, "type": "request") of what the agent saw, and offers the answer's time to the
 * clock. The URL is as it is told.
 */
export function requestEvent(
  facts: RequestFacts,
  url: string,
  entry: TimingEntry | undefined,
  clock: Clock | undefined,
): Record<string, unknown> {
  const told = readServerTiming(entry?.serverTiming);
  const delivery = entry && deliveryOf(entry);
  const context = facts._context;
  let hint: string = told._hint;
  const isOurs = hint === "received" && context?._traceId === told._traceId;
  if (hint === "received" && !isOurs) {
    // "cache-storage": a service worker answered with a copy that it had kept.
    if (delivery === "cache" || entry?.deliveryType === "cache-storage" || (entry && clock?._isOld(entry, told._now))) {
      hint = "stale";
    } else if (context) hint = "mismatch";
  }
  // Of a cached copy only the response id says something about this request: whose copy it is.
  const answer = hint === "received" || hint === "mismatch" ? told : undefined;
  if (entry && told._now && hint !== "stale") {
    clock?._sample(entry, told._now, isOurs);
  }
  const ids = context ?? answer;
  const start = entry?.startTime ?? facts._start ?? 0;
  const end = entry?.responseEnd || facts._end || performance.now();
  const event: Record<string, unknown> = {
    type: "request",
    id: facts._id,
    start: round(start),
    duration: round(end - start),
    ...facts._action,
    "request.kind": facts._kind,
    "url.full": url,
    "http.request.method": facts._method,
    "http.response.status_code": facts._error ? undefined : facts._status || entry?.responseStatus || undefined,
    "error.reason": facts._error || undefined,
    "request.retried": facts._retried,
    "request.trace_context_hint": facts._hint ?? (hint === "received" ? "from_server" : "not_set"),
    "request.server_timing_hint": hint,
    "trace.id": ids?._traceId,
    "span.id": ids?._spanId,
    // An application's own flags say it where the answer does not.
    "trace.is_sampled": answer?._sampled ?? (context?._sampled === false ? false : undefined),
    "request.server_timing.trace_id": context && answer?._traceId,
    "request.server_timing.span_id": context && answer?._spanId,
    "request.server_timing.response_id": told._responseId,
    "performance.delivery": delivery,
  };
  return event;
}

/** Where the bytes came from; undefined where the browser hides it (no Timing-Allow-Origin) or there were none. */
function deliveryOf(entry: TimingEntry): "network" | "cache" | "service_worker" | undefined {
  // A service worker that passes the request through shows deliveryType "cache" too.
  if (entry.workerStart) return "service_worker";
  if (entry.transferSize) return "network";
  // Engines without deliveryType show a cached copy as a body that took no transfer.
  return (entry.deliveryType ?? (entry.encodedBodySize ? "cache" : "")) === "cache" ? "cache" : undefined;
}

import type { Clock } from "./clock";
import type { TraceContext } from "./parse-traceparent";
import { phases } from "./phases";
import { randomHex } from "./random-hex";
import { readServerTiming } from "./read-server-timing";
import { responseStart } from "./response-start";
import { round } from "./round";
import type { TimingEntry } from "./timing-entry";

export interface RequestFacts {
  _kind: "document" | "resource" | "fetch" | "xhr";
  _url: string;
  /** By the page's clock (performance.now); only read where the timing entry does not tell. */
  _start?: number;
  _end?: number;
  _method?: string;
  _status?: number;
  _error?: string;
  /** request.trace_context_hint; undefined on requests that the agent cannot touch. */
  _hint?: string;
  _context?: TraceContext;
}

/** Builds a request event (beacon format, "type": "request") of what the agent saw, and offers the answer's time to the clock. */
export function requestEvent(facts: RequestFacts, entry: TimingEntry | undefined, clock: Clock): object {
  const told = readServerTiming(entry?.serverTiming);
  const delivery = entry && deliveryOf(entry);
  const context = facts._context;
  let hint: string = told._hint;
  if (hint === "received") {
    // "cache-storage": a service worker answered with a copy that it had kept.
    if (delivery === "cache" || entry?.deliveryType === "cache-storage") hint = "stale";
    else if (context && context._traceId !== told._traceId) hint = "mismatch";
  }
  // Of a cached copy only the response id says something about this request: whose copy it is.
  const answer = hint === "received" || hint === "mismatch" ? told : undefined;
  if (entry && told._now && hint !== "stale") {
    clock._sample(entry, told._now, !!context && hint === "received");
  }
  const ids = context ?? answer;
  const start = entry?.startTime ?? facts._start ?? 0;
  const end = entry?.responseEnd || facts._end || performance.now();
  return {
    type: "request",
    id: randomHex(8),
    start: round(start),
    duration: round(end - start),
    "request.kind": facts._kind,
    "url.full": facts._url,
    "http.request.method": facts._method,
    "http.response.status_code": facts._error ? undefined : facts._status || entry?.responseStatus || undefined,
    "error.reason": facts._error,
    "request.trace_context_hint": facts._hint ?? (hint === "received" ? "from_server" : "not_set"),
    "request.server_timing_hint": hint,
    "trace.id": ids?._traceId,
    "span.id": ids?._spanId,
    // An application's own flags say it where the answer does not.
    "trace.is_sampled": answer?._sampled ?? (context?._sampled === false ? false : undefined),
    "request.server_timing.trace_id": context && answer?._traceId,
    "request.server_timing.span_id": context && answer?._spanId,
    "request.server_timing.response_id": told._responseId,
    ...(entry && {
      "performance.initiator_type": entry.initiatorType,
      "performance.next_hop_protocol": entry.nextHopProtocol || undefined,
      "performance.delivery": delivery,
      ...(delivery && {
        "performance.transfer_size": entry.transferSize,
        "performance.encoded_body_size": entry.encodedBodySize,
        "performance.decoded_body_size": entry.decodedBodySize,
      }),
      "performance.timing": requestPhases(entry),
    }),
  };
}

/** Where the bytes came from; undefined where the browser hides it (no Timing-Allow-Origin) or there were none. */
function deliveryOf(entry: TimingEntry): "network" | "cache" | "service_worker" | undefined {
  // A service worker that passes the request through shows deliveryType "cache" too.
  if (entry.workerStart) return "service_worker";
  if (entry.transferSize) return "network";
  // Engines without deliveryType show a cached copy as a body that took no transfer.
  return (entry.deliveryType ?? (entry.encodedBodySize ? "cache" : "")) === "cache" ? "cache" : undefined;
}

function requestPhases(entry: TimingEntry): Record<string, number> {
  const result = phases(entry, [
    "redirectStart",
    "redirectEnd",
    "workerStart",
    "fetchStart",
    "domainLookupStart",
    "domainLookupEnd",
    "connectStart",
    "connectEnd",
    "secureConnectionStart",
    "requestStart",
    "responseEnd",
  ]);
  if (entry.responseStart) result.response_start = round(responseStart(entry) - entry.startTime);
  // Without a final one, Chromium's interim start is that of a cached copy, and no 103 came.
  if (entry.finalResponseHeadersStart && entry.firstInterimResponseStart) {
    result.first_interim_response_start = round(entry.firstInterimResponseStart - entry.startTime);
  }
  return result;
}

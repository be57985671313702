import { parseTraceparent, type TraceContext } from "./parse-traceparent";

export interface Metric {
  readonly name: string;
  readonly description: string;
  readonly duration: number;
}

export interface ServerTiming {
  /** request.server_timing_hint, before it is held against the request. */
  _hint: "received" | "not_available" | "no_trace_info" | "invalid";
  _traceId?: string;
  /** The entry span. */
  _spanId?: string;
  /** Whether the trace is recorded. */
  _sampled?: boolean;
  _responseId?: number;
  /** The server's clock when it wrote the header, in epoch ms. */
  _now?: number;
}

/**
 * Takes the trace from Server-Timing: that of trace, else of traceparent, else of dtTrId. Names have no case. Of
 * several metrics of one name the last usable one counts: hops append, so it is the one nearest to the browser.
 */
export function readServerTiming(metrics: readonly Metric[] = []): ServerTiming {
  const traces: Record<string, Partial<TraceContext> | undefined> = {};
  const told: ServerTiming = { _hint: metrics.length ? "no_trace_info" : "not_available" };
  for (const { name: written, description: text, duration } of metrics) {
    const name = written.toLowerCase();
    if (/^(trace(parent)?|dttrid)$/.test(name)) {
      told._hint = "invalid";
      traces[name] =
        (name === "dttrid" ? /^(?!0{32})[0-9a-f]{32}$/.test(text) && { _traceId: text } : parseTraceparent(text)) ||
        traces[name];
    }
    if (name === "dtsinfo" && /^[01]$/.test(text)) told._sampled = text === "1";
    if (name === "dtrpid" && text === `${+text | 0}`) told._responseId = +text;
    if (name === "now" && duration > 0) told._now = duration;
  }
  const trace = traces.trace ?? traces.traceparent ?? traces.dttrid;
  if (trace) {
    told._hint = "received";
    return { ...trace, ...told };
  }
  return told;
}

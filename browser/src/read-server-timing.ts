import { parseTraceparent } from "./parse-traceparent";

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
  let claimed = false;
  const last = <T>(name: string, read: (metric: Metric) => T | undefined): T | undefined => {
    let found: T | undefined;
    for (const metric of metrics) {
      if (metric.name.toLowerCase() === name) found = read(metric) ?? found;
    }
    return found;
  };
  const claim = <T>(name: string, read: (text: string) => T | undefined): T | undefined =>
    last(name, (metric) => {
      claimed = true;
      return read(metric.description);
    });

  const trace = claim("trace", parseTraceparent);
  const traceparent = claim("traceparent", parseTraceparent);
  const id = claim("dttrid", (text) => (/^(?!0{32})[0-9a-f]{32}$/.test(text) ? text : undefined));
  const context = trace ?? traceparent;
  const traceId = context?._traceId ?? id;
  return {
    _hint: traceId ? "received" : claimed ? "invalid" : metrics.length ? "no_trace_info" : "not_available",
    _traceId: traceId,
    _spanId: context?._spanId,
    _sampled:
      last("dtsinfo", ({ description: text }) => (/^[01]$/.test(text) ? text === "1" : undefined)) ?? context?._sampled,
    _responseId: last("dtrpid", ({ description: text }) =>
      /^-?\d{1,10}$/.test(text) && +text === (+text | 0) ? +text : undefined,
    ),
    _now: last("now", ({ duration }) => (duration > 0 ? duration : undefined)),
  };
}

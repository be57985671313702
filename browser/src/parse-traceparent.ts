export interface TraceContext {
  _traceId: string;
  _spanId: string;
  _sampled: boolean;
}

/**
 * Reads a traceparent by W3C Trace Context Level 2, sections 3.2.2 and 3.2.4: lower-case digits, ids not all zero,
 * version ff refused; of a higher version the known parts are read, and more may follow after a dash.
 */
const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

export function parseTraceparent(value: string): TraceContext | undefined {
  const [, version, traceId, spanId, flags, more] = TRACEPARENT.exec(value) ?? [];
  if (!traceId || !spanId || (version === "00" && more !== undefined)) return undefined;
  return { _traceId: traceId, _spanId: spanId, _sampled: Number.parseInt(flags as string, 16) % 2 > 0 };
}

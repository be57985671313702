// The JSON of the public API, as its OpenAPI document describes it. Names with
// a dot are those of the stored events.

export type LinkStatus = 'linked' | 'partial' | 'unlinked' | 'not_applicable' | 'pending';

export type RequestKind = 'document' | 'resource' | 'fetch' | 'xhr';

/** Request is a request event with its verdict. */
export interface Request {
  id: string;
  /** RFC 3339, the server's time. */
  start_time: string;
  duration_ms: number;
  'request.kind': RequestKind;
  'performance.initiator_type'?: string;
  'url.full': string;
  'http.request.method': string;
  /** Left out: no answer, or not readable. */
  'http.response.status_code'?: number;
  'error.reason'?: string;

  'trace.id'?: string;
  'span.id'?: string;
  'trace.is_sampled'?: boolean;
  'request.trace_context_hint': string;
  'request.server_timing_hint': string;

  'rum.application.id'?: string;
  'rum.instance.id'?: string;
  'session.id'?: string;
  'page.instance_id'?: string;
  'view.instance_id'?: string;

  'performance.next_hop_protocol'?: string;
  'performance.delivery'?: string;
  'performance.transfer_size'?: number;
  'performance.encoded_body_size'?: number;
  'performance.decoded_body_size'?: number;

  'link.status': LinkStatus;
  'link.reason'?: string;
  'link.detail'?: string;
  'link.trace_id'?: string;
  'link.span_id'?: string;
}

export interface RequestPage {
  requests: Request[];
  next_cursor?: string;
}

export interface Explanation {
  title: string;
  text: string;
  fix?: string;
}

export type Attributes = Record<string, unknown>;

export interface RequestDetail {
  request: Request;
  explanation: Explanation;
  attributes?: Attributes;
  trace: Trace;
}

/** Clock is the correction that was applied to the frontend's times. */
export interface Clock {
  /** Server clock minus frontend clock. */
  offset_ms: number;
  uncertainty_ms?: number;
  /** Moved within the uncertainty, so that the request was sent before its entry span began. */
  fitted?: boolean;
  source: 'server_timing' | 'beacon';
}

export interface Trace {
  'trace.id'?: string;
  start_time: string;
  duration_ms: number;
  /** Of all its requests; left out where they differ. */
  clock?: Clock;
  /** Depth first; a row's parent stands before it. */
  rows: TraceRow[];
  truncated?: boolean;
}

export interface TraceRow {
  type: 'request' | 'span';
  id: string;
  parent_id?: string;
  depth: number;
  start_ms: number;
  duration_ms: number;
  name: string;
  'service.name'?: string;
  'span.kind'?: string;
  entry?: boolean;
  error?: string;
  /** Of a request: the correction of its times. */
  clock?: Clock;
  phases?: Phase[];
  attributes?: Attributes;
  resource?: Attributes;
  events?: RowEvent[];
}

export interface Phase {
  name: string;
  start_ms: number;
  duration_ms: number;
}

export interface RowEvent {
  name: string;
  start_ms: number;
  attributes?: Attributes;
}

/** Frontend is the way back from a span to the user. */
export interface Frontend {
  request?: Request;
  'session.id'?: string;
  'rum.instance.id'?: string;
  entry_span_id: string;
  via: 'trace_context' | 'server_timing';
}

// The words for verdicts, reasons and hints (docs: the linking contract, sections 2.3, 3 and 6).

import type { LinkStatus } from '../api/types.ts';

export const statuses: readonly LinkStatus[] = ['linked', 'partial', 'unlinked', 'not_applicable', 'pending'];

export const kinds = ['document', 'resource', 'fetch', 'xhr'] as const;

export const statusLabels: Record<LinkStatus, string> = {
  linked: 'Linked',
  partial: 'Partial',
  unlinked: 'Unlinked',
  not_applicable: 'Not applicable',
  pending: 'Pending',
};

const reasonTable = {
  exact: { status: 'linked', label: 'Exact' },
  via_intermediary: { status: 'linked', label: 'Via intermediary' },
  server_timing: { status: 'linked', label: 'By Server-Timing' },
  tracestate_lost: { status: 'partial', label: 'tracestate lost' },
  tracestate_altered: { status: 'partial', label: 'tracestate altered' },
  parent_rewritten: { status: 'partial', label: 'Parent rewritten' },
  trace_restarted: { status: 'partial', label: 'Trace restarted' },
  traceparent_dropped: { status: 'partial', label: 'traceparent dropped' },
  not_propagated: { status: 'unlinked', label: 'Not propagated' },
  no_server_timing: { status: 'unlinked', label: 'No Server-Timing' },
  not_sampled: { status: 'unlinked', label: 'Not sampled' },
  spans_missing: { status: 'unlinked', label: 'Spans missing' },
  headers_dropped: { status: 'unlinked', label: 'Headers dropped' },
  backend_not_instrumented: { status: 'unlinked', label: 'Backend not instrumented' },
  served_from_cache: { status: 'not_applicable', label: 'Served from cache' },
  service_worker: { status: 'not_applicable', label: 'Service worker' },
  never_sent: { status: 'not_applicable', label: 'Never sent' },
} as const satisfies Record<string, { status: LinkStatus; label: string }>;

export type Reason = keyof typeof reasonTable;

export const reasons = Object.keys(reasonTable) as Reason[];

export function isReason(text: string): text is Reason {
  return Object.hasOwn(reasonTable, text);
}

/** reasonLabel returns a reason in words; a reason that is not known stays as it is. */
export function reasonLabel(reason: string): string {
  return isReason(reason) ? reasonTable[reason].label : reason;
}

/** reasonsOf returns the reasons that a verdict can have. */
export function reasonsOf(status: LinkStatus): Reason[] {
  return reasons.filter((reason) => reasonTable[reason].status === status);
}

/** knownStatus maps a status that is not known to pending, so that it is still shown. */
export function knownStatus(status: string): LinkStatus {
  return (statuses as readonly string[]).includes(status) ? (status as LinkStatus) : 'pending';
}

const traceContextHints: Record<string, string> = {
  set: 'Headers sent, same origin',
  included: 'Headers sent, origin allowed by configuration',
  external: 'The application set its own traceparent',
  invalid: 'The application’s traceparent is not valid',
  max_length: 'tracestate would have been too long; traceparent sent alone',
  missing_values: 'An id was missing; traceparent sent alone',
  cross_origin: 'No headers: another origin, not allowed by configuration',
  excluded: 'No headers: excluded by configuration',
  disabled: 'No headers: propagation is off',
  not_http: 'No headers: neither http nor https',
  from_server: 'The trace id came from Server-Timing',
  not_set: 'The agent cannot add headers to this kind of request',
  cors_rejected: 'Headers left out: the endpoint’s CORS answer refuses them',
  not_sampled: 'No headers: left out by the trace sample rate',
  unused: 'The application did not use the headers',
  api_set: 'Headers sent, reported by hand',
  api_invalid: 'Reported by hand with headers that are not valid',
  api_unused: 'Reported by hand, headers not used',
};

const serverTimingHints: Record<string, string> = {
  received: 'A trace id was read',
  not_available: 'Nothing readable: no header, or the browser may not show it',
  no_trace_info: 'Entries are there, none carries a trace id',
  invalid: 'The entry’s value is not a trace id',
  mismatch: 'Names another trace than the one sent',
  stale: 'A cached copy: its id belongs to an earlier response',
};

/** traceContextHint says in words what the agent did about the headers; empty where the hint is not known. */
export function traceContextHint(hint: string): string {
  return Object.hasOwn(traceContextHints, hint) ? (traceContextHints[hint] ?? '') : '';
}

/** serverTimingHint says in words what the agent read from the answer; empty where the hint is not known. */
export function serverTimingHint(hint: string): string {
  return Object.hasOwn(serverTimingHints, hint) ? (serverTimingHints[hint] ?? '') : '';
}

const errorReasons: Record<string, string> = {
  abort: 'Aborted',
  abort_unsent: 'Aborted unsent',
  network: 'Network error',
  timeout: 'Timeout',
  no_network: 'Offline',
  csp: 'Blocked by CSP',
  invalid_call: 'Invalid call',
  unknown_reason: 'Failed',
};

/** errorLabel says in words why a request has no answer. */
export function errorLabel(reason: string): string {
  return Object.hasOwn(errorReasons, reason) ? (errorReasons[reason] ?? reason) : reason;
}

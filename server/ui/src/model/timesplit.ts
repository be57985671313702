// Where the time of a request went: browser, network, backend.

import type { Trace, TraceRow } from '../api/types.ts';

export interface TimeShare {
  name: 'before' | 'connection' | 'network' | 'backend' | 'waiting' | 'download' | 'other';
  label: string;
  ms: number;
}

const before = new Set(['redirect', 'queueing', 'service_worker']);
const connection = new Set(['dns', 'connect', 'tls']);

/**
 * timeSplit adds up the phases of the trace's request, and cuts the wait for the
 * answer into backend and network by the entry span's duration. Durations alone are
 * compared, so that clocks play no part. Where there is no entry span, or it lasted
 * longer than the wait (a streamed answer), the wait stays whole. Null without phases.
 */
export function timeSplit(trace: Trace): TimeShare[] | null {
  const root = trace.rows.find((row) => row.type === 'request' && (row.phases?.length ?? 0) > 0);
  if (!root) return null;
  const sum = (test: (name: string) => boolean) =>
    (root.phases ?? []).reduce(
      (total, phase) => total + (test(phase.name) ? Math.max(0, phase.duration_ms) : 0),
      0,
    );
  const beforeMs = sum((name) => before.has(name));
  const connectionMs = sum((name) => connection.has(name));
  const wait = sum((name) => name === 'request' || name === 'waiting');
  const download = sum((name) => name === 'download');
  const other = Math.max(0, root.duration_ms - beforeMs - connectionMs - wait - download);
  const entry = entryOf(trace, root);
  const shares: TimeShare[] = [
    { name: 'before', label: 'Before the network', ms: beforeMs },
    { name: 'connection', label: 'Connection', ms: connectionMs },
  ];
  if (entry && entry.duration_ms <= wait) {
    shares.push(
      { name: 'network', label: 'Network and proxies', ms: wait - entry.duration_ms },
      { name: 'backend', label: 'Backend', ms: entry.duration_ms },
    );
  } else {
    shares.push({ name: 'waiting', label: 'Network and backend', ms: wait });
  }
  shares.push(
    { name: 'download', label: 'Download', ms: download },
    { name: 'other', label: 'Not measured', ms: other },
  );
  return shares.filter((share) => share.ms >= 0.005);
}

/** The entry span below the request; spans of a proxy may stand between the two. */
function entryOf(trace: Trace, root: TraceRow): TraceRow | undefined {
  const below = new Set([root.id]);
  for (const row of trace.rows) {
    if (!row.parent_id || !below.has(row.parent_id)) continue;
    if (row.entry) return row;
    below.add(row.id);
  }
  return undefined;
}

// What the loaded rows say together: shares of the verdicts, and their volume over time.

import type { LinkStatus, Request } from '../api/types.ts';
import { knownStatus, statuses } from './verdict.ts';

export type Counts = Record<LinkStatus, number>;

export function zeroCounts(): Counts {
  return { linked: 0, partial: 0, unlinked: 0, not_applicable: 0, pending: 0 };
}

export function countStatuses(requests: readonly Request[]): Counts {
  const counts = zeroCounts();
  for (const request of requests) counts[knownStatus(request['link.status'])]++;
  return counts;
}

/** percent writes a share; a part that is not nothing is never 0 %, and one that is not all is never 100 %. */
export function percent(part: number, whole: number): string {
  if (whole <= 0 || part <= 0) return '0 %';
  if (part >= whole) return '100 %';
  const value = Math.round((part / whole) * 100);
  if (value === 0) return '< 1 %';
  if (value === 100) return '> 99 %';
  return `${value} %`;
}

export interface Bucket {
  from: number;
  to: number;
  counts: Counts;
  total: number;
}

export interface Volume {
  from: number;
  to: number;
  buckets: Bucket[];
  /** Highest total of a bucket; at least 1. */
  max: number;
  /** Whether earlier rows of the range exist that are not loaded, and so not shown. */
  cut: boolean;
}

/**
 * volume counts the loaded rows over time: over the whole span where all of its rows
 * are loaded, else from the oldest row that is. Open bounds end at the oldest row and at now.
 */
export function volume(
  requests: readonly Request[],
  span: { from: number | null; to: number | null },
  now: number,
  more: boolean,
  bucketCount: number,
): Volume {
  const times = requests.map((request) => Date.parse(request.start_time));
  const known = times.filter((time) => !Number.isNaN(time));
  const oldest = known.length > 0 ? known.reduce((a, b) => Math.min(a, b)) : now;
  const newest = known.length > 0 ? known.reduce((a, b) => Math.max(a, b)) : now;
  const from = more ? oldest : (span.from ?? oldest);
  const to = Math.max(span.to ?? Math.max(now, newest), from + 1);
  const width = (to - from) / bucketCount;
  const buckets: Bucket[] = Array.from({ length: bucketCount }, (_, i) => ({
    from: from + i * width,
    to: from + (i + 1) * width,
    counts: zeroCounts(),
    total: 0,
  }));
  requests.forEach((request, i) => {
    const bucket = buckets[Math.min(bucketCount - 1, Math.floor(((times[i] ?? Number.NaN) - from) / width))];
    if (!bucket) return;
    bucket.counts[knownStatus(request['link.status'])]++;
    bucket.total++;
  });
  const max = buckets.reduce((highest, bucket) => Math.max(highest, bucket.total), 1);
  return { from, to, buckets, max, cut: more };
}

/** describeCounts says the counts in words, for those who do not see the picture. */
export function describeCounts(counts: Counts, label: (status: LinkStatus) => string): string {
  return statuses
    .filter((status) => counts[status] > 0)
    .map((status) => `${counts[status]} ${label(status).toLowerCase()}`)
    .join(', ');
}

import { describe, expect, it } from 'vitest';
import type { LinkStatus, Request } from '../api/types.ts';
import { countStatuses, describeCounts, percent, volume } from './summary.ts';
import { statusLabels } from './verdict.ts';

function request(status: string, start: number): Request {
  return {
    id: `${start}`,
    start_time: new Date(start).toISOString(),
    duration_ms: 1,
    'request.kind': 'fetch',
    'url.full': 'https://a.example/',
    'http.request.method': 'GET',
    'request.trace_context_hint': 'set',
    'request.server_timing_hint': 'received',
    'link.status': status as LinkStatus,
  };
}

const rows = [
  request('linked', 9_500),
  request('linked', 9_000),
  request('unlinked', 4_000),
  request('odd', 1_000),
];

it('counts every row once, one of an unknown verdict as pending', () => {
  const counts = countStatuses(rows);
  expect(counts).toEqual({ linked: 2, partial: 0, unlinked: 1, not_applicable: 0, pending: 1 });
  expect(describeCounts(counts, (status) => statusLabels[status])).toBe('2 linked, 1 unlinked, 1 pending');
});

it.each([
  [0, 10, '0 %'],
  [1, 1000, '< 1 %'],
  [5, 10, '50 %'],
  [999, 1000, '> 99 %'],
  [10, 10, '100 %'],
  [0, 0, '0 %'],
])('%d of %d is %s', (part, whole, text) => {
  expect(percent(part, whole)).toBe(text);
});

describe('volume', () => {
  const totals = (more: boolean, from: number | null) =>
    volume(rows, { from, to: null }, 10_000, more, 10).buckets.map((bucket) => bucket.total);

  it('covers the whole range where all of it is loaded', () => {
    expect(totals(false, 0)).toEqual([0, 1, 0, 0, 1, 0, 0, 0, 0, 2]);
  });

  it('starts at the oldest loaded row where earlier ones are not loaded', () => {
    const result = volume(rows, { from: -90_000, to: null }, 10_000, true, 9);
    expect([result.from, result.to, result.cut, result.max]).toEqual([1_000, 10_000, true, 2]);
    expect(result.buckets.map((bucket) => bucket.total)).toEqual([1, 0, 0, 1, 0, 0, 0, 0, 2]);
  });

  it('loses no row, also none newer than now', () => {
    const ahead = [...rows, request('linked', 12_000)];
    const result = volume(ahead, { from: null, to: null }, 10_000, false, 7);
    expect(result.buckets.reduce((sum, bucket) => sum + bucket.total, 0)).toBe(5);
  });

  it('bears no rows, and times that are none', () => {
    expect(volume([], { from: null, to: null }, 10_000, false, 3).max).toBe(1);
    const broken = { ...request('linked', 0), start_time: 'soon' };
    expect(volume([broken], { from: null, to: null }, 10_000, false, 3).max).toBe(1);
  });
});

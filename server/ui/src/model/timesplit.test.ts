import { expect, it } from 'vitest';
import type { Trace, TraceRow } from '../api/types.ts';
import { timeSplit } from './timesplit.ts';

const request: TraceRow = {
  type: 'request',
  id: 'r',
  depth: 0,
  start_ms: 0,
  duration_ms: 100,
  name: 'GET /',
  phases: [
    { name: 'queueing', start_ms: 0, duration_ms: 2 },
    { name: 'dns', start_ms: 2, duration_ms: 3 },
    { name: 'tls', start_ms: 5, duration_ms: 5 },
    { name: 'request', start_ms: 10, duration_ms: 1 },
    { name: 'waiting', start_ms: 11, duration_ms: 69 },
    { name: 'download', start_ms: 80, duration_ms: 15 },
  ],
};

function entry(duration: number): TraceRow {
  return {
    type: 'span',
    id: 's',
    parent_id: 'r',
    depth: 1,
    start_ms: 20,
    duration_ms: duration,
    name: 'GET',
    entry: true,
  };
}

function split(...rows: TraceRow[]) {
  const trace: Trace = { start_time: '2026-11-23T12:00:00Z', duration_ms: 100, rows };
  return timeSplit(trace)?.map((share) => [share.name, share.ms]);
}

it('finds the entry span below the spans of a proxy', () => {
  const proxy: TraceRow = { ...entry(60), id: 'p', entry: false };
  const answer: TraceRow = { ...entry(50), parent_id: 'p', depth: 2 };
  expect(split(request, proxy, answer)).toContainEqual(['backend', 50]);
});

it('cuts the wait by the duration of the entry span', () => {
  expect(split(request, entry(50))).toEqual([
    ['before', 2],
    ['connection', 8],
    ['network', 20],
    ['backend', 50],
    ['download', 15],
    ['other', 5],
  ]);
});

it('leaves the wait whole without an entry span, or where that lasted longer', () => {
  const whole = [
    ['before', 2],
    ['connection', 8],
    ['waiting', 70],
    ['download', 15],
    ['other', 5],
  ];
  expect(split(request)).toEqual(whole);
  expect(split(request, entry(71))).toEqual(whole);
});

it('says nothing where the browser told no phases', () => {
  expect(split({ ...request, phases: [] }, entry(50))).toBeUndefined();
  expect(split(entry(50))).toBeUndefined();
});

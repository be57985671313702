import { describe, expect, it } from 'vitest';
import {
  formatAbsolute,
  formatBytes,
  formatDuration,
  formatExact,
  formatRelative,
  formatTick,
  formatValue,
  shortId,
  shortOrigin,
  splitUrl,
  toLocalInput,
} from './format.ts';

describe('formatDuration', () => {
  it.each([
    [0, '0 ms'],
    [0.004, '0.00 ms'],
    [0.42, '0.42 ms'],
    [0.996, '1.0 ms'],
    [8.14, '8.1 ms'],
    [9.96, '10 ms'],
    [412.4, '412 ms'],
    [999.6, '1.00 s'],
    [1240, '1.24 s'],
    [9996, '10.0 s'],
    [59_949, '59.9 s'],
    [59_960, '1 m 00 s'],
    [125_000, '2 m 05 s'],
    [3_725_000, '1 h 02 m'],
    [-1843.27, '−1.84 s'],
    [Number.NaN, '–'],
  ])('%d ms is %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});

it('formatExact keeps microseconds', () => {
  expect(formatExact(1284.61)).toBe('1,284.610 ms');
});

describe('formatRelative', () => {
  const now = 1_000_000_000_000;
  it.each([
    [0, 'now'],
    [1_400, 'now'],
    [12_000, '12 s ago'],
    [61_000, '1 min ago'],
    [3_599_000, '59 min ago'],
    [47 * 3_600_000, '47 h ago'],
    [72 * 3_600_000, '3 d ago'],
    [-30_000, 'in 30 s'],
    [Number.NaN, '–'],
  ])('%d ms before is %s', (ms, text) => {
    expect(formatRelative(now - ms, now)).toBe(text);
  });
});

it('formatAbsolute and toLocalInput name the same local minute', () => {
  const time = Date.parse('2026-11-23T14:03:22.120Z');
  expect(formatAbsolute(time)).toMatch(/^2026-11-\d\d \d\d:\d\d:22\.120 UTC/);
  const input = toLocalInput(time);
  expect(formatAbsolute(time).startsWith(input.replace('T', ' '))).toBe(true);
  expect(new Date(input).getTime()).toBe(time - 22_120);
  expect(toLocalInput(null)).toBe('');
});

describe('formatBytes', () => {
  it.each([
    [812, '812 B'],
    [14_200, '14.2 kB'],
    [999_960, '1.0 MB'],
    [3_100_000, '3.1 MB'],
    [250_000_000, '250 MB'],
  ])('%d is %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});

describe('splitUrl', () => {
  it.each([
    ['https://a.example:8443/p/q?x=1#f', 'https://a.example:8443', '/p/q', '?x=1#f'],
    ['https://a.example', 'https://a.example', '/', ''],
    ['https://a.example?x', 'https://a.example', '/', '?x'],
    ['javascript:alert(1)', '', 'javascript:alert(1)', ''],
    ['', '', '', ''],
    ['https://a/%2e%2E/\n?b', 'https://a', '/%2e%2E/\n', '?b'],
  ])('%j', (url, origin, path, rest) => {
    expect(splitUrl(url)).toEqual({ origin, path, rest });
  });

  it('shows the scheme only where it is not https', () => {
    expect(shortOrigin('https://a.example')).toBe('a.example');
    expect(shortOrigin('http://a.example')).toBe('http://a.example');
  });
});

it('formatValue writes every kind of attribute', () => {
  expect(['a', 1, true, null, ['x', 2], { b: 1 }, undefined].map(formatValue)).toEqual([
    'a',
    '1',
    'true',
    'null',
    '["x",2]',
    '{"b":1}',
    '',
  ]);
});

it.each([
  [1_000, '14:03:22'],
  [60_000, '14:03'],
  [3_600_000, '14:03'],
  [86_400_000, '21 Nov'],
])('formatTick with steps of %d ms', (step, text) => {
  expect(formatTick(new Date(2026, 10, 21, 14, 3, 22).getTime(), step)).toBe(text);
});

it('formatTick names the day at midnight', () => {
  expect(formatTick(new Date(2026, 10, 21).getTime(), 3_600_000)).toBe('21 Nov');
});

it('shortId keeps both ends of long ids alone', () => {
  expect(shortId('5be1c9d07f3a2244')).toBe('5be1c9d07f3a2244');
  expect(shortId('2fdcef91d451fdffd6e5e36abc6bb609')).toBe('2fdcef91…6bb609');
});

import { describe, expect, it } from 'vitest';
import {
  apiQuery,
  conditionCount,
  defaultFilters,
  type Filters,
  formatFilters,
  parseFilters,
} from './filters.ts';

const now = Date.parse('2026-11-23T12:00:00.000Z');

const views: [string, Partial<Filters>][] = [
  ['', {}],
  ['?range=7d', { range: '7d' }],
  [
    '?range=all&status=partial&reason=tracestate_lost',
    { range: 'all', status: 'partial', reason: 'tracestate_lost' },
  ],
  ['?kind=xhr&method=POST&url=%2Fa%3Fb%3D1%26c+%C3%A4', { kind: 'xhr', method: 'POST', url: '/a?b=1&c ä' }],
  [
    '?from=2026-11-23T10%3A00%3A00.000Z&to=2026-11-23T11%3A00%3A00.000Z&application=745a78fe5b6e57f6&session=S-0&live=1',
    {
      range: 'custom',
      from: '2026-11-23T10:00:00.000Z',
      to: '2026-11-23T11:00:00.000Z',
      application: '745a78fe5b6e57f6',
      session: 'S-0',
      live: true,
    },
  ],
  ['?from=2026-11-23T10%3A00%3A00.000Z', { range: 'custom', from: '2026-11-23T10:00:00.000Z' }],
  [`?trace=${'a1'.repeat(16)}`, { trace: 'a1'.repeat(16) }],
];

describe('the address of a view', () => {
  it.each(views)('%s holds all of it', (search, patch) => {
    const filters = { ...defaultFilters, ...patch };
    expect(parseFilters(search)).toEqual(filters);
    expect(formatFilters(filters)).toBe(search);
  });

  it.each([
    '?status=great',
    '?reason=constructor',
    '?kind=<script>',
    '?method=get%20it',
    '?range=99y',
    '?from=yesterday&to=%00',
    '?trace=xyz',
    `?url=${'u'.repeat(3000)}`,
    '?status',
    '?%',
  ])('%s falls back to the defaults', (search) => {
    expect(parseFilters(search)).toEqual(defaultFilters);
  });

  it('keeps the moment of a time with another zone', () => {
    expect(parseFilters('?from=2026-11-23T12:00:00%2B02:00').from).toBe('2026-11-23T10:00:00.000Z');
  });
});

describe('the question to the API', () => {
  it('counts a relative range from now', () => {
    expect(apiQuery(defaultFilters, now).toString()).toBe('from=2026-11-23T11%3A00%3A00.000Z');
  });

  it('has no bounds for all time', () => {
    expect(apiQuery({ ...defaultFilters, range: 'all' }, now).toString()).toBe('');
  });

  it('carries both ends of a custom range and every condition', () => {
    const filters = parseFilters(
      '?from=2026-11-23T10:00:00Z&to=2026-11-23T11:00:00Z&status=unlinked&reason=not_sampled&kind=fetch&method=GET&url=cart&application=745a78fe5b6e57f6&session=s',
    );
    expect(Object.fromEntries(apiQuery(filters, now))).toEqual({
      from: '2026-11-23T10:00:00.000Z',
      to: '2026-11-23T11:00:00.000Z',
      status: 'unlinked',
      reason: 'not_sampled',
      kind: 'fetch',
      method: 'GET',
      url: 'cart',
      application: '745a78fe5b6e57f6',
      session: 's',
    });
    expect(conditionCount(filters)).toBe(7);
  });

  it('never asks for what only the page knows', () => {
    expect(apiQuery({ ...defaultFilters, live: true, range: 'all' }, now).has('live')).toBe(false);
  });
});

// What the list shows, as the address bar holds it: a link reproduces the view.

import type { LinkStatus } from '../api/types.ts';
import { isReason, kinds, type Reason, statuses } from './verdict.ts';

export const ranges = ['15m', '1h', '6h', '24h', '7d', 'all'] as const;
export type Range = (typeof ranges)[number];

const minute = 60_000;
const rangeMs: Record<Exclude<Range, 'all'>, number> = {
  '15m': 15 * minute,
  '1h': 60 * minute,
  '6h': 360 * minute,
  '24h': 1440 * minute,
  '7d': 10_080 * minute,
};

export const rangeLabels: Record<Range, string> = {
  '15m': 'the last 15 minutes',
  '1h': 'the last hour',
  '6h': 'the last 6 hours',
  '24h': 'the last 24 hours',
  '7d': 'the last 7 days',
  all: 'all time',
};

/** Filters select the requests of the list; an empty string selects everything. */
export interface Filters {
  /** Relative range; 'custom' where from or to is given. */
  range: Range | 'custom';
  /** RFC 3339. */
  from: string;
  /** RFC 3339, not included. */
  to: string;
  status: LinkStatus | '';
  reason: Reason | '';
  kind: string;
  method: string;
  /** Part of the URL, without case. */
  url: string;
  application: string;
  session: string;
  trace: string;
  /** Whether the list refreshes itself. */
  live: boolean;
}

export const defaultFilters: Filters = {
  range: '1h',
  from: '',
  to: '',
  status: '',
  reason: '',
  kind: '',
  method: '',
  url: '',
  application: '',
  session: '',
  trace: '',
  live: false,
};

/** The filters beside the time range, in the order in which they are written. */
export const conditions = [
  'status',
  'reason',
  'kind',
  'method',
  'url',
  'application',
  'session',
  'trace',
] as const;
export type Condition = (typeof conditions)[number];

/** What the API accepts as the value of each. */
export const valid: Record<Condition, (value: string) => boolean> = {
  status: (value) => (statuses as readonly string[]).includes(value),
  reason: isReason,
  kind: (value) => (kinds as readonly string[]).includes(value),
  method: (value) => /^[A-Z]{1,32}$/.test(value),
  url: (value) => value.length <= 1024,
  application: (value) => /^[0-9a-f]{16}$/.test(value),
  session: (value) => value.length <= 128,
  trace: (value) => /^[0-9a-f]{32}$/.test(value),
};

/** parseFilters reads a URL's query; what is missing or not valid has its default. */
export function parseFilters(search: string): Filters {
  const query = new URLSearchParams(search);
  const filters: Filters = { ...defaultFilters };
  for (const name of conditions) {
    const value = query.get(name) ?? '';
    if (value && valid[name](value)) Object.assign(filters, { [name]: value });
  }
  filters.from = instant(query.get('from'));
  filters.to = instant(query.get('to'));
  const range = query.get('range') ?? '';
  if (filters.from || filters.to) filters.range = 'custom';
  else if ((ranges as readonly string[]).includes(range)) filters.range = range as Range;
  filters.live = query.get('live') === '1';
  return filters;
}

/** formatFilters writes the query that parseFilters reads, with its "?"; defaults are left out. */
export function formatFilters(filters: Filters): string {
  const query = new URLSearchParams();
  if (filters.range === 'custom') {
    if (filters.from) query.set('from', filters.from);
    if (filters.to) query.set('to', filters.to);
  } else if (filters.range !== defaultFilters.range) {
    query.set('range', filters.range);
  }
  for (const name of conditions) if (filters[name]) query.set(name, filters[name]);
  if (filters.live) query.set('live', '1');
  const text = query.toString();
  return text ? `?${text}` : '';
}

/** timeSpan returns the bounds of the filters' time range in epoch milliseconds; null where open. */
export function timeSpan(filters: Filters, now: number): { from: number | null; to: number | null } {
  if (filters.range === 'all') return { from: null, to: null };
  if (filters.range === 'custom') {
    return {
      from: filters.from ? Date.parse(filters.from) : null,
      to: filters.to ? Date.parse(filters.to) : null,
    };
  }
  return { from: now - rangeMs[filters.range], to: null };
}

/** apiQuery returns the parameters of GET /api/v1/requests. */
export function apiQuery(filters: Filters, now: number): URLSearchParams {
  const query = new URLSearchParams();
  const { from, to } = timeSpan(filters, now);
  if (from !== null) query.set('from', new Date(from).toISOString());
  if (to !== null) query.set('to', new Date(to).toISOString());
  for (const name of conditions) if (filters[name]) query.set(name, filters[name]);
  return query;
}

/** conditionCount returns how many filters beside the time range are set. */
export function conditionCount(filters: Filters): number {
  return conditions.filter((name) => filters[name] !== '').length;
}

function instant(text: string | null): string {
  const time = text ? Date.parse(text) : Number.NaN;
  return Number.isNaN(time) ? '' : new Date(time).toISOString();
}

import { infiniteQueryOptions, QueryClient, queryOptions } from '@tanstack/preact-query';
import { apiQuery, type Filters, formatFilters } from '../model/filters.ts';
import { ApiError, getJSON } from './client.ts';
import type { Frontend, RequestDetail, RequestPage, Trace } from './types.ts';

/** Rows of one page of the list. */
export const pageSize = 100;

/** Time between two automatic refreshes. */
export const refreshMs = 5_000;

export function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      // A failed call is shown at once, with its hint and a button; nothing is tried again in silence.
      queries: { retry: false, staleTime: 5_000, refetchOnWindowFocus: false },
    },
  });
}

export function requestsQuery(filters: Filters) {
  return infiniteQueryOptions({
    queryKey: ['requests', formatFilters({ ...filters, live: false })],
    queryFn: ({ pageParam, signal }) => {
      const query = apiQuery(filters, Date.now());
      query.set('limit', String(pageSize));
      if (pageParam) query.set('cursor', pageParam);
      return getJSON<RequestPage>(`requests?${query}`, signal);
    },
    initialPageParam: '',
    getNextPageParam: (page) => page.next_cursor,
  });
}

/** newestQuery asks for the newest request of all, to tell an empty filter from an empty store. */
export function newestQuery() {
  return queryOptions({
    queryKey: ['newest'],
    queryFn: ({ signal }) => getJSON<RequestPage>('requests?limit=1', signal),
    refetchInterval: (query) => (query.state.data?.requests.length === 0 ? refreshMs : false),
  });
}

export function requestQuery(id: string) {
  return queryOptions({
    queryKey: ['request', id],
    queryFn: ({ signal }) => getJSON<RequestDetail>(`requests/${encodeURIComponent(id)}`, signal),
  });
}

export function traceQuery(id: string) {
  return queryOptions({
    queryKey: ['trace', id],
    queryFn: ({ signal }) => getJSON<Trace>(`traces/${encodeURIComponent(id)}`, signal),
  });
}

/** frontendQuery asks who is behind a span; null where nobody is known. */
export function frontendQuery(trace: string, span: string) {
  return queryOptions({
    queryKey: ['frontend', trace, span],
    queryFn: async ({ signal }) => {
      try {
        const path = `spans/${encodeURIComponent(trace)}/${encodeURIComponent(span)}/frontend`;
        return await getJSON<Frontend>(path, signal);
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return null;
        throw error;
      }
    },
  });
}

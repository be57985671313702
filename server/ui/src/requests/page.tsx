import { keepPreviousData, useInfiniteQuery } from '@tanstack/preact-query';
import { useEffect, useMemo } from 'preact/hooks';
import { useLocation, useSearch } from 'wouter-preact';
import { refreshMs, requestsQuery } from '../api/queries.ts';
import type { Request } from '../api/types.ts';
import { ErrorNotice } from '../components/errornotice.tsx';
import { Skeleton, Slow } from '../components/notice.tsx';
import { useShortcuts } from '../components/shortcuts.ts';
import { useNow } from '../components/time.tsx';
import { rememberList } from '../listlocation.ts';
import { type Filters, formatFilters, parseFilters } from '../model/filters.ts';
import { formatCount } from '../model/format.ts';
import { EmptyList } from './empty.tsx';
import { FilterBar } from './filterbar.tsx';
import { Summary } from './summary.tsx';
import { RequestTable } from './table.tsx';

export function RequestsPage() {
  const search = useSearch();
  const [, navigate] = useLocation();
  const filters = useMemo(() => parseFilters(search), [search]);
  const now = useNow();
  useEffect(() => {
    document.title = 'Requests · Throughline';
  }, []);
  useEffect(() => rememberList(formatFilters(filters)), [filters]);

  const query = useInfiniteQuery({
    ...requestsQuery(filters),
    placeholderData: keepPreviousData,
    // An empty list is waited at: who has just begun looks for the first request.
    refetchInterval: (q) => {
      const pages = q.state.data?.pages ?? [];
      const empty = pages[0]?.requests.length === 0;
      return filters.live || empty ? refreshMs * Math.max(1, pages.length) : false;
    },
  });
  const requests = useMemo(
    () => distinct(query.data?.pages.flatMap((page) => page.requests) ?? []),
    [query.data],
  );

  const change = (patch: Partial<Filters>, options?: { replace?: boolean }) =>
    navigate(`/${formatFilters({ ...filters, ...patch })}`, options ?? {});
  const refresh = () => void query.refetch();
  useShortcuts({ r: refresh });

  return (
    <div class="page requests">
      <FilterBar filters={filters} change={change} refresh={refresh} busy={query.isFetching} />
      {query.isError && <ErrorNotice error={query.error} retry={refresh} what="The list" />}
      {query.isPending && (
        <>
          <Slow>Still loading. A long time range over many requests takes a while.</Slow>
          <Skeleton rows={12} />
        </>
      )}
      {query.isSuccess && requests.length === 0 && <EmptyList filters={filters} change={change} />}
      {requests.length > 0 && (
        <div class="results" data-stale={query.isPlaceholderData ? '' : undefined}>
          <Summary requests={requests} filters={filters} change={change} now={now} more={query.hasNextPage} />
          <RequestTable requests={requests} />
          <footer class="more">
            {query.hasNextPage ? (
              <button
                type="button"
                class="button"
                disabled={query.isFetchingNextPage}
                onClick={() => void query.fetchNextPage()}
              >
                {query.isFetchingNextPage ? 'Loading more…' : 'Load more'}
              </button>
            ) : (
              <span class="faint">That is all: {formatCount(requests.length)} requests.</span>
            )}
          </footer>
        </div>
      )}
    </div>
  );
}

// While pages are loaded one after the other, a request that just came in can
// push another one onto the next page, where it stands again.
function distinct(requests: Request[]): Request[] {
  return [...new Map(requests.map((request) => [request.id, request])).values()];
}

import type { UseQueryResult } from '@tanstack/preact-query';
import type { ComponentChildren } from 'preact';
import { Link } from 'wouter-preact';
import { listLocation } from '../listlocation.ts';
import { ErrorNotice } from './errornotice.tsx';
import { BackIcon } from './icons.tsx';
import { Skeleton, Slow } from './notice.tsx';

/** DetailPage stands around one request or trace: the way back, and what is shown until the data is there. */
export function DetailPage<T>(props: {
  query: UseQueryResult<T>;
  /** The subject of an error's title. */
  what: string;
  children: (data: T) => ComponentChildren;
}) {
  const { query } = props;
  return (
    <div class="page request">
      <Link href={listLocation()} class="back">
        <BackIcon /> Requests
      </Link>
      {query.isPending && (
        <>
          <Slow>Still loading. Large traces take a while.</Slow>
          <Skeleton rows={10} />
        </>
      )}
      {query.isError && (
        <ErrorNotice error={query.error} retry={() => void query.refetch()} what={props.what} page />
      )}
      {query.data && props.children(query.data)}
    </div>
  );
}

import { useQuery } from '@tanstack/preact-query';
import { useEffect } from 'preact/hooks';
import { Link, useLocation } from 'wouter-preact';
import { requestQuery } from '../api/queries.ts';
import type { RequestDetail } from '../api/types.ts';
import { CopyButton } from '../components/copy.tsx';
import { DetailPage } from '../components/detailpage.tsx';
import { useShortcuts } from '../components/shortcuts.ts';
import { ClockTime } from '../components/time.tsx';
import { VerdictBadge } from '../components/verdict.tsx';
import { listLocation } from '../listlocation.ts';
import { formatDuration, formatExact, splitUrl } from '../model/format.ts';
import { StatusCode } from '../requests/table.tsx';
import { useRowParam } from '../waterfall/rowparam.ts';
import { Waterfall } from '../waterfall/waterfall.tsx';
import { ExplanationCard } from './explanation.tsx';
import { Facts } from './facts.tsx';
import { TimeSplit } from './timesplit.tsx';

/** A pending verdict is asked for again after so long. */
const pendingMs = 10_000;

export function RequestPage({ id }: { id: string }) {
  const [, navigate] = useLocation();
  const query = useQuery({
    ...requestQuery(id),
    refetchInterval: (q) => (q.state.data?.request['link.status'] === 'pending' ? pendingMs : false),
  });
  const [row, selectRow] = useRowParam();
  useShortcuts({ Escape: () => (row ? selectRow('') : navigate(listLocation())) });
  const url = query.data?.request['url.full'];
  useEffect(() => {
    document.title = `${url ? splitUrl(url).path : 'Request'} · Throughline`;
  }, [url]);
  return (
    <DetailPage query={query} what="The request">
      {(data) => <Detail detail={data} />}
    </DetailPage>
  );
}

function Detail({ detail }: { detail: RequestDetail }) {
  const { request, trace } = detail;
  const { origin, path, rest } = splitUrl(request['url.full']);
  const backend = request['link.trace_id'] || trace['trace.id'] || '';
  return (
    <>
      <header class="requesthead">
        <div class="requesthead-name">
          <h1 class="untrusted">
            <span class="method-pill">{request['http.request.method']}</span>
            <span class="path">{path}</span>
            <span class="rest">{rest}</span>
          </h1>
          <p class="untrusted">
            <span>{origin || 'no host'}</span>
            <CopyButton value={request['url.full']} label="the URL" />
          </p>
        </div>
        <dl class="headline">
          <div>
            <dt>Status</dt>
            <dd>
              <StatusCode code={request['http.response.status_code']} error={request['error.reason']} />
            </dd>
          </div>
          <div>
            <dt>Duration</dt>
            <dd title={formatExact(request.duration_ms)}>{formatDuration(request.duration_ms)}</dd>
          </div>
          <div>
            <dt>Kind</dt>
            <dd>{request['request.kind']}</dd>
          </div>
          <div>
            <dt>Started</dt>
            <dd>
              <ClockTime value={request.start_time} />
            </dd>
          </div>
        </dl>
        <VerdictBadge status={request['link.status']} large />
      </header>
      <ExplanationCard detail={detail} />
      <Facts detail={detail} />
      <section class="card" aria-labelledby="waterfall-title">
        <header class="card-head">
          <h2 id="waterfall-title">Waterfall</h2>
          <TimeSplit trace={trace} />
          {backend && (
            <Link class="button" href={`/traces/${encodeURIComponent(backend)}`}>
              Whole trace
            </Link>
          )}
        </header>
        <Waterfall trace={trace} traceId={backend} label="Waterfall of the request" />
      </section>
    </>
  );
}

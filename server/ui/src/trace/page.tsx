import { useQuery } from '@tanstack/preact-query';
import { useEffect } from 'preact/hooks';
import { Link, useLocation } from 'wouter-preact';
import { traceQuery } from '../api/queries.ts';
import type { Trace } from '../api/types.ts';
import { Copyable } from '../components/copy.tsx';
import { DetailPage } from '../components/detailpage.tsx';
import { useShortcuts } from '../components/shortcuts.ts';
import { ClockTime } from '../components/time.tsx';
import { cameFromWithin, listLocation } from '../listlocation.ts';
import { defaultFilters, formatFilters } from '../model/filters.ts';
import { formatCount, formatDuration, formatExact } from '../model/format.ts';
import { useRowParam } from '../waterfall/rowparam.ts';
import { Waterfall } from '../waterfall/waterfall.tsx';

export function TracePage({ id }: { id: string }) {
  const [, navigate] = useLocation();
  const query = useQuery(traceQuery(id));
  const [row, selectRow] = useRowParam();
  useShortcuts({
    Escape: () => {
      if (row) selectRow('');
      else if (cameFromWithin()) history.back();
      else navigate(listLocation());
    },
  });
  useEffect(() => {
    document.title = `Trace ${id.slice(0, 8)} · Throughline`;
  }, [id]);
  return (
    <DetailPage query={query} what="The trace">
      {(data) => <Detail id={id} trace={data} />}
    </DetailPage>
  );
}

function Detail({ id, trace }: { id: string; trace: Trace }) {
  const spans = trace.rows.filter((row) => row.type === 'span');
  const root = spans[0];
  const requests = trace.rows.length - spans.length;
  const errors = trace.rows.filter((row) => row.error).length;
  const services = new Set(spans.map((row) => row['service.name'])).size;
  return (
    <>
      <header class="requesthead">
        <div class="requesthead-name">
          <h1 class="untrusted">
            <span class="method-pill">Trace</span>
            <span class="path">{root?.name ?? trace.rows[0]?.name ?? 'without rows'}</span>
          </h1>
          <p>
            <Copyable value={id} label="the trace id" full />
          </p>
        </div>
        <dl class="headline">
          <div>
            <dt>Duration</dt>
            <dd title={formatExact(trace.duration_ms)}>{formatDuration(trace.duration_ms)}</dd>
          </div>
          <div>
            <dt>Spans</dt>
            <dd>{formatCount(spans.length)}</dd>
          </div>
          <div>
            <dt>Services</dt>
            <dd>{formatCount(services)}</dd>
          </div>
          <div>
            <dt>Errors</dt>
            <dd class={errors > 0 ? 'bad' : ''}>{formatCount(errors)}</dd>
          </div>
          <div>
            <dt>Requests</dt>
            <dd>
              {requests > 0 ? (
                <Link href={`/${formatFilters({ ...defaultFilters, range: 'all', trace: id })}`}>
                  {formatCount(requests)}
                </Link>
              ) : (
                'none'
              )}
            </dd>
          </div>
          <div>
            <dt>Started</dt>
            <dd>
              <ClockTime value={trace.start_time} />
            </dd>
          </div>
        </dl>
      </header>
      <section class="card" aria-labelledby="waterfall-title">
        <h2 id="waterfall-title" class="visually-hidden">
          Waterfall
        </h2>
        <Waterfall trace={trace} traceId={id} label="Waterfall of the trace" />
      </section>
    </>
  );
}

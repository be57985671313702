import { useQuery } from '@tanstack/preact-query';
import type { ComponentChildren } from 'preact';
import { Link } from 'wouter-preact';
import { frontendQuery } from '../api/queries.ts';
import type { Frontend, RowEvent, TraceRow } from '../api/types.ts';
import { AttributeTable } from '../components/attributes.tsx';
import { Copyable } from '../components/copy.tsx';
import { CloseIcon } from '../components/icons.tsx';
import { VerdictBadge } from '../components/verdict.tsx';
import { defaultFilters, formatFilters } from '../model/filters.ts';
import { formatExact, splitUrl } from '../model/format.ts';
import { type Node, phaseLabel } from '../model/tree.ts';
import { ClockNote } from './clocknote.tsx';
import { serviceClass } from './row.tsx';

const kinds = { request: 'Browser request', span: 'Span', phase: 'Browser phase' };

/** DetailPanel shows everything that is known of one row, and for a span the way back to its user. */
export function DetailPanel(props: { node: Node; nodes: Node[]; traceId: string; onClose: () => void }) {
  const { node, nodes } = props;
  const { row, type } = node;
  const parent = nodes[node.parent];
  return (
    <aside class={`panel ${serviceClass(node.service)}`} aria-label={`Details: ${node.name}`}>
      <header>
        <p class="panel-kind">
          <i class="dot" aria-hidden="true" />
          {kinds[type]}
          {type === 'span' &&
            row['span.kind'] &&
            row['span.kind'] !== 'unspecified' &&
            `, ${row['span.kind']}`}
          {row.entry && type === 'span' && <span class="tag">entry</span>}
        </p>
        <button
          type="button"
          class="button quiet square"
          onClick={props.onClose}
          aria-label="Close details"
          title="Close (Esc)"
        >
          <CloseIcon />
        </button>
        <h3 class="untrusted">{node.name}</h3>
        {type === 'span' && <p class="untrusted">{row['service.name'] || 'unnamed service'}</p>}
      </header>
      <div class="panel-body">
        {type !== 'phase' && row.error && (
          <p class="panel-error untrusted" role="note">
            <strong>Failed</strong> {row.error}
          </p>
        )}
        <dl class="panel-times">
          <Item name="Start">{formatExact(node.start)}</Item>
          <Item name="Duration">{formatExact(node.duration)}</Item>
          <Item name="End">{formatExact(node.start + node.duration)}</Item>
          {parent && <Item name="Parent">{parent.name}</Item>}
          {type !== 'phase' && (
            <Item name={type === 'span' ? 'Span id' : 'Event id'}>
              <Copyable value={row.id} label={type === 'span' ? 'the span id' : 'the event id'} />
            </Item>
          )}
        </dl>
        {type === 'span' && <WayBack traceId={props.traceId} spanId={row.id} />}
        {type === 'request' && (
          <p>
            <Link href={`/requests/${encodeURIComponent(row.id)}`}>Open this request</Link>
          </p>
        )}
        {type === 'request' && <ClockNote clock={row.clock} />}
        {type === 'request' && <Phases row={row} />}
        {type !== 'phase' && (
          <>
            <Events events={row.events} start={node.start} />
            <Attributes title="Attributes" values={row.attributes} />
            <Attributes title="Resource" values={row.resource} />
          </>
        )}
      </div>
    </aside>
  );
}

function Item({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class="untrusted">{children}</dd>
    </div>
  );
}

/** WayBack leads from a span to the user whose request it answered. */
function WayBack({ traceId, spanId }: { traceId: string; spanId: string }) {
  const query = useQuery({ ...frontendQuery(traceId, spanId), enabled: traceId !== '' });
  return (
    <section class="wayback" aria-label="Way back to the user">
      <h4>Way back to the user</h4>
      {query.isPending && traceId !== '' && <p class="faint">Looking…</p>}
      {query.isError && (
        <p class="bad" role="alert">
          {query.error.message}{' '}
          <button type="button" class="button small" onClick={() => void query.refetch()}>
            Try again
          </button>
        </p>
      )}
      {(query.data === null || traceId === '') && (
        <p class="faint">No frontend is known: neither trace state nor Server-Timing leads to a user.</p>
      )}
      {query.data && <FrontendFacts frontend={query.data} />}
    </section>
  );
}

const via = { trace_context: 'dtr entry in the trace state', server_timing: 'Server-Timing of the answer' };

function FrontendFacts({ frontend }: { frontend: Frontend }) {
  const { request } = frontend;
  const session = frontend['session.id'];
  const parts = request && splitUrl(request['url.full']);
  return (
    <>
      {request && parts ? (
        <p class="wayback-request">
          <VerdictBadge status={request['link.status']} />
          <Link href={`/requests/${encodeURIComponent(request.id)}`} class="untrusted">
            {request['http.request.method']} {parts.path}
          </Link>
        </p>
      ) : (
        <p class="faint">The request’s event has not arrived.</p>
      )}
      <dl class="panel-times">
        {session && (
          <Item name="Session">
            <Copyable
              value={session}
              label="the session id"
              href={`/${formatFilters({ ...defaultFilters, range: 'all', session })}`}
              title="All requests of this session"
            />
          </Item>
        )}
        {frontend['rum.instance.id'] && (
          <Item name="Instance">
            <Copyable value={frontend['rum.instance.id']} label="the instance id" />
          </Item>
        )}
        <Item name="Proved by">{via[frontend.via] ?? frontend.via}</Item>
        <Item name="Entry span">
          <Copyable value={frontend.entry_span_id} label="the entry span id" />
        </Item>
      </dl>
    </>
  );
}

function Phases({ row }: { row: TraceRow }) {
  if (!row.phases || row.phases.length === 0) return null;
  return (
    <section>
      <h4>Phases</h4>
      <table class="attributes numbers">
        <tbody>
          {row.phases.map((phase, i) => (
            <tr key={`${i}`}>
              <th scope="row" class="untrusted">
                {phaseLabel(phase.name)}
              </th>
              <td>{formatExact(phase.duration_ms)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Events({ events, start }: { events: RowEvent[] | undefined; start: number }) {
  if (!events || events.length === 0) return null;
  return (
    <section>
      <h4>Events ({events.length})</h4>
      <ol class="events">
        {events.map((event, i) => (
          <li key={`${i}`}>
            <p>
              <strong class="untrusted">{event.name}</strong>
              <span class="faint" title="After the start of this row">
                +{formatExact(event.start_ms - start)}
              </span>
            </p>
            {event.attributes && <AttributeTable attributes={event.attributes} />}
          </li>
        ))}
      </ol>
    </section>
  );
}

function Attributes({ title, values }: { title: string; values: Record<string, unknown> | undefined }) {
  const count = Object.keys(values ?? {}).length;
  if (!values || count === 0) return null;
  return (
    <section>
      <h4>
        {title} ({count})
      </h4>
      <AttributeTable attributes={values} />
    </section>
  );
}

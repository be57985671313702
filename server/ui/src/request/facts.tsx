import type { ComponentChildren } from 'preact';
import type { Evidence, RequestDetail } from '../api/types.ts';
import { AttributeTable } from '../components/attributes.tsx';
import { Copyable } from '../components/copy.tsx';
import { defaultFilters, type Filters, formatFilters } from '../model/filters.ts';
import { formatBytes } from '../model/format.ts';
import { serverTimingHint, traceContextHint } from '../model/verdict.ts';

/** Facts shows what the verdict rests on, the ids, who the user was, and how the answer came. */
export function Facts({ detail }: { detail: RequestDetail }) {
  const { request, attributes, evidence } = detail;
  const context = request['request.trace_context_hint'];
  const timing = request['request.server_timing_hint'];
  const sampled = request['trace.is_sampled'];
  const linkTrace = request['link.trace_id'];
  return (
    <section class="facts" aria-label="Facts">
      <Group title="Evidence">
        <Fact name="Trace context" note={traceContextHint(context)}>
          <code>{context}</code>
        </Fact>
        <Fact name="Server-Timing" note={serverTimingHint(timing)}>
          <code>{timing}</code>
        </Fact>
        {sampled !== undefined && (
          <Fact name="Sampled">{sampled ? 'yes, recorded' : 'no, not recorded'}</Fact>
        )}
        <BothSides evidence={evidence} />
      </Group>
      <Group title="Ids">
        <IdFact name="Trace" value={request['trace.id']} href={`/traces/${request['trace.id']}`} />
        {linkTrace !== request['trace.id'] && (
          <IdFact name="Backend trace" value={linkTrace} href={`/traces/${linkTrace}`} />
        )}
        <IdFact name="Request span" value={request['span.id']} />
        <IdFact name="Entry span" value={request['link.span_id']} />
        <IdFact name="Event" value={request.id} />
      </Group>
      <Group title="User">
        <FilterFact name="Session" filter="session" value={request['session.id']} />
        <FilterFact name="Application" filter="application" value={request['rum.application.id']} />
        <IdFact name="Instance" value={request['rum.instance.id']} />
        <IdFact name="Page" value={request['page.instance_id']} />
        <IdFact name="View" value={request['view.instance_id']} />
      </Group>
      <Group title="Delivery">
        <TextFact name="Initiator" value={request['performance.initiator_type']} />
        <TextFact name="Protocol" value={request['performance.next_hop_protocol']} />
        <TextFact name="From" value={request['performance.delivery']} />
        <SizeFact name="Transferred" value={request['performance.transfer_size']} />
        <SizeFact name="Body, encoded" value={request['performance.encoded_body_size']} />
        <SizeFact name="Body, decoded" value={request['performance.decoded_body_size']} />
      </Group>
      {attributes && Object.keys(attributes).length > 0 && (
        <details class="fact-group wide">
          <summary>Other attributes ({Object.keys(attributes).length})</summary>
          <AttributeTable attributes={attributes} />
        </details>
      )}
    </section>
  );
}

/** BothSides shows what the backend's side told, and who reported the request. */
function BothSides({ evidence }: { evidence: Evidence }) {
  const { spans, host_seen, host_services, intermediaries, same_answer } = evidence;
  const named = spans.filter((span) => span.names_request).length;
  return (
    <>
      <Fact name="Spans" note={spans.length > 0 ? `${named} of them name this request` : ''}>
        {spans.length === 0 ? 'none found' : `${spans.length} considered`}
      </Fact>
      <Fact name="Host" note={host_services.join(', ')}>
        {host_seen ? 'has sent spans' : 'has never sent a span'}
      </Fact>
      <TextFact name="Intermediaries" value={intermediaries.join(', ')} />
      {same_answer && (
        <Fact name="Same answer" note={`seen in ${same_answer.sessions} other sessions`}>
          <Copyable
            value={same_answer['request.id']}
            label="the other request's id"
            href={`/requests/${encodeURIComponent(same_answer['request.id'])}`}
            title="Open the other request"
          />
        </Fact>
      )}
      <TextFact
        name="Agent"
        value={[evidence['agent.name'], evidence['agent.version']].filter(Boolean).join(' ')}
      />
    </>
  );
}

function Group({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <div class="fact-group">
      <h2>{title}</h2>
      <dl>{children}</dl>
    </div>
  );
}

function Fact({ name, note, children }: { name: string; note?: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class="untrusted">
        {children}
        {note && <span class="note">{note}</span>}
      </dd>
    </div>
  );
}

function TextFact({ name, value }: { name: string; value: string | undefined }) {
  return value ? <Fact name={name}>{value}</Fact> : null;
}

function SizeFact({ name, value }: { name: string; value: number | undefined }) {
  return value ? <Fact name={name}>{formatBytes(value)}</Fact> : null;
}

function IdFact({ name, value, href }: { name: string; value: string | undefined; href?: string }) {
  if (!value) return null;
  return (
    <Fact name={name}>
      <Copyable value={value} label={`the ${name.toLowerCase()} id`} href={href} title="Open the trace" />
    </Fact>
  );
}

function FilterFact(props: { name: string; filter: 'session' | 'application'; value: string | undefined }) {
  if (!props.value) return null;
  const filters: Filters = { ...defaultFilters, range: 'all', [props.filter]: props.value };
  return (
    <Fact name={props.name}>
      <Copyable
        value={props.value}
        label={`the ${props.name.toLowerCase()} id`}
        href={`/${formatFilters(filters)}`}
        title={`All requests of this ${props.filter}`}
      />
    </Fact>
  );
}

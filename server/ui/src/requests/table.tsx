import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Link, useLocation } from 'wouter-preact';
import type { Request } from '../api/types.ts';
import { ErrorIcon } from '../components/icons.tsx';
import { useShortcuts } from '../components/shortcuts.ts';
import { RelativeTime } from '../components/time.tsx';
import { ReasonText, VerdictBadge } from '../components/verdict.tsx';
import { rememberOpened, takeOpened } from '../listlocation.ts';
import { formatDuration, formatExact, shortOrigin, splitUrl } from '../model/format.ts';
import { errorLabel, serverTimingHint, traceContextHint } from '../model/verdict.ts';

/** RequestTable lists requests; each row is one link, and one of them is the table's stop for Tab. */
export function RequestTable({ requests }: { requests: Request[] }) {
  const body = useRef<HTMLTableSectionElement>(null);
  const [, navigate] = useLocation();
  const [active, setActive] = useState('');
  const activeIndex = Math.max(
    0,
    requests.findIndex((request) => request.id === active),
  );
  const scale = useMemo(() => durationScale(requests), [requests]);

  const focusRow = (index: number) => {
    const links = body.current?.querySelectorAll<HTMLAnchorElement>('a.rowlink');
    const link = links?.[Math.max(0, Math.min(index, (links?.length ?? 1) - 1))];
    link?.focus();
    link?.closest('tr')?.scrollIntoView({ block: 'nearest' });
  };
  const focused = () => body.current?.contains(document.activeElement) ?? false;
  const step = (by: number) => focusRow(focused() ? activeIndex + by : activeIndex);
  const onlyInside = (by: number) => {
    if (!focused()) return false;
    step(by);
    return true;
  };
  useShortcuts({
    j: () => step(1),
    k: () => step(-1),
    ArrowDown: () => onlyInside(1),
    ArrowUp: () => onlyInside(-1),
  });

  // biome-ignore lint/correctness/useExhaustiveDependencies: once, for the rows of the first drawing
  useLayoutEffect(() => {
    const opened = takeOpened();
    const index = opened ? requests.findIndex((request) => request.id === opened) : -1;
    if (index >= 0) focusRow(index);
  }, []);

  const open = (id: string) => {
    rememberOpened(id);
    navigate(`/requests/${encodeURIComponent(id)}`);
  };

  return (
    <table class="requesttable">
      <caption class="visually-hidden">Requests, newest first</caption>
      <thead>
        <tr>
          <th scope="col" class="c-verdict">
            Verdict
          </th>
          <th scope="col" class="c-reason">
            Reason
          </th>
          <th scope="col" class="c-method">
            Method
          </th>
          <th scope="col">URL</th>
          <th scope="col" class="c-kind">
            Kind
          </th>
          <th scope="col" class="c-status">
            Status
          </th>
          <th scope="col" class="c-duration">
            Duration
          </th>
          <th scope="col" class="c-time">
            Started
          </th>
        </tr>
      </thead>
      <tbody ref={body}>
        {requests.map((request, i) => (
          <Row
            key={request.id}
            request={request}
            tabbable={i === activeIndex}
            scale={scale}
            onFocus={setActive}
            onOpen={open}
          />
        ))}
      </tbody>
    </table>
  );
}

interface RowProps {
  request: Request;
  tabbable: boolean;
  scale: number;
  onFocus: (id: string) => void;
  onOpen: (id: string) => void;
}

function Row({ request, tabbable, scale, onFocus, onOpen }: RowProps) {
  const open = useRef(onOpen);
  open.current = onOpen;
  // The same element again tells Preact that nothing below changed: thousands of rows stay cheap.
  return useMemo(() => {
    const { origin, path, rest } = splitUrl(request['url.full']);
    const id = request.id;
    const error = request['error.reason'];
    const share = Math.min(1, request.duration_ms / scale);
    return (
      <tr
        class={`v-${request['link.status']}`}
        onClick={(event) => {
          const selecting = String(getSelection() ?? '') !== '';
          if (event.defaultPrevented || selecting || (event.target as Element).closest('a')) return;
          if (event.ctrlKey || event.metaKey)
            window.open(`/requests/${encodeURIComponent(id)}`, '_blank', 'noopener');
          else open.current(id);
        }}
      >
        <td>
          <VerdictBadge status={request['link.status']} />
        </td>
        <td class="reason" title={hints(request)}>
          <ReasonText reason={request['link.reason']} />
        </td>
        <td class="method untrusted">{request['http.request.method']}</td>
        <td class="url">
          <Link
            href={`/requests/${encodeURIComponent(id)}`}
            class="rowlink untrusted"
            tabIndex={tabbable ? 0 : -1}
            onFocus={() => onFocus(id)}
            onClick={() => rememberOpened(id)}
            title={request['url.full']}
          >
            <span class="origin">{shortOrigin(origin)}</span>
            <span class="path">{path}</span>
            <span class="rest">{rest}</span>
          </Link>
        </td>
        <td class="kind" title={request['performance.initiator_type']}>
          {request['request.kind']}
        </td>
        <td class="status">
          <StatusCode code={request['http.response.status_code']} error={error} />
        </td>
        <td
          class="duration"
          title={`${formatExact(request.duration_ms)}; the whole bar is ${formatDuration(scale)}`}
        >
          <span>{formatDuration(request.duration_ms)}</span>
          <i class="tinybar" aria-hidden="true">
            <i style={{ width: `${share * 100}%` }} />
          </i>
        </td>
        <td class="time">
          <RelativeTime value={request.start_time} />
        </td>
      </tr>
    );
  }, [request, tabbable, scale, onFocus]);
}

/** StatusCode shows the answer's status, or why there is none. */
export function StatusCode({ code, error }: { code: number | undefined; error: string | undefined }) {
  if (code) {
    return <span class={code >= 500 ? 'code bad' : code >= 400 ? 'code warn' : 'code'}>{code}</span>;
  }
  if (!error)
    return (
      <span class="faint" title="No status: not readable">
        –
      </span>
    );
  return (
    <span class="code bad untrusted" title={`error.reason: ${error}`}>
      <ErrorIcon /> {errorLabel(error)}
    </span>
  );
}

function hints(request: Request): string {
  const context = request['request.trace_context_hint'];
  const timing = request['request.server_timing_hint'];
  const lines = [
    `Trace context: ${context}${note(traceContextHint(context))}`,
    `Server-Timing: ${timing}${note(serverTimingHint(timing))}`,
  ];
  if (request['link.detail']) lines.push(`Detail: ${request['link.detail']}`);
  return lines.join('\n');
}

function note(text: string): string {
  return text && ` (${text})`;
}

/** durationScale returns the duration of a whole bar: the 90th percentile, so that one slow request does not flatten the rest. */
function durationScale(requests: Request[]): number {
  const sorted = requests.map((request) => request.duration_ms).sort((a, b) => a - b);
  return Math.max(1, sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.9))] ?? 1);
}

import { useMemo, useRef } from 'preact/hooks';
import { ChevronIcon, ErrorIcon } from '../components/icons.tsx';
import { formatDuration, formatExact } from '../model/format.ts';
import { place, type TimeWindow } from '../model/timeline.ts';
import type { Node } from '../model/tree.ts';

/** Height of a line in pixels, as in waterfall.css. */
export const rowHeight = 28;

const serviceColours = 8;

/** serviceClass returns the class that sets a service's colour; -1 is the frontend. */
export function serviceClass(service: number): string {
  return service < 0 ? 'svc-web' : `svc-${service % serviceColours}`;
}

const maxIndent = 16;

export interface RowLineProps {
  node: Node;
  /** Whether the parent is of the same service, whose name then need not stand twice. */
  sameService: boolean;
  index: number;
  /** Position among the visible lines. */
  at: number;
  window: TimeWindow;
  collapsed: boolean;
  active: boolean;
  selected: boolean;
  /** Whether a request's phases are drawn inside its bar. */
  showPhases: boolean;
  onFocus: (key: string) => void;
  onToggle: (key: string) => void;
  onOpen: (key: string) => void;
}

export function RowLine(props: RowLineProps) {
  const { node, sameService, index, at, window, collapsed, active, selected, showPhases, onFocus, onToggle } =
    props;
  const open = useRef(props.onOpen);
  open.current = props.onOpen;
  // The same element again tells Preact that nothing below changed.
  return useMemo(() => {
    const { row, type } = node;
    const error = type === 'phase' ? undefined : row.error;
    const foldable = node.descendants > 0;
    const service = type === 'span' ? row['service.name'] || 'unnamed service' : '';
    return (
      // biome-ignore lint/a11y/useKeyWithClickEvents: the treegrid handles the keys of all its rows
      <div
        class={`wf-row line t-${type} ${serviceClass(node.service)}${error ? ' failed' : ''}`}
        role="row"
        data-index={index}
        tabIndex={active ? 0 : -1}
        aria-rowindex={at + 2}
        aria-level={node.depth + 1}
        aria-expanded={foldable ? !collapsed : undefined}
        aria-selected={selected}
        style={{ top: `${at * rowHeight}px` }}
        onFocus={() => onFocus(node.key)}
        onClick={() => open.current(node.key)}
      >
        <div
          class="wf-name"
          role="gridcell"
          style={{ '--depth': String(Math.min(node.depth, maxIndent)) }}
          title={service ? `${service}: ${node.name}` : node.name}
        >
          {foldable ? (
            <button
              type="button"
              class="fold"
              tabIndex={-1}
              aria-label={collapsed ? `Expand ${node.descendants} rows` : 'Collapse'}
              data-collapsed={collapsed ? '' : undefined}
              onClick={(event) => {
                event.stopPropagation();
                event.currentTarget.closest<HTMLElement>('[data-index]')?.focus(); // where the arrow keys act
                onToggle(node.key);
              }}
            >
              <ChevronIcon />
            </button>
          ) : (
            <span class="fold" />
          )}
          <i class="dot" aria-hidden="true" />
          {service && <span class={sameService ? 'visually-hidden' : 'service untrusted'}>{service}</span>}
          <span class="name untrusted">{node.name}</span>
          {row.entry && type === 'span' && (
            <span class="tag" title="The span with which the backend answered the request">
              entry
            </span>
          )}
          {collapsed && foldable && <span class="tag count">+{node.descendants}</span>}
          {error && (
            <span class="failure">
              <ErrorIcon />
              <span class="visually-hidden">error: {error}</span>
            </span>
          )}
        </div>
        <div class="wf-duration" role="gridcell" title={formatExact(node.duration)}>
          {formatDuration(node.duration)}
        </div>
        <div class="wf-track" role="gridcell">
          <span class="visually-hidden">starts after {formatDuration(node.start)}</span>
          <Bar node={node} window={window} showPhases={showPhases} />
        </div>
      </div>
    );
  }, [node, sameService, index, at, window, collapsed, active, selected, showPhases, onFocus, onToggle]);
}

function Bar({ node, window, showPhases }: { node: Node; window: TimeWindow; showPhases: boolean }) {
  const { left, width } = place(node.start, node.duration, window);
  const style = { left: `${left}%`, width: `${width}%` };
  if (left > 100 || left + width < 0) {
    return <span class={`wf-off ${left > 100 ? 'right' : 'left'}`} aria-hidden="true" />;
  }
  if (node.type === 'phase') {
    const phase = node.row.phases?.[Number(node.key.slice(node.key.lastIndexOf('/') + 1))];
    return <span class={`bar phase p-${phaseClass(phase?.name)}`} style={style} aria-hidden="true" />;
  }
  const phases = node.type === 'request' && showPhases ? (node.row.phases ?? []) : [];
  return (
    <>
      <span class={`bar${phases.length > 0 ? ' shell' : ''}`} style={style} aria-hidden="true" />
      {phases.map((phase) => {
        const at = place(phase.start_ms, phase.duration_ms, window);
        return (
          <span
            key={phase.name}
            class={`bar phase p-${phaseClass(phase.name)}`}
            style={{ left: `${at.left}%`, width: `${at.width}%` }}
            aria-hidden="true"
          />
        );
      })}
      {node.row.events?.map((event, i) => (
        <span
          key={`${i}`}
          class={`mark${event.name === 'exception' ? ' bad' : ''}`}
          style={{ left: `${place(event.start_ms, 0, window).left}%` }}
          aria-hidden="true"
        />
      ))}
    </>
  );
}

const phaseClasses = new Set([
  'queueing',
  'redirect',
  'service_worker',
  'dns',
  'connect',
  'tls',
  'request',
  'waiting',
  'download',
]);

function phaseClass(name: string | undefined): string {
  return name && phaseClasses.has(name) ? name : 'other';
}

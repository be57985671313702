import { useCallback, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Trace } from '../api/types.ts';
import { useShortcuts } from '../components/shortcuts.ts';
import { formatCount, formatDuration } from '../model/format.ts';
import { place, ticks } from '../model/timeline.ts';
import { buildTree, type Move, move, nextError, reveal, visibleNodes } from '../model/tree.ts';
import { ClockNote } from './clocknote.tsx';
import { DetailPanel } from './panel.tsx';
import { RowLine, rowHeight, serviceClass } from './row.tsx';
import { useRowParam } from './rowparam.ts';
import { type Hover, Tooltip } from './tooltip.tsx';
import { useWindowRows } from './windowrows.ts';
import { useZoom } from './zoom.ts';

const tickCount = 8;

const moves: Record<string, Move> = {
  ArrowUp: 'up',
  ArrowDown: 'down',
  PageUp: 'pageUp',
  PageDown: 'pageDown',
  Home: 'first',
  End: 'last',
  ArrowRight: 'in',
  ArrowLeft: 'out',
};

/** Waterfall draws a trace: the browser's phases and the backend's spans on one axis of time. */
export function Waterfall({ trace, traceId, label }: { trace: Trace; traceId: string; label: string }) {
  const requests = trace.rows.filter((row) => row.type === 'request').length;
  const [phases, setPhases] = useState(requests <= 1);
  const tree = useMemo(() => buildTree(trace, phases), [trace, phases]);
  const { nodes, services } = tree;
  const [collapsed, setCollapsed] = useState<ReadonlySet<string>>(new Set());
  const visible = useMemo(() => visibleNodes(nodes, collapsed), [nodes, collapsed]);
  const [selected, select] = useRowParam();
  const [activeKey, setActiveKey] = useState(selected);
  const found = nodes.findIndex((node) => node.key === activeKey);
  // What is folded away cannot have the grid's tab stop: the row that it is folded into has it.
  const shownSet = useMemo(() => new Set(visible), [visible]);
  let active = Math.max(found, 0);
  while (active > 0 && !shownSet.has(active)) active = nodes[active]?.parent ?? 0;
  const errors = nodes.filter((node) => node.row.error && node.type !== 'phase').length;

  const grid = useRef<HTMLDivElement>(null);
  const track = useRef<HTMLDivElement>(null);
  const rows = useRef<HTMLDivElement>(null);
  const cursor = useRef<HTMLSpanElement>(null);
  const tell = useCallback((ms: number | null) => {
    if (cursor.current) cursor.current.textContent = ms === null ? '' : formatDuration(ms);
  }, []);
  const zoom = useZoom(grid, track, tree.bounds, tell);
  const [hover, setHover] = useState<Hover | null>(null);
  const hide = useCallback(() => setHover(null), []);
  const range = useWindowRows(rows, visible.length, rowHeight);

  const wantFocus = useRef(false);
  useLayoutEffect(() => {
    if (!wantFocus.current) return;
    wantFocus.current = false;
    const line = rows.current?.querySelector<HTMLElement>(`[data-index="${active}"]`);
    line?.focus({ preventScroll: true });
    line?.scrollIntoView({ block: 'nearest' });
  });

  const activate = (index: number) => {
    const node = nodes[index];
    if (!node) return;
    setCollapsed((old) => reveal(nodes, old, index));
    setActiveKey(node.key);
    wantFocus.current = true;
    if (selected) select(node.key);
  };
  const toggle = useCallback((key: string) => {
    setCollapsed((old) => {
      const next = new Set(old);
      if (!next.delete(key)) next.add(key);
      return next;
    });
  }, []);
  const open = (key: string) => {
    setActiveKey(key);
    select(key);
  };
  // Where the details go away, the focus goes back to their row.
  const wasSelected = useRef(selected);
  if (wasSelected.current && !selected) wantFocus.current = true;
  wasSelected.current = selected;

  // A link to a row: show it, wherever it stands.
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, for the address that the page was opened with
  useLayoutEffect(() => {
    if (!selected || found < 0) return;
    setCollapsed((old) => reveal(nodes, old, found));
    rows.current?.querySelector(`[data-index="${found}"]`)?.scrollIntoView({ block: 'nearest' });
  }, []);

  useShortcuts({
    e: () => activate(nextError(nodes, active)),
    j: () => activate(move(nodes, visible, collapsed, active, 'down').active),
    k: () => activate(move(nodes, visible, collapsed, active, 'up').active),
    '+': () => zoom.by(0.5),
    '=': () => zoom.by(0.5),
    '-': () => zoom.by(2),
    '0': zoom.reset,
  });

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (!(event.target as Element).matches('[data-index]')) return;
    const node = nodes[active];
    const how = Object.hasOwn(moves, event.key) ? moves[event.key] : undefined;
    if (how) {
      const step = move(nodes, visible, collapsed, active, how);
      if (step.toggle) toggle(step.toggle);
      if (step.active !== active) activate(step.active);
    } else if ((event.key === 'Enter' || event.key === ' ') && node) {
      open(node.key);
    } else return;
    event.preventDefault();
  };

  const drawn = visible.slice(range.first, range.end);
  const activeAt = visible.indexOf(active);
  // The row that holds the focus is kept, or the focus would be lost on scrolling.
  if (activeAt >= 0 && !drawn.includes(active)) {
    if (activeAt < range.first) drawn.unshift(active);
    else drawn.push(active);
  }
  const position = new Map(visible.map((index, at) => [index, at]));
  const axis = ticks(zoom.window, tickCount);
  const shown = nodes.find((node) => node.key === selected);
  const collapsible = nodes.some((node) => node.descendants > 0);

  if (nodes.length === 0) {
    return <p class="wf-empty">Nothing to draw: neither a request nor a span is stored.</p>;
  }
  return (
    <div class={`wf${shown ? ' with-panel' : ''}`}>
      <div class="wf-tools" role="toolbar" aria-label="Waterfall" aria-controls="wf-grid">
        <ul class="wf-legend" aria-label="Services">
          {requests > 0 && (
            <li class="svc-web">
              <i aria-hidden="true" /> browser
            </li>
          )}
          {services.map((service, i) => (
            <li key={service.name} class={serviceClass(i)}>
              <i aria-hidden="true" /> <span class="untrusted">{service.name || 'unnamed service'}</span>
              <span class="faint">{formatCount(service.spans)}</span>
            </li>
          ))}
        </ul>
        {errors > 0 && (
          <button
            type="button"
            class="button small danger"
            onClick={() => activate(nextError(nodes, active))}
            title="Next error (e)"
          >
            {errors === 1 ? '1 error' : `${formatCount(errors)} errors`}
          </button>
        )}
        {requests > 0 && (
          <button type="button" class="button small" aria-pressed={phases} onClick={() => setPhases(!phases)}>
            Phases
          </button>
        )}
        {collapsible && (
          <button
            type="button"
            class="button small"
            onClick={() => {
              const roots = nodes.filter((node) => node.descendants > 0 && node.depth > 0);
              setCollapsed(collapsed.size > 0 ? new Set() : new Set(roots.map((node) => node.key)));
            }}
          >
            {collapsed.size > 0 ? 'Expand all' : 'Collapse'}
          </button>
        )}
        <fieldset class="zoomer">
          <legend class="visually-hidden">Zoom</legend>
          <button
            type="button"
            class="button small"
            onClick={() => zoom.by(2)}
            disabled={!zoom.zoomed}
            aria-label="Zoom out"
          >
            −
          </button>
          <button type="button" class="button small" onClick={() => zoom.by(0.5)} aria-label="Zoom in">
            +
          </button>
          <button type="button" class="button small" onClick={zoom.reset} disabled={!zoom.zoomed}>
            Show all
          </button>
        </fieldset>
      </div>
      {trace.truncated && (
        <p class="wf-note" role="note">
          The trace has more spans than are shown here.
        </p>
      )}
      <div class="wf-body">
        <div
          class="wf-grid"
          id="wf-grid"
          ref={grid}
          role="treegrid"
          aria-label={label}
          aria-rowcount={visible.length + 1}
          aria-colcount={3}
          onKeyDown={onKeyDown}
          onPointerMove={(event) => setHover(hoverOf(event))}
          onPointerLeave={hide}
        >
          <div class="wf-head" role="rowgroup">
            <div class="wf-row" role="row" aria-rowindex={1}>
              <div class="wf-name" role="columnheader">
                Name
              </div>
              <div class="wf-duration" role="columnheader">
                Duration
              </div>
              <div class="wf-track" role="columnheader" aria-label="Time">
                <div class="wf-axis" ref={track} title="Drag to zoom">
                  {axis.map((tick) => {
                    const { left } = place(tick.ms, 0, zoom.window);
                    return (
                      <span key={tick.ms} class={left > 92 ? 'before' : ''} style={{ left: `${left}%` }}>
                        {tick.label}
                      </span>
                    );
                  })}
                </div>
              </div>
            </div>
            <span class="wf-cursor-label" ref={cursor} aria-hidden="true" />
          </div>
          <div
            class="wf-rows"
            role="rowgroup"
            ref={rows}
            style={{ height: `${visible.length * rowHeight}px` }}
          >
            <div class="wf-lines" aria-hidden="true">
              <div>
                {axis.map((tick) => (
                  <i key={tick.ms} style={{ left: `${place(tick.ms, 0, zoom.window).left}%` }} />
                ))}
                {zoom.drag && (
                  <b style={percent(place(zoom.drag.from, zoom.drag.to - zoom.drag.from, zoom.window))} />
                )}
              </div>
            </div>
            {drawn.map((index) => {
              const node = nodes[index];
              if (!node) return null;
              return (
                <RowLine
                  key={node.key}
                  node={node}
                  sameService={nodes[node.parent]?.service === node.service}
                  index={index}
                  at={position.get(index) ?? 0}
                  window={zoom.window}
                  collapsed={collapsed.has(node.key)}
                  active={index === active}
                  selected={node.key === selected}
                  showPhases={!phases || collapsed.has(node.key)}
                  onFocus={setActiveKey}
                  onToggle={toggle}
                  onOpen={open}
                />
              );
            })}
          </div>
          <div class="wf-cursor" aria-hidden="true" />
        </div>
        {shown && <DetailPanel node={shown} nodes={nodes} traceId={traceId} onClose={() => select('')} />}
      </div>
      {trace.clock || requests === 0 ? (
        <ClockNote clock={trace.clock} />
      ) : (
        <p class="wf-note">
          Clocks: the times of each request are shifted by its own offset; its details tell it.
        </p>
      )}
      {hover && nodes[hover.index] && <Tooltip hover={hover} nodes={nodes} onHide={hide} />}
    </div>
  );
}

export function percent({ left, width }: { left: number; width: number }) {
  return { left: `${left}%`, width: `${width}%` };
}

function hoverOf(event: PointerEvent): Hover | null {
  const target = event.target as Element;
  if (event.buttons !== 0 || !target.closest('.wf-track')) return null;
  const line = target.closest<HTMLElement>('[data-index]');
  if (!line) return null;
  return { index: Number(line.dataset.index), x: event.clientX, y: event.clientY };
}

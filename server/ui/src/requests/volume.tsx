import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Request } from '../api/types.ts';
import { type Filters, timeSpan } from '../model/filters.ts';
import { formatAbsolute, formatClock, formatTick } from '../model/format.ts';
import { describeCounts, type Volume, volume } from '../model/summary.ts';
import { statuses, statusLabels } from '../model/verdict.ts';
import type { Change } from './filterbar.tsx';

const bucketCount = 60;
const plotHeight = 84;
const axisHeight = 20;
/** A drag shorter than this, in pixels, is a click. */
const dragPixels = 4;

/** VolumeChart shows the verdicts of the loaded rows over time; dragging over it selects a range. */
export function VolumeChart(props: {
  requests: Request[];
  filters: Filters;
  change: Change;
  now: number;
  more: boolean;
}) {
  const { requests, filters, now, more } = props;
  const data = useMemo(
    () => volume(requests, timeSpan(filters, now), now, more, bucketCount),
    [requests, filters, now, more],
  );
  const latest = useRef({ data, change: props.change });
  latest.current = { data, change: props.change };
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [pointed, setPointed] = useState<number | null>(null);

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const chart = new uPlot(options(element, latest, setPointed), columns(latest.current.data), element);
    plot.current = chart;
    const resize = new ResizeObserver(() => {
      const width = element.clientWidth;
      if (width !== chart.width) chart.setSize({ width, height: plotHeight });
    });
    resize.observe(element);
    const repaint = () => chart.redraw();
    const theme = new MutationObserver(repaint);
    theme.observe(document.documentElement, { attributeFilter: ['data-theme'] });
    const system = matchMedia('(prefers-color-scheme: dark)');
    system.addEventListener('change', repaint);
    return () => {
      resize.disconnect();
      theme.disconnect();
      system.removeEventListener('change', repaint);
      chart.destroy();
    };
  }, []);
  useLayoutEffect(() => plot.current?.setData(columns(data)), [data]);

  const label =
    `Loaded requests over time, ${formatAbsolute(data.from)} to ${formatAbsolute(data.to)}, ` +
    `at most ${data.max} in a column${data.cut ? '; earlier ones are not loaded' : ''}`;
  const bucket = pointed === null ? undefined : data.buckets[pointed];
  return (
    <figure class="volume">
      <div class="volume-plot" ref={box} role="img" aria-label={label} title="Drag to select a time range" />
      <figcaption>
        {bucket ? (
          <>
            <strong>{formatClock(bucket.from, now)}</strong> to {formatClock(bucket.to, now)}:{' '}
            {describeCounts(bucket.counts, (status) => statusLabels[status]) || 'none'}
          </>
        ) : (
          <>
            {formatColumn((data.to - data.from) / bucketCount)} a column
            {data.cut && ' · earlier ones are not loaded'}
          </>
        )}
      </figcaption>
    </figure>
  );
}

/** Series are drawn one over the other, so each holds its own count and those of all below it, the highest first. */
const stacked = [...statuses].reverse();

function columns({ buckets }: Volume): uPlot.AlignedData {
  const below = (last: number) => (bucket: Volume['buckets'][number]) =>
    statuses.slice(0, last + 1).reduce((sum, status) => sum + bucket.counts[status], 0);
  return [
    buckets.map((bucket) => bucket.from),
    ...stacked.map((status) => buckets.map(below(statuses.indexOf(status)))),
  ];
}

function options(
  element: HTMLElement,
  latest: { current: { data: Volume; change: Change } },
  point: (bucket: number | null) => void,
): uPlot.Options {
  const shown = () => latest.current.data;
  const bars = uPlot.paths.bars?.({ size: [0.8, Number.POSITIVE_INFINITY], align: 1 });
  const muted = () => colour(element, 'color: var(--ink-3)');
  const rule = () => colour(element, 'color: var(--rule)');
  return {
    width: element.clientWidth,
    height: plotHeight,
    ms: 1,
    padding: [6, 8, 0, 0],
    legend: { show: false },
    scales: {
      x: { time: true, range: () => [shown().from, shown().to] },
      y: { range: () => [0, shown().max] },
    },
    series: [
      {},
      ...stacked.map((status) => ({
        ...(bars && { paths: bars }),
        points: { show: false },
        width: 0,
        fill: () => colour(element, 'color: var(--v-solid)', `v-${status}`),
      })),
    ],
    axes: [
      {
        size: axisHeight,
        gap: 2,
        space: 80,
        font: `11px ${getComputedStyle(element).fontFamily}`,
        stroke: muted,
        grid: { show: false },
        ticks: { stroke: rule, size: 4, width: 1 },
        values: (_, splits, __, ___, step) => splits.map((time) => formatTick(time, step)),
      },
      {
        size: (_, values) => 12 + 7 * Math.max(1, ...(values ?? []).map((value) => value.length)),
        gap: 4,
        space: 26,
        font: `11px ${getComputedStyle(element).fontFamily}`,
        stroke: muted,
        grid: { stroke: rule, width: 1 },
        ticks: { show: false },
        incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000],
      },
    ],
    cursor: {
      y: false,
      points: { show: false },
      drag: { x: true, y: false, setScale: false, dist: dragPixels },
    },
    hooks: {
      setCursor: [
        (chart) => {
          const { left } = chart.cursor;
          const { from, to } = shown();
          const at = chart.posToVal(left ?? -1, 'x');
          point(
            left === undefined || left < 0 ? null : Math.floor(((at - from) / (to - from)) * bucketCount),
          );
        },
      ],
      setSelect: [
        (chart) => {
          const { left, width } = chart.select;
          if (width < dragPixels) return;
          const at = (pixels: number) => new Date(Math.round(chart.posToVal(pixels, 'x'))).toISOString();
          const [from, to] = [at(left), at(left + width)];
          chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          latest.current.change({ range: 'custom', from, to });
        },
      ],
    },
  };
}

/** The canvas knows no custom properties, so an element that does says what a colour is right now. */
function colour(within: HTMLElement, style: string, name = ''): string {
  const probe = document.createElement('i');
  probe.className = name;
  probe.style.cssText = style;
  within.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function formatColumn(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 90_000) return `${Math.round(ms / 1000)} s`;
  if (ms < 5_400_000) return `${Math.round(ms / 60_000)} min`;
  return `${(ms / 3_600_000).toFixed(1)} h`;
}

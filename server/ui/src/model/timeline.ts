// The time axis: what a stretch of milliseconds looks like in percent, and where its ticks stand.

/** Span of time in milliseconds after the start of the trace. */
export interface TimeWindow {
  from: number;
  to: number;
}

/** The least that can be zoomed into, in milliseconds. */
export const minWindow = 0.01;

const steps = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000,
  600_000, 1_800_000, 3_600_000,
];

/** tickStep returns the least round step that makes at most count ticks. */
export function tickStep(length: number, count: number): number {
  const least = length / Math.max(1, count);
  if (!(least > 0)) return 1;
  if (least > 1) {
    const step = steps.find((candidate) => candidate >= least);
    if (step !== undefined) return step;
    const hours = 3_600_000;
    return Math.ceil(least / hours) * hours;
  }
  const power = 10 ** Math.floor(Math.log10(least));
  const digit = [1, 2, 5, 10].find((candidate) => candidate * power >= least * (1 - 1e-9)) ?? 10;
  return digit * power;
}

export interface Tick {
  ms: number;
  label: string;
}

/** ticks returns the ticks of a window, at most count + 1, all in one unit. */
export function ticks({ from, to }: TimeWindow, count: number): Tick[] {
  const step = tickStep(to - from, count);
  const result: Tick[] = [];
  const first = Math.ceil(from / step - 1e-9);
  const last = Math.floor(to / step + 1e-9);
  for (let i = first; i <= last; i++) {
    const ms = i * step;
    result.push({ ms, label: tickLabel(ms, step) });
  }
  return result;
}

function tickLabel(ms: number, step: number): string {
  if (ms === 0) return '0';
  if (step >= 60_000) return `${round(ms / 60_000, 0)} min`;
  if (step >= 1_000) return `${round(ms / 1_000, 0)} s`;
  if (step >= 100 && Math.abs(ms) >= 1_000) return `${round(ms / 1_000, 1)} s`;
  const digits = step >= 1 ? 0 : Math.ceil(-Math.log10(step) - 1e-9);
  return `${round(ms, digits)} ms`;
}

function round(value: number, digits: number): string {
  return value.toFixed(digits).replace('-', '−');
}

/** place returns a stretch's left edge and width in percent of the window. */
export function place(start: number, duration: number, window: TimeWindow): { left: number; width: number } {
  const length = Math.max(window.to - window.from, Number.MIN_VALUE);
  return { left: ((start - window.from) / length) * 100, width: (Math.max(duration, 0) / length) * 100 };
}

/** zoom scales a window by factor around the moment at, and keeps it inside bounds. */
export function zoom(window: TimeWindow, bounds: TimeWindow, at: number, factor: number): TimeWindow {
  const length = Math.max((window.to - window.from) * factor, minWindow);
  if (length >= bounds.to - bounds.from) return bounds;
  const share = (at - window.from) / (window.to - window.from);
  return shift({ from: at - share * length, to: at + (1 - share) * length }, bounds, 0);
}

/** shift moves a window by some milliseconds and keeps it inside bounds. */
export function shift(window: TimeWindow, bounds: TimeWindow, by: number): TimeWindow {
  const length = window.to - window.from;
  const from = Math.min(Math.max(window.from + by, bounds.from), bounds.to - length);
  return { from, to: from + length };
}

/** selection orders the two ends of a drag and widens it to the least window. */
export function selection(a: number, b: number, bounds: TimeWindow): TimeWindow {
  const from = Math.max(Math.min(a, b), bounds.from);
  const to = Math.min(Math.max(a, b), bounds.to);
  if (to - from >= minWindow) return { from, to };
  return shift({ from, to: from + minWindow }, bounds, 0);
}

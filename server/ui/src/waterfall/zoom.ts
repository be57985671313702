import type { RefObject } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { selection, shift, type TimeWindow, zoom } from '../model/timeline.ts';

const wheelStep = 1.15;
const dragPixels = 4;

export interface Zoom {
  window: TimeWindow;
  zoomed: boolean;
  /** The stretch being dragged, null where none is. */
  drag: TimeWindow | null;
  by: (factor: number) => void;
  reset: () => void;
}

/**
 * useZoom keeps the stretch of time that is shown. Dragging over the track selects a
 * stretch, the wheel with Ctrl zooms at the pointer, and with Shift moves along. The
 * pointer's place is written into --cursor on the grid; tell is called with its moment.
 */
export function useZoom(
  grid: RefObject<HTMLElement | null>,
  track: RefObject<HTMLElement | null>,
  bounds: TimeWindow,
  tell: (ms: number | null) => void,
): Zoom {
  const [view, setView] = useState<TimeWindow | null>(null);
  const [drag, setDrag] = useState<TimeWindow | null>(null);
  const current = view ?? bounds;
  const state = useRef({ current, bounds, tell });
  state.current = { current, bounds, tell };
  const show = useRef((next: TimeWindow) => {
    const { from, to } = state.current.bounds;
    setView(next.from <= from && next.to >= to ? null : next);
  });

  useLayoutEffect(() => {
    const element = grid.current;
    if (!element) return;
    let start: { x: number; ms: number } | null = null;
    let last: TimeWindow | null = null;

    const moment = (clientX: number): number => {
      const box = track.current?.getBoundingClientRect();
      const { from, to } = state.current.current;
      if (!box || box.width === 0) return from;
      return from + Math.min(1, Math.max(0, (clientX - box.left) / box.width)) * (to - from);
    };
    const overTrack = (event: MouseEvent): boolean => {
      const box = track.current?.getBoundingClientRect();
      return box !== undefined && event.clientX >= box.left && event.clientX <= box.right;
    };
    const leave = () => {
      element.style.removeProperty('--cursor');
      state.current.tell(null);
    };
    const onMove = (event: PointerEvent) => {
      if (start && Math.abs(event.clientX - start.x) > dragPixels) {
        if (!last) element.setPointerCapture(event.pointerId);
        last = selection(start.ms, moment(event.clientX), state.current.bounds);
        setDrag(last);
      }
      if (!overTrack(event)) return leave();
      const left = element.getBoundingClientRect().left;
      element.style.setProperty('--cursor', `${event.clientX - left}px`);
      state.current.tell(moment(event.clientX));
    };
    const onDown = (event: PointerEvent) => {
      if (event.button === 0 && event.pointerType === 'mouse' && overTrack(event)) {
        start = { x: event.clientX, ms: moment(event.clientX) };
        last = null;
      }
    };
    const onUp = () => {
      if (last) show.current(last);
      start = null;
      setDrag(null);
    };
    const onCancel = () => {
      start = last = null;
      setDrag(null);
    };
    // The click that ends a drag opens nothing.
    const onClick = (event: MouseEvent) => {
      if (last) event.stopPropagation();
      last = null;
    };
    const onWheel = (event: WheelEvent) => {
      const { current: now, bounds: all } = state.current;
      if (event.ctrlKey || event.metaKey) {
        show.current(zoom(now, all, moment(event.clientX), event.deltaY > 0 ? wheelStep : 1 / wheelStep));
      } else if (event.shiftKey && now !== all) {
        const by = (event.deltaY || event.deltaX) > 0 ? 0.1 : -0.1;
        show.current(shift(now, all, by * (now.to - now.from)));
      } else return;
      event.preventDefault();
    };
    element.addEventListener('pointermove', onMove);
    element.addEventListener('pointerleave', leave);
    element.addEventListener('pointerdown', onDown);
    element.addEventListener('pointerup', onUp);
    element.addEventListener('pointercancel', onCancel);
    element.addEventListener('click', onClick, true);
    element.addEventListener('wheel', onWheel, { passive: false });
    return () => {
      element.removeEventListener('pointermove', onMove);
      element.removeEventListener('pointerleave', leave);
      element.removeEventListener('pointerdown', onDown);
      element.removeEventListener('pointerup', onUp);
      element.removeEventListener('pointercancel', onCancel);
      element.removeEventListener('click', onClick, true);
      element.removeEventListener('wheel', onWheel);
    };
  }, [grid, track]);

  return {
    window: current,
    zoomed: view !== null,
    drag,
    by: (factor) => show.current(zoom(current, bounds, (current.from + current.to) / 2, factor)),
    reset: () => setView(null),
  };
}

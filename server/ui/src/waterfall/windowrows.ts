import type { RefObject } from 'preact';
import { useLayoutEffect, useState } from 'preact/hooks';

/** Rows drawn above and below what is seen. */
const overscan = 16;

/**
 * useWindowRows returns the range of rows, of equal height in pixels, that the
 * browser window shows of a long list, so that only those need to be drawn.
 */
export function useWindowRows(
  list: RefObject<HTMLElement | null>,
  count: number,
  rowHeight: number,
): { first: number; end: number } {
  const [range, setRange] = useState({ first: 0, end: Math.min(count, 64) });
  useLayoutEffect(() => {
    let frame = 0;
    const measure = () => {
      frame = 0;
      if (!list.current) return;
      const top = -list.current.getBoundingClientRect().top / rowHeight;
      // In steps, so that most scrolling draws nothing new.
      const first = Math.max(0, Math.floor(top / 8) * 8 - overscan);
      const seen = Math.ceil(window.innerHeight / rowHeight);
      const end = Math.min(count, Math.max(0, Math.ceil((top + seen) / 8) * 8) + overscan);
      setRange((old) => (old.first === first && old.end === end ? old : { first, end }));
    };
    const schedule = () => {
      frame ||= requestAnimationFrame(measure);
    };
    measure();
    const resize = new ResizeObserver(schedule);
    resize.observe(document.body);
    window.addEventListener('scroll', schedule, { passive: true });
    return () => {
      cancelAnimationFrame(frame);
      resize.disconnect();
      window.removeEventListener('scroll', schedule);
    };
  }, [list, count, rowHeight]);
  return range;
}

import { useEffect, useState } from 'preact/hooks';
import { formatAbsolute, formatClock, formatRelative } from '../model/format.ts';

const tickMs = 5_000;
const listeners = new Set<(now: number) => void>();
let timer: ReturnType<typeof setInterval> | undefined;

/** useNow returns the time of day and renders again every five seconds; one timer serves all. */
export function useNow(): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    listeners.add(setNow);
    timer ??= setInterval(() => {
      const time = Date.now();
      for (const listener of listeners) listener(time);
    }, tickMs);
    return () => {
      listeners.delete(setNow);
      if (listeners.size === 0) {
        clearInterval(timer);
        timer = undefined;
      }
    };
  }, []);
  return now;
}

/** RelativeTime shows how long ago a time was; hovering shows it in full. */
export function RelativeTime({ value }: { value: string }) {
  const now = useNow();
  const time = Date.parse(value);
  return (
    <time dateTime={value} title={formatAbsolute(time)}>
      {formatRelative(time, now)}
    </time>
  );
}

/** ClockTime shows the time of day and how long ago it was. */
export function ClockTime({ value }: { value: string }) {
  const now = useNow();
  const time = Date.parse(value);
  return (
    <time dateTime={value} title={formatAbsolute(time)}>
      {formatClock(time, now)} <span class="faint">({formatRelative(time, now)})</span>
    </time>
  );
}

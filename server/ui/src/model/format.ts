// Numbers, times and URLs as people read them.

/** formatDuration writes milliseconds with three significant digits: 0.42 ms, 8.1 ms, 412 ms, 1.24 s, 2 m 05 s. */
export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) return '–';
  const sign = ms < 0 ? '−' : '';
  const abs = Math.abs(ms);
  if (abs === 0) return '0 ms';
  if (abs < 0.995) return `${sign}${abs.toFixed(2)} ms`;
  if (abs < 9.95) return `${sign}${abs.toFixed(1)} ms`;
  if (abs < 999.5) return `${sign}${Math.round(abs)} ms`;
  if (abs < 9_995) return `${sign}${(abs / 1000).toFixed(2)} s`;
  if (abs < 59_950) return `${sign}${(abs / 1000).toFixed(1)} s`;
  const seconds = Math.round(abs / 1000);
  if (seconds < 3600) return `${sign}${Math.floor(seconds / 60)} m ${pad(seconds % 60)} s`;
  return `${sign}${Math.floor(seconds / 3600)} h ${pad(Math.floor((seconds % 3600) / 60))} m`;
}

/** formatExact writes milliseconds with all the digits that a browser's clock has. */
export function formatExact(ms: number): string {
  if (!Number.isFinite(ms)) return '–';
  return `${ms.toLocaleString('en-US', { minimumFractionDigits: 3, maximumFractionDigits: 3 })} ms`;
}

/** formatBytes writes a size with decimal units: 812 B, 14.2 kB, 3.1 MB. */
export function formatBytes(bytes: number): string {
  if (!Number.isFinite(bytes)) return '–';
  if (bytes < 1000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value < 99.95 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

/** formatRelative writes how long ago a time was: now, 12 s ago, 4 min ago, 3 h ago, 2 d ago; in 5 s where it is to come. */
export function formatRelative(time: number, now: number): string {
  if (Number.isNaN(time)) return '–';
  const past = now - time;
  const seconds = Math.round(Math.abs(past) / 1000);
  if (seconds < 2) return 'now';
  let text: string;
  if (seconds < 60) text = `${seconds} s`;
  else if (seconds < 3600) text = `${Math.floor(seconds / 60)} min`;
  else if (seconds < 48 * 3600) text = `${Math.floor(seconds / 3600)} h`;
  else text = `${Math.floor(seconds / 86_400)} d`;
  return past < 0 ? `in ${text}` : `${text} ago`;
}

/** formatClock writes a time of day, with the date where it is not today's: 14:03:22, 21 Nov 14:03:22. */
export function formatClock(time: number, now: number): string {
  if (Number.isNaN(time)) return '–';
  const date = new Date(time);
  const today = new Date(now);
  const clock = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
  const sameDay =
    date.getFullYear() === today.getFullYear() &&
    date.getMonth() === today.getMonth() &&
    date.getDate() === today.getDate();
  if (sameDay) return clock;
  return `${date.getDate()} ${date.toLocaleString('en-US', { month: 'short' })} ${clock}`;
}

/** formatTick writes a time on an axis, as exactly as the step between two ticks wants it: 14:03:22, 14:03, 21 Nov. */
export function formatTick(time: number, step: number): string {
  const date = new Date(time);
  const hours = date.getHours();
  const minutes = date.getMinutes();
  if (step >= 86_400_000 || (step >= 3_600_000 && hours === 0 && minutes === 0)) {
    return `${date.getDate()} ${date.toLocaleString('en-US', { month: 'short' })}`;
  }
  const clock = `${pad(hours)}:${pad(minutes)}`;
  return step < 60_000 ? `${clock}:${pad(date.getSeconds())}` : clock;
}

/** formatAbsolute writes a time in full, local, with milliseconds and the zone: 2026-11-23 14:03:22.120 UTC+01:00. */
export function formatAbsolute(time: number): string {
  if (Number.isNaN(time)) return '–';
  const date = new Date(time);
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  const clock = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
  return `${day} ${clock}.${pad(date.getMilliseconds(), 3)} ${zone(-date.getTimezoneOffset())}`;
}

function zone(minutes: number): string {
  if (minutes === 0) return 'UTC';
  const abs = Math.abs(minutes);
  return `UTC${minutes < 0 ? '−' : '+'}${pad(Math.floor(abs / 60))}:${pad(abs % 60)}`;
}

/** toLocalInput writes a time as the value of an input of type datetime-local; empty for no time. */
export function toLocalInput(time: number | null): string {
  if (time === null || Number.isNaN(time)) return '';
  const date = new Date(time);
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  return `${day}T${pad(date.getHours())}:${pad(date.getMinutes())}`;
}

export interface UrlParts {
  /** Scheme and host; empty where the text is not a URL with a host. */
  origin: string;
  path: string;
  /** Query and fragment. */
  rest: string;
}

/** splitUrl cuts a URL for display; text that is no URL is all path. Nothing is decoded or added. */
export function splitUrl(url: string): UrlParts {
  const match = /^([a-z][a-z0-9+.-]*:\/\/[^/?#]*)([^?#]*)(.*)$/is.exec(url);
  if (!match) return { origin: '', path: url, rest: '' };
  return { origin: match[1] ?? '', path: match[2] || '/', rest: match[3] ?? '' };
}

/** shortOrigin leaves out the scheme that nearly all have. */
export function shortOrigin(origin: string): string {
  return origin.replace(/^https:\/\//i, '');
}

/** shortId keeps the ends of a long id. */
export function shortId(id: string): string {
  return id.length <= 20 ? id : `${id.slice(0, 8)}…${id.slice(-6)}`;
}

/** formatValue writes an attribute's value as text. */
export function formatValue(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value === undefined) return '';
  return JSON.stringify(value) ?? String(value);
}

function pad(value: number, digits = 2): string {
  return String(value).padStart(digits, '0');
}

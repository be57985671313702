import type { Clock } from '../api/types.ts';
import { formatDuration, formatExact } from '../model/format.ts';

const sources = {
  server_timing: 'measured by the agent against the backend’s Server-Timing',
  beacon: 'estimated from the arrival of the beacon',
};

/** ClockNote says which correction was applied to the browser's times. */
export function ClockNote({ clock }: { clock: Clock | undefined }) {
  if (!clock) return null;
  const { offset_ms: offset, uncertainty_ms: uncertainty } = clock;
  const by = `${offset < 0 ? '' : '+'}${formatDuration(offset)}${uncertainty ? ` ± ${formatDuration(uncertainty)}` : ''}`;
  return (
    <p class="wf-note" title={`Server clock minus browser clock: ${formatExact(offset)}`}>
      Clock: the browser’s times are shifted by <strong>{by}</strong> onto the server’s clock,{' '}
      {sources[clock.source] ?? clock.source}
      {clock.fitted && ', and within that fitted to the entry span'}.
    </p>
  );
}

import type { Trace } from '../api/types.ts';
import { formatDuration, formatExact } from '../model/format.ts';
import { timeSplit } from '../model/timesplit.ts';

/** TimeSplit says in one line where the request's time went. */
export function TimeSplit({ trace }: { trace: Trace }) {
  const shares = timeSplit(trace);
  if (!shares || shares.length === 0) return null;
  return (
    <div class="timesplit">
      <div class="timesplit-bar" aria-hidden="true">
        {shares.map((share) => (
          <span key={share.name} class={`t-${share.name}`} style={{ flexGrow: String(share.ms) }} />
        ))}
      </div>
      <dl>
        {shares.map((share) => (
          <div key={share.name} title={formatExact(share.ms)}>
            <dt>
              <i class={`t-${share.name}`} aria-hidden="true" />
              {share.label}
            </dt>
            <dd>{formatDuration(share.ms)}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

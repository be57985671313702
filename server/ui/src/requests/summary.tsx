import { useMemo } from 'preact/hooks';
import type { Request } from '../api/types.ts';
import { VerdictGlyph } from '../components/icons.tsx';
import type { Filters } from '../model/filters.ts';
import { formatCount } from '../model/format.ts';
import { countStatuses, describeCounts, percent } from '../model/summary.ts';
import { statuses, statusLabels } from '../model/verdict.ts';
import type { Change } from './filterbar.tsx';
import { VolumeChart } from './volume.tsx';

/** Summary shows the verdicts of the loaded rows: their shares, and their volume over time. */
export function Summary(props: {
  requests: Request[];
  filters: Filters;
  change: Change;
  now: number;
  more: boolean;
}) {
  const { requests, filters, change } = props;
  const counts = useMemo(() => countStatuses(requests), [requests]);
  const shown = statuses.filter((status) => counts[status] > 0 || filters.status === status);
  return (
    <section class="summary" aria-label="Summary of the loaded requests">
      <div class="shares">
        <p class="shares-title">
          <strong>{formatCount(requests.length)}</strong> {requests.length === 1 ? 'request' : 'requests'}{' '}
          loaded
          {props.more && <span class="faint">, more on the server</span>}
        </p>
        <div
          class="sharebar"
          role="img"
          aria-label={describeCounts(counts, (status) => statusLabels[status])}
        >
          {statuses.map(
            (status) =>
              counts[status] > 0 && (
                <span key={status} class={`v-${status}`} style={{ flexGrow: String(counts[status]) }} />
              ),
          )}
        </div>
        <ul class="legend">
          {shown.map((status) => (
            <li key={status}>
              <button
                type="button"
                class={`legend-item v-${status}`}
                aria-pressed={filters.status === status}
                onClick={() => change({ status: filters.status === status ? '' : status, reason: '' })}
                title={
                  filters.status === status ? 'Show every verdict' : `Show ${statusLabels[status]} alone`
                }
              >
                <VerdictGlyph status={status} />
                <span>{statusLabels[status]}</span>
                <strong>{formatCount(counts[status])}</strong>
                <span class="faint">{percent(counts[status], requests.length)}</span>
              </button>
            </li>
          ))}
        </ul>
      </div>
      <VolumeChart {...props} />
    </section>
  );
}

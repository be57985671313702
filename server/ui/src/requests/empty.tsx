import { useQuery } from '@tanstack/preact-query';
import { newestQuery } from '../api/queries.ts';
import { CopyButton } from '../components/copy.tsx';
import { Notice } from '../components/notice.tsx';
import { RelativeTime } from '../components/time.tsx';
import { conditionCount, defaultFilters, type Filters, rangeLabels } from '../model/filters.ts';
import type { Change } from './filterbar.tsx';

/** EmptyList tells a filter that matches nothing from a server that has seen nothing yet. */
export function EmptyList({ filters, change }: { filters: Filters; change: Change }) {
  const newest = useQuery(newestQuery());
  if (newest.isPending) return null;
  const request = newest.data?.requests[0];
  if (newest.isSuccess && !request) return <Install />;
  const filtered = conditionCount(filters) > 0;
  const where = filters.range === 'custom' ? 'the chosen time range' : rangeLabels[filters.range];
  return (
    <Notice title={filtered ? 'No request matches these filters' : `No requests in ${where}`} role="status">
      {request && (
        <p>
          The newest request of all started <RelativeTime value={request.start_time} />.
        </p>
      )}
      <p class="actions">
        {filtered && (
          <button
            type="button"
            class="button"
            onClick={() =>
              change({ ...defaultFilters, range: filters.range, from: filters.from, to: filters.to })
            }
          >
            Clear the filters
          </button>
        )}
        {filters.range !== 'all' && (
          <button type="button" class="button" onClick={() => change({ range: 'all', from: '', to: '' })}>
            Look through all time
          </button>
        )}
      </p>
    </Notice>
  );
}

function Install() {
  const origin = window.location.origin;
  const tag = `<script src="${origin}/throughline.js" data-application-id="745a78fe5b6e57f6"></script>`;
  const endpoint = `OTEL_EXPORTER_OTLP_ENDPOINT=http://${window.location.hostname}:4318`;
  return (
    <section class="notice install">
      <h2>Waiting for the first request</h2>
      <p>This page fills as soon as a page with the agent is opened. Two steps:</p>
      <ol>
        <li>
          <h3>Add the agent to your pages</h3>
          <p>
            As the first script of the document’s head, so that it sees every request. The application id is
            16 hexadecimal digits that you choose.
          </p>
          <Snippet text={tag} label="the script element" />
        </li>
        <li>
          <h3>Send your backend’s spans</h3>
          <p>Any OpenTelemetry SDK or collector, over OTLP/HTTP (4318) or gRPC (4317).</p>
          <Snippet text={endpoint} label="the environment variable" />
        </li>
      </ol>
      <p class="faint">No application at hand? “throughline demo” runs one, with traffic.</p>
    </section>
  );
}

function Snippet({ text, label }: { text: string; label: string }) {
  return (
    <div class="snippet">
      <pre>
        <code>{text}</code>
      </pre>
      <CopyButton value={text} label={label} />
    </div>
  );
}

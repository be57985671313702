import type { RequestDetail } from '../api/types.ts';
import { VerdictGlyph } from '../components/icons.tsx';
import { shortOrigin, splitUrl } from '../model/format.ts';
import { knownStatus, reasonLabel, statusLabels } from '../model/verdict.ts';

/** ExplanationCard draws the line between browser and backend, and says what became of it. */
export function ExplanationCard({ detail }: { detail: RequestDetail }) {
  const { request, explanation, trace } = detail;
  const status = knownStatus(request['link.status']);
  const entry = trace.rows.find((row) => row.entry) ?? trace.rows.find((row) => row.type === 'span');
  const reason = request['link.reason'];
  return (
    <section class={`card explanation v-${status}`} aria-labelledby="explanation-title">
      <div class="linkline" data-status={status}>
        <div class="end">
          <span class="end-kind">Browser</span>
          <strong class="untrusted">{request['request.kind']}</strong>
          <span class="faint untrusted">{shortOrigin(splitUrl(request['url.full']).origin)}</span>
        </div>
        <div class="wire">
          <span class="wire-reason untrusted">{reason ? reasonLabel(reason) : statusLabels[status]}</span>
          <span class="wire-line" aria-hidden="true">
            <i />
            <VerdictGlyph status={status} />
            <i />
          </span>
          {request['link.detail'] && <span class="wire-detail untrusted">{request['link.detail']}</span>}
        </div>
        <div class={`end${entry ? '' : ' absent'}`}>
          <span class="end-kind">Backend</span>
          <strong class="untrusted">{entry ? entry['service.name'] || 'unnamed service' : 'no span'}</strong>
          <span class="faint untrusted">{entry ? entry.name : absent[status]}</span>
        </div>
      </div>
      <div class="words">
        <h2 id="explanation-title">{explanation.title}</h2>
        <p>{explanation.text}</p>
        {explanation.fix && (
          <p class="fix">
            <strong>What to do</strong> {explanation.fix}
          </p>
        )}
      </div>
    </section>
  );
}

const absent = {
  linked: 'not shown',
  partial: 'not shown',
  unlinked: 'nothing found',
  not_applicable: 'took no part',
  pending: 'may still arrive',
};

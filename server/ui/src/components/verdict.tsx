import { knownStatus, reasonLabel, statusLabels } from '../model/verdict.ts';
import { VerdictGlyph } from './icons.tsx';

/** VerdictBadge shows a verdict by colour, shape and word. */
export function VerdictBadge({ status, large }: { status: string; large?: boolean }) {
  const known = knownStatus(status);
  return (
    <span class={`verdict v-${known}${large ? ' large' : ''}`}>
      <VerdictGlyph status={known} />
      {statusLabels[known]}
    </span>
  );
}

/** ReasonText shows a reason in words, with the name that the API uses on hover. */
export function ReasonText({ reason }: { reason: string | undefined }) {
  if (!reason) return <span class="faint">–</span>;
  return <span title={`link.reason: ${reason}`}>{reasonLabel(reason)}</span>;
}

import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { LinkStatus } from '../api/types.ts';
import { statuses } from '../model/verdict.ts';
import { CloseIcon } from './icons.tsx';
import { enableShortcuts, shortcutsEnabled } from './shortcuts.ts';
import { VerdictBadge } from './verdict.tsx';

const meanings: Record<LinkStatus, string> = {
  linked: 'The backend trace that answered the request was found.',
  partial: 'Joined, but something on the way lost part of the context.',
  unlinked: 'No backend trace could be found; the reason says why.',
  not_applicable: 'No backend took part: cache, service worker, never sent.',
  pending: 'Too young to say: late spans may still arrive.',
};

const keys: [string, string][] = [
  ['j  k', 'Next, previous row'],
  ['Enter', 'Open the row'],
  ['/', 'Go to the URL filter'],
  ['r', 'Refresh the list'],
  ['Esc', 'Close details, back to the list'],
  ['↑  ↓', 'Waterfall: move between rows'],
  ['←  →', 'Waterfall: collapse, expand, go to parent or child'],
  ['Home  End', 'Waterfall: first, last row'],
  ['e', 'Waterfall: next error'],
  ['+  −  0', 'Waterfall: zoom in, out, show all'],
  ['?', 'This help'],
];

export function HelpDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [enabled, setEnabled] = useState(shortcutsEnabled);
  useLayoutEffect(() => {
    if (open) dialog.current?.showModal();
  }, [open]);
  return (
    <dialog ref={dialog} class="help" onClose={onClose} aria-labelledby="help-title">
      <header>
        <h2 id="help-title">Help</h2>
        <form method="dialog">
          <button type="submit" class="button quiet square" aria-label="Close">
            <CloseIcon />
          </button>
        </form>
      </header>
      <div class="help-body">
        <section>
          <h3>Keys</h3>
          <dl>
            {keys.map(([key, text]) => (
              <div key={key}>
                <dt>
                  {key.split('  ').map((k) => (
                    <kbd key={k}>{k}</kbd>
                  ))}
                </dt>
                <dd>{text}</dd>
              </div>
            ))}
          </dl>
          <label class="check">
            <input
              type="checkbox"
              checked={enabled}
              onChange={(event) => {
                enableShortcuts(event.currentTarget.checked);
                setEnabled(event.currentTarget.checked);
              }}
            />
            Single-character keys act on the page
          </label>
        </section>
        <section>
          <h3>Verdicts</h3>
          <dl class="verdicts">
            {statuses.map((status) => (
              <div key={status}>
                <dt>
                  <VerdictBadge status={status} />
                </dt>
                <dd>{meanings[status]}</dd>
              </div>
            ))}
          </dl>
        </section>
      </div>
    </dialog>
  );
}

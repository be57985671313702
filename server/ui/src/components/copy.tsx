import { useEffect, useState } from 'preact/hooks';
import { Link } from 'wouter-preact';
import { shortId } from '../model/format.ts';
import { CheckIcon, CopyIcon } from './icons.tsx';

/** Copyable shows an id, as a link where it leads somewhere, with a button that copies it whole. */
export function Copyable(props: {
  value: string;
  label: string;
  full?: boolean;
  href?: string | undefined;
  /** What the link leads to. */
  title?: string;
}) {
  const { value, label, href } = props;
  const id = <code title={value}>{props.full ? value : shortId(value)}</code>;
  return (
    <span class="copyable">
      {href ? (
        <Link href={href} title={`${props.title ?? 'Open'}: ${value}`}>
          {id}
        </Link>
      ) : (
        id
      )}
      <CopyButton value={value} label={label} />
    </span>
  );
}

export function CopyButton({ value, label }: { value: string; label: string }) {
  const [state, setState] = useState<'' | 'copied' | 'failed'>('');
  useEffect(() => {
    if (!state) return;
    const timer = setTimeout(() => setState(''), 2_000);
    return () => clearTimeout(timer);
  }, [state]);
  const copy = async () => setState((await copyText(value)) ? 'copied' : 'failed');
  return (
    <button
      type="button"
      class="button quiet tiny"
      onClick={copy}
      aria-label={`Copy ${label}`}
      title={`Copy ${label}`}
    >
      {state === 'copied' ? <CheckIcon /> : <CopyIcon />}
      <span class="visually-hidden" role="status">
        {state === 'copied' ? 'Copied' : state === 'failed' ? 'Copying failed' : ''}
      </span>
    </button>
  );
}

// The clipboard API exists in secure contexts alone; plain http keeps the older way.
async function copyText(text: string): Promise<boolean> {
  try {
    if (navigator.clipboard) {
      await navigator.clipboard.writeText(text);
      return true;
    }
  } catch {
    // Refused: the older way may still work.
  }
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'visually-hidden';
  document.body.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  return done;
}

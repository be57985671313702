import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';

export function Notice(props: {
  title: string;
  children?: ComponentChildren;
  tone?: 'error';
  role?: 'alert' | 'status';
  /** Whether the notice stands in for the whole page, and so has its heading. */
  page?: boolean;
}) {
  const Heading = props.page ? 'h1' : 'h2';
  return (
    <section class={`notice${props.tone ? ` ${props.tone}` : ''}`} role={props.role}>
      <Heading>{props.title}</Heading>
      {props.children}
    </section>
  );
}

const slowMs = 3_000;

/** Slow says, after a while, that the work is still going on. */
export function Slow({ children }: { children: ComponentChildren }) {
  const [slow, setSlow] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setSlow(true), slowMs);
    return () => clearTimeout(timer);
  }, []);
  return (
    <p class="slow" role="status">
      {slow ? children : <span class="visually-hidden">Loading</span>}
    </p>
  );
}

/** Skeleton stands where rows will be. */
export function Skeleton({ rows, class: name = '' }: { rows: number; class?: string }) {
  return (
    <div class={`skeleton ${name}`} aria-hidden="true">
      {Array.from({ length: rows }, (_, i) => (
        <div key={i}>
          <span />
          <span />
          <span />
          <span />
        </div>
      ))}
    </div>
  );
}

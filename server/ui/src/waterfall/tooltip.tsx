import { useLayoutEffect, useRef } from 'preact/hooks';
import { formatExact, formatValue } from '../model/format.ts';
import type { Node } from '../model/tree.ts';

export interface Hover {
  index: number;
  x: number;
  y: number;
}

const attributeCount = 5;
const gap = 14;

/** Tooltip shows the exact times of the row under the pointer; the panel has all of it for the keyboard. */
export function Tooltip({ hover, nodes, onHide }: { hover: Hover; nodes: Node[]; onHide: () => void }) {
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    document.addEventListener('keydown', onHide);
    return () => document.removeEventListener('keydown', onHide);
  }, [onHide]);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const { offsetWidth, offsetHeight } = element;
    const right = hover.x + gap + offsetWidth;
    const below = hover.y + gap + offsetHeight;
    const left = right > window.innerWidth - 8 ? Math.max(8, hover.x - gap - offsetWidth) : hover.x + gap;
    const top = below > window.innerHeight - 8 ? Math.max(8, hover.y - gap - offsetHeight) : hover.y + gap;
    element.style.transform = `translate(${left}px, ${top}px)`;
  });
  const node = nodes[hover.index];
  if (!node) return null;
  const { row, type } = node;
  const attributes = type === 'phase' ? [] : Object.entries(row.attributes ?? {});
  return (
    <div class="tooltip" ref={box} role="tooltip">
      <strong class="untrusted">{node.name}</strong>
      {type === 'span' && <span class="faint untrusted">{row['service.name'] || 'unnamed service'}</span>}
      {type === 'phase' && <span class="faint untrusted">of {row.name}</span>}
      {type !== 'phase' && row.error && <p class="bad untrusted">{row.error}</p>}
      <dl>
        <Line name="Start" value={formatExact(node.start)} />
        <Line name="Duration" value={formatExact(node.duration)} />
        <Line name="End" value={formatExact(node.start + node.duration)} />
      </dl>
      {attributes.length > 0 && (
        <dl class="tooltip-attributes">
          {attributes.slice(0, attributeCount).map(([name, value]) => (
            <Line key={name} name={name} value={formatValue(value)} />
          ))}
        </dl>
      )}
      {attributes.length > attributeCount && (
        <span class="faint">{attributes.length - attributeCount} more: click</span>
      )}
    </div>
  );
}

function Line({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt class="untrusted">{name}</dt>
      <dd class="untrusted">{value}</dd>
    </div>
  );
}

// The waterfall's rows as a tree: phases folded in, subtrees collapsed.

import type { Phase, Trace, TraceRow } from '../api/types.ts';
import type { TimeWindow } from './timeline.ts';

/** Node is one line of the waterfall. */
export interface Node {
  /** Unique in the waterfall, stable while the data stays the same. */
  key: string;
  type: 'request' | 'span' | 'phase';
  depth: number;
  /** Index of the parent among all nodes; -1 for a root. */
  parent: number;
  /** Number of nodes below, whether collapsed or not. */
  descendants: number;
  start: number;
  duration: number;
  name: string;
  /** The row itself; for a phase the request that it is part of. */
  row: TraceRow;
  /** Position of the service among the trace's services; -1 for the frontend. */
  service: number;
}

export interface Service {
  name: string;
  spans: number;
  errors: number;
}

export interface Tree {
  nodes: Node[];
  /** In the order of their first span. */
  services: Service[];
  bounds: TimeWindow;
}

/** The names of phases in words. */
export const phaseLabels: Record<string, string> = {
  redirect: 'Redirect',
  queueing: 'Queueing',
  service_worker: 'Service worker',
  dns: 'DNS',
  connect: 'Connect',
  tls: 'TLS',
  request: 'Request sent',
  waiting: 'Waiting for answer',
  download: 'Download',
};

export function phaseLabel(name: string): string {
  return Object.hasOwn(phaseLabels, name) ? (phaseLabels[name] ?? name) : name;
}

/** buildTree lays out a trace; with phases, each phase of a request has a line of its own. */
export function buildTree(trace: Trace, phases: boolean): Tree {
  const nodes: Node[] = [];
  const services: Service[] = [];
  const serviceIndex = new Map<string, number>();
  const used = new Map<string, number>();
  // The last node seen at each depth: the candidates for a parent.
  const path: number[] = [];
  let from = 0;
  let to = Math.max(trace.duration_ms, 0);

  const add = (node: Omit<Node, 'parent' | 'descendants' | 'depth'>, wanted: number) => {
    const depth = Math.max(0, Math.min(wanted, path.length));
    path.length = depth;
    const parent = path[depth - 1] ?? -1;
    path.push(nodes.length);
    nodes.push({ ...node, depth, parent, descendants: 0 });
    from = Math.min(from, node.start);
    to = Math.max(to, node.start + node.duration);
  };

  for (const row of trace.rows) {
    let service = -1;
    if (row.type === 'span') {
      const name = row['service.name'] ?? '';
      service = serviceIndex.get(name) ?? services.length;
      serviceIndex.set(name, service);
      const entry = services[service] ?? { name, spans: 0, errors: 0 };
      services[service] = entry;
      entry.spans++;
      if (row.error) entry.errors++;
    }
    const id = `${row.type}:${row.id}`;
    const count = used.get(id) ?? 0;
    used.set(id, count + 1);
    const key = count === 0 ? id : `${id}#${count}`;
    add(
      { key, type: row.type, start: row.start_ms, duration: row.duration_ms, name: row.name, row, service },
      row.depth,
    );
    if (!phases) continue;
    const depth = (nodes.at(-1)?.depth ?? 0) + 1;
    (row.phases ?? []).forEach((phase: Phase, i) => {
      const start = phase.start_ms;
      const name = phaseLabel(phase.name);
      add(
        { key: `${key}/${i}`, type: 'phase', start, duration: phase.duration_ms, name, row, service },
        depth,
      );
    });
  }
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i];
    const parent = node && nodes[node.parent];
    if (parent) parent.descendants += node.descendants + 1;
  }
  return { nodes, services, bounds: { from, to: to > from ? to : from + 1 } };
}

/** visibleNodes returns the indexes of the nodes that no collapsed ancestor hides, in order. */
export function visibleNodes(nodes: readonly Node[], collapsed: ReadonlySet<string>): number[] {
  const result: number[] = [];
  for (let i = 0; i < nodes.length; i++) {
    const node = nodes[i];
    if (!node) break;
    result.push(i);
    if (collapsed.has(node.key)) i += node.descendants;
  }
  return result;
}

/** reveal returns the collapsed set without the ancestors of a node. */
export function reveal(nodes: readonly Node[], collapsed: ReadonlySet<string>, index: number): Set<string> {
  const result = new Set(collapsed);
  for (let i = nodes[index]?.parent ?? -1; i >= 0; i = nodes[i]?.parent ?? -1) {
    result.delete(nodes[i]?.key ?? '');
  }
  return result;
}

/** nextError returns the index of the first failed node after the given one, going round; -1 where none failed. */
export function nextError(nodes: readonly Node[], after: number): number {
  for (let step = 1; step <= nodes.length; step++) {
    const i = (after + step) % nodes.length;
    const node = nodes[i];
    if (node?.row.error && node.type !== 'phase') return i;
  }
  return -1;
}

export type Move = 'up' | 'down' | 'pageUp' | 'pageDown' | 'first' | 'last' | 'in' | 'out';

export interface Step {
  /** Index of the node that is active afterwards. */
  active: number;
  /** The node to collapse or expand, if that is what the move does. */
  toggle?: string;
}

/** The rows that a page key jumps over. */
export const pageRows = 10;

/** move returns what a key does in the tree, after the WAI-ARIA treegrid pattern. */
export function move(
  nodes: readonly Node[],
  visible: readonly number[],
  collapsed: ReadonlySet<string>,
  active: number,
  how: Move,
): Step {
  const at = Math.max(0, visible.indexOf(active));
  const last = visible.length - 1;
  const node = nodes[active];
  const to = (position: number): Step => ({
    active: visible[Math.max(0, Math.min(position, last))] ?? active,
  });
  switch (how) {
    case 'up':
      return to(at - 1);
    case 'down':
      return to(at + 1);
    case 'pageUp':
      return to(at - pageRows);
    case 'pageDown':
      return to(at + pageRows);
    case 'first':
      return to(0);
    case 'last':
      return to(last);
    case 'in':
      if (!node || node.descendants === 0) return { active };
      return collapsed.has(node.key) ? { active, toggle: node.key } : to(at + 1);
    case 'out':
      if (!node) return { active };
      if (node.descendants > 0 && !collapsed.has(node.key)) return { active, toggle: node.key };
      return node.parent >= 0 ? { active: node.parent } : { active };
  }
}

import { describe, expect, it } from 'vitest';
import type { Phase, Trace, TraceRow } from '../api/types.ts';
import { buildTree, move, nextError, reveal, visibleNodes } from './tree.ts';

function span(id: string, depth: number, extra: Partial<TraceRow> = {}): TraceRow {
  return { type: 'span', id, depth, start_ms: 0, duration_ms: 1, name: id, 'service.name': 'shop', ...extra };
}

function traceOf(rows: TraceRow[], duration = 10): Trace {
  return { start_time: '2026-11-23T12:00:00Z', duration_ms: duration, rows };
}

const request: TraceRow = {
  type: 'request',
  id: 'r',
  depth: 0,
  start_ms: 0,
  duration_ms: 10,
  name: 'GET /',
  phases: [
    { name: 'dns', start_ms: 0, duration_ms: 1 },
    { name: 'waiting', start_ms: 1, duration_ms: 8 },
    { name: 'mystery' as Phase['name'], start_ms: 9, duration_ms: 1 }, // of a newer server
  ],
};

// r { dns waiting mystery a { b { c } d } } e
const trace = traceOf([
  request,
  span('a', 1),
  span('b', 2, { 'service.name': 'catalog' }),
  span('c', 3, { 'service.name': 'catalog', error: 'boom' }),
  span('d', 2),
  span('e', 0, { error: 'late' }),
]);

const { nodes, services } = buildTree(trace, true);
const keys = (indexes: number[]) => indexes.map((i) => nodes[i]?.name);
const at = (name: string) => nodes.findIndex((node) => node.name === name);
const keyOf = (name: string) => nodes[at(name)]?.key ?? '';

describe('buildTree', () => {
  it('puts the phases of a request first, each with a line', () => {
    expect(nodes.map((node) => [node.name, node.depth, node.descendants])).toEqual([
      ['GET /', 0, 7],
      ['DNS', 1, 0],
      ['Waiting for answer', 1, 0],
      ['mystery', 1, 0],
      ['a', 1, 3],
      ['b', 2, 1],
      ['c', 3, 0],
      ['d', 2, 0],
      ['e', 0, 0],
    ]);
  });

  it('leaves them out where they are not wanted', () => {
    expect(buildTree(trace, false).nodes.map((node) => node.name)).toEqual([
      'GET /',
      'a',
      'b',
      'c',
      'd',
      'e',
    ]);
  });

  it('knows the services in the order in which they appear, with their errors', () => {
    expect(services).toEqual([
      { name: 'shop', spans: 3, errors: 1 },
      { name: 'catalog', spans: 2, errors: 1 },
    ]);
  });

  it('gives rows of one id different keys', () => {
    const twice = buildTree(traceOf([span('x', 0), span('x', 1), { ...request, id: 'x' }]), false).nodes;
    expect(new Set(twice.map((node) => node.key)).size).toBe(3);
  });

  it('bears depths that skip a parent, and times before the start', () => {
    const odd = buildTree(traceOf([span('x', 7), span('y', 9, { start_ms: -5 }), span('z', -3)]), false);
    expect(odd.nodes.map((node) => [node.depth, node.parent])).toEqual([
      [0, -1],
      [1, 0],
      [0, -1],
    ]);
    expect(odd.bounds).toEqual({ from: -5, to: 10 });
  });

  it('has a length even where nothing lasted', () => {
    expect(buildTree(traceOf([], 0), true)).toEqual({ nodes: [], services: [], bounds: { from: 0, to: 1 } });
  });
});

describe('collapsing', () => {
  it('hides the whole subtree and nothing else', () => {
    expect(keys(visibleNodes(nodes, new Set([keyOf('a')])))).toEqual([
      'GET /',
      'DNS',
      'Waiting for answer',
      'mystery',
      'a',
      'e',
    ]);
    expect(keys(visibleNodes(nodes, new Set([keyOf('GET /'), keyOf('b')])))).toEqual(['GET /', 'e']);
  });

  it('reveals a row by opening its ancestors alone', () => {
    const collapsed = new Set([keyOf('GET /'), keyOf('b'), keyOf('a')]);
    expect([...reveal(nodes, collapsed, at('b'))]).toEqual([keyOf('b')]);
  });
});

describe('moving by key', () => {
  const open = new Set<string>();
  const all = visibleNodes(nodes, open);

  it('goes up and down and stops at the ends', () => {
    expect(move(nodes, all, open, at('a'), 'down').active).toBe(at('b'));
    expect(move(nodes, all, open, at('a'), 'up').active).toBe(at('mystery'));
    expect(move(nodes, all, open, 0, 'up').active).toBe(0);
    expect(move(nodes, all, open, at('e'), 'down').active).toBe(at('e'));
    expect(move(nodes, all, open, 0, 'last').active).toBe(at('e'));
    expect(move(nodes, all, open, at('e'), 'first').active).toBe(0);
    expect(move(nodes, all, open, 0, 'pageDown').active).toBe(at('e'));
  });

  it('skips what is collapsed', () => {
    const collapsed = new Set([keyOf('a')]);
    const visible = visibleNodes(nodes, collapsed);
    expect(move(nodes, visible, collapsed, at('a'), 'down').active).toBe(at('e'));
  });

  it('to the right expands, then goes to the first child', () => {
    const collapsed = new Set([keyOf('a')]);
    const visible = visibleNodes(nodes, collapsed);
    expect(move(nodes, visible, collapsed, at('a'), 'in')).toEqual({ active: at('a'), toggle: keyOf('a') });
    expect(move(nodes, all, open, at('a'), 'in')).toEqual({ active: at('b') });
    expect(move(nodes, all, open, at('c'), 'in')).toEqual({ active: at('c') });
  });

  it('to the left collapses, then goes to the parent', () => {
    expect(move(nodes, all, open, at('b'), 'out')).toEqual({ active: at('b'), toggle: keyOf('b') });
    expect(move(nodes, all, open, at('c'), 'out')).toEqual({ active: at('b') });
    expect(move(nodes, all, open, at('e'), 'out')).toEqual({ active: at('e') });
  });

  it('finds the errors one after the other, going round', () => {
    expect(nextError(nodes, 0)).toBe(at('c'));
    expect(nextError(nodes, at('c'))).toBe(at('e'));
    expect(nextError(nodes, at('e'))).toBe(at('c'));
    expect(nextError(buildTree(traceOf([span('x', 0)]), false).nodes, 0)).toBe(-1);
  });
});

import { describe, expect, it } from 'vitest';
import { minWindow, place, selection, shift, tickStep, ticks, zoom } from './timeline.ts';

describe('ticks', () => {
  it.each([
    [0, 1284.6, 8, ['0', '200 ms', '400 ms', '600 ms', '800 ms', '1.0 s', '1.2 s']],
    [0, 10, 5, ['0', '2 ms', '4 ms', '6 ms', '8 ms', '10 ms']],
    [0, 0.5, 5, ['0', '0.1 ms', '0.2 ms', '0.3 ms', '0.4 ms', '0.5 ms']],
    [0.1, 0.13, 3, ['0.10 ms', '0.11 ms', '0.12 ms', '0.13 ms']],
    [-40, 100, 4, ['0', '50 ms', '100 ms']],
    [-120, 100, 4, ['−100 ms', '0', '100 ms']],
    [0, 4040, 8, ['0', '1 s', '2 s', '3 s', '4 s']],
    [0, 95_000, 7, ['0', '15 s', '30 s', '45 s', '60 s', '75 s', '90 s']],
    [0, 600_000, 5, ['0', '2 min', '4 min', '6 min', '8 min', '10 min']],
  ])('from %d to %d ms', (from, to, count, labels) => {
    expect(ticks({ from, to }, count).map((tick) => tick.label)).toEqual(labels);
  });

  it('are never more than asked for, at any scale', () => {
    for (let power = -3; power < 9; power += 0.1) {
      const to = 10 ** power;
      const found = ticks({ from: 0, to }, 6);
      expect(found.length).toBeLessThanOrEqual(7);
      expect(found.length).toBeGreaterThan(1);
      expect(new Set(found.map((tick) => tick.label)).size).toBe(found.length);
    }
  });

  it('have a step even where there is no length', () => {
    expect(tickStep(0, 5)).toBe(1);
    expect(tickStep(Number.NaN, 5)).toBe(1);
  });
});

it('place gives percent of the window', () => {
  expect(place(50, 25, { from: 0, to: 100 })).toEqual({ left: 50, width: 25 });
  expect(place(50, -5, { from: 40, to: 60 })).toEqual({ left: 50, width: 0 });
});

describe('zoom', () => {
  const bounds = { from: 0, to: 1000 };

  it('keeps the moment under the pointer where it is', () => {
    const next = zoom(bounds, bounds, 250, 0.5);
    expect(next).toEqual({ from: 125, to: 625 });
    expect(place(250, 0, next).left).toBe(25);
  });

  it('goes back to everything, and not beyond', () => {
    expect(zoom({ from: 100, to: 900 }, bounds, 500, 2)).toEqual(bounds);
    expect(zoom({ from: 0, to: 100 }, bounds, 0, 2)).toEqual({ from: 0, to: 200 });
  });

  it('stops at the least window', () => {
    const next = zoom({ from: 500, to: 500.02 }, bounds, 500, 0.0001);
    expect(next.to - next.from).toBeCloseTo(minWindow);
  });

  it('moves along inside the bounds', () => {
    expect(shift({ from: 800, to: 900 }, bounds, 500)).toEqual({ from: 900, to: 1000 });
    expect(shift({ from: 100, to: 200 }, bounds, -500)).toEqual({ from: 0, to: 100 });
  });

  it('takes a drag in either direction', () => {
    expect(selection(700, 300, bounds)).toEqual({ from: 300, to: 700 });
    expect(selection(-50, 5000, bounds)).toEqual(bounds);
    const point = selection(1000, 1000, bounds);
    expect(point.to).toBe(1000);
    expect(point.to - point.from).toBeCloseTo(minWindow);
  });
});

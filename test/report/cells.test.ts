import { describe, expect, it } from 'vitest';
import { mergedCells, SHADES } from '../../lib/report/cells.js';

const sides = (n: number) => Array.from({ length: n }, (_, i) => ({ low: i, high: i + 1 }));

describe('the cells of a field, merged', () => {
  it('cover every cell once, each in its own shade', () => {
    const [nx, ny] = [17, 23];
    const values = Array.from({ length: nx * ny }, (_, n) => {
      const [i, j] = [Math.floor(n / ny), n % ny];
      return Math.min(1, Math.max(0, Math.sin(i / 5) * Math.cos(j / 3) + (i > 8 ? 0.5 : 0)));
    });
    const painted = new Map<string, number>();
    for (const { xLow, xHigh, yLow, yHigh, value } of mergedCells(sides(nx), sides(ny), values))
      for (let i = xLow; i < xHigh; i++)
        for (let j = yLow; j < yHigh; j++) {
          expect(painted.has(`${i} ${j}`)).toBe(false);
          painted.set(`${i} ${j}`, value);
        }
    expect(painted.size).toBe(nx * ny);
    for (const [cell, value] of painted) {
      const [i, j] = cell.split(' ').map(Number) as [number, number];
      expect(Math.abs(value - values[i * ny + j])).toBeLessThanOrEqual(0.5001 / (SHADES - 1));
    }
  });

  it('are as few as the picture allows: one for a flat field, two for a straight edge', () => {
    expect(mergedCells(sides(100), sides(100), new Array(10_000).fill(0.75))).toHaveLength(1);
    const split = Array.from({ length: 10_000 }, (_, n) => (n % 100 < 40 ? 0 : 0.75));
    expect(mergedCells(sides(100), sides(100), split)).toHaveLength(2);
  });
});

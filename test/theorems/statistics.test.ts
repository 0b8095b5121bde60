import { describe, expect, it } from 'vitest';
import { Random } from '../../lib/theorems/random.js';
import { boundaries } from '../../lib/theorems/search.js';
import { criticalDistance, distance, symmetricBeta } from '../../lib/theorems/statistics.js';

describe('symmetricBeta', () => {
  it.each([
    [0.3, 1, 0.3],
    [0.3, 2, 3 * 0.3 ** 2 - 2 * 0.3 ** 3],
    [0.3, 0.5, (2 / Math.PI) * Math.asin(Math.sqrt(0.3))],
    [0.5, 17, 0.5],
  ])('I_%d(%d, .) = %d', (x, a, expected) => {
    expect(symmetricBeta(x, a)).toBeCloseTo(expected, 7);
  });
});

describe('distance', () => {
  it('is that of the steps', () => {
    expect(distance([1, 2, 3, 4], [1, 2, 3, 4])).toBe(0);
    expect(distance([1, 2], [3, 4])).toBe(1);
    expect(distance([1, 2, 3, 4], [2.5, 2.6, 2.7, 5])).toBe(0.5);
  });

  it('stays below the critical one for equal distributions and exceeds it for others', () => {
    const random = new Random(1, 'distance');
    const [a, b] = [random.normals(1000), random.normals(1000)];
    expect(distance(a, b)).toBeLessThan(criticalDistance(1000, 1e-3));
    expect(
      distance(
        a,
        b.map((v) => v + 0.5),
      ),
    ).toBeGreaterThan(criticalDistance(1000, 1e-9));
  });
});

describe('Random', () => {
  it('draws other streams for other seeds, names and trials', () => {
    const first = (...streams: (string | number)[]) => new Random(1, ...streams).uniform();
    expect(new Set([first('a', 1), first('a', 2), first('b', 1), new Random(2, 'a', 1).uniform()]).size).toBe(
      4,
    );
    expect(first('a', 1)).toBe(first('a', 1));
  });
});

describe('boundaries', () => {
  it('finds each boundary, and says where there is none', async () => {
    const at = [0.02, 3, 1e-9, 1e9];
    const found = await boundaries(4, [1e-3, 1e3], 40, async (s) => s.map((v, i) => v > at[i]));
    expect(found[0]).toBeCloseTo(0.02, 9);
    expect(found[1]).toBeCloseTo(3, 8);
    expect(found.slice(2)).toEqual([0, Number.POSITIVE_INFINITY]);
  });
});

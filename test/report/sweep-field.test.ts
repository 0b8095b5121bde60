import { expect, it } from 'vitest';
import { fieldOf } from '../../lib/report/sweep-figures.js';

it('a cell that a refined sweep has no point for has the value of the nearest, not 0', () => {
  // z leaks above x = 1; between the ends there are points beside the boundary alone.
  const xs = [0, 0.25, 0.5, 0.75, 1.25, 1.5, 1.75, 2];
  const ys = [0, 1, 2];
  const settings = [0, 0.75, 1.25, 2].flatMap((x) =>
    ys.map((y) => ({ parameters: { x, y }, leakage: x > 1 ? 1 : 0, actionError: 0, seeds: [] })),
  );
  const axis = (field: 'x' | 'y', last: number) => ({ field, title: field, domain: [0, last] as const });
  const { field, filled } = fieldOf(settings, ['x', 'y'], [axis('x', 2), axis('y', 2)], [xs, ys]);
  expect(filled).toBe(true);
  expect(field).toEqual(xs.flatMap((x) => ys.map(() => (x > 1 ? 1 : 0))));
});

import { describe, expect, it } from 'vitest';
import { type SweepSpec, sweep } from '../../lib/index.js';

async function rowsOf(spec: SweepSpec, threads = 2): Promise<Record<string, number>[]> {
  const rows: Record<string, number>[] = [];
  for await (const { count, columns } of sweep(spec, { threads }))
    for (let i = 0; i < count; i++)
      rows.push(
        Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[i] as number])),
      );
  return rows;
}

/** T4: with orthonormal mixing z leaks where exogenousScale^2 > actionScale^2 + weight. */
const critical = (scale: number) => scale ** 2 - 1;
const spec = (n: number, refine?: SweepSpec['refine']): SweepSpec => ({
  grid: { exogenousScale: { range: [1.05, 2.5, n] } },
  objectives: [{ kind: 'action-supervised', weight: { range: [0.05, 6, n] } }],
  latentDim: [3, 4],
  refine,
});

/** For each scale, how far the boundary may be from where the rows say it is: half the gap in weight across the level. */
function uncertainty(rows: Record<string, number>[], scale: number): { gap: number; holds: boolean } {
  const own = rows.filter((row) => row['latentDim'] === 3 && Math.abs(row['exogenousScale'] - scale) < 1e-12);
  const leaks = own.filter((row) => row['futureLeakage'] > 0.1).map((row) => row['weight']);
  const clean = own.filter((row) => row['futureLeakage'] <= 0.1).map((row) => row['weight']);
  const [high, low] = [Math.min(...clean), Math.max(...leaks)];
  return { gap: (high - low) / 2, holds: low <= critical(scale) && critical(scale) <= high };
}

describe('refine', () => {
  it('finds the boundary of T4 more than ten times as finely as a grid of as many points', async () => {
    const refined = await rowsOf(spec(9, { metric: 'futureLeakage', level: 0.1, depth: 7 }));
    const perSlice = refined.filter((row) => row['latentDim'] === 3).length;
    // A grid of at least as many points.
    const n = Math.ceil(Math.sqrt(perSlice));
    const uniform = await rowsOf(spec(n));
    const scales = [...new Set(refined.map((row) => row['exogenousScale']))].filter(
      (scale) =>
        critical(scale) > 0.6 &&
        critical(scale) < 5.4 &&
        refined.filter((row) => row['exogenousScale'] === scale && row['latentDim'] === 3).length > 9,
    );
    expect(scales.length).toBeGreaterThan(6);
    const fine = scales.map((scale) => uncertainty(refined, scale)).filter(({ gap }) => Number.isFinite(gap));
    const coarse = [...new Set(uniform.map((row) => row['exogenousScale']))]
      .filter((scale) => critical(scale) > 0.6 && critical(scale) < 5.4)
      .map((scale) => uncertainty(uniform, scale));
    for (const { holds } of [...fine, ...coarse]) expect(holds).toBe(true);
    const best = Math.min(...fine.map(({ gap }) => gap));
    const median = coarse.map(({ gap }) => gap).sort((a, b) => a - b)[Math.floor(coarse.length / 2)];
    // Half a step of the finest grid, everywhere along the boundary; the even grid has half of its own.
    expect(best).toBeCloseTo(5.95 / 8 / 2 ** 7 / 2, 9);
    expect(median / best).toBeGreaterThan(10);
  });

  it('has every point once, on the grid of its round, and the same for any threads', async () => {
    const asked: SweepSpec = {
      ...spec(6, { metric: 'innovationLeakage', level: 0.05, depth: 3 }),
      seeds: 3,
      base: { mixing: 'gaussian', sensorNoise: 0.1 },
    };
    const rows = await rowsOf(asked);
    const key = (row: Record<string, number>) =>
      ['exogenousScale', 'weight', 'seed', 'latentDim'].map((name) => row[name]).join();
    expect(new Set(rows.map(key)).size).toBe(rows.length);
    expect(rows.filter((row) => row['refinement'] === 0)).toHaveLength(6 * 6 * 3 * 2);
    expect([...new Set(rows.map((row) => row['refinement']))].sort()).toEqual([0, 1, 2, 3]);
    for (const row of rows) {
      const place = ((row['exogenousScale'] - 1.05) / 1.45) * 5 * 2 ** row['refinement'];
      expect(Math.abs(place - Math.round(place))).toBeLessThan(1e-9);
    }
    expect(await rowsOf(asked, 1)).toEqual(rows);
  });

  it('refines a single range as well, beside objectives that have two', async () => {
    const rows = await rowsOf({
      ...spec(5, { metric: 'futureLeakage', level: 0.5, depth: 6 }),
      objectives: [
        { kind: 'reconstruction' },
        { kind: 'action-supervised', weight: { range: [0.05, 6, 5] } },
      ],
      grid: { exogenousScale: { range: [0.5, 2.5, 5] } },
      latentDim: 3,
    });
    const plain = rows.filter((row) => (row['objective'] as unknown) === 'reconstruction');
    // Bisection towards exogenousScale 1: a point a round.
    expect(plain.length).toBeLessThanOrEqual(5 + 2 * 6);
    const near = plain.map((row) => Math.abs(row['exogenousScale'] - 1)).filter((gap) => gap > 0);
    expect(Math.min(...near)).toBeLessThan(0.5 / 2 ** 5);
  });
});

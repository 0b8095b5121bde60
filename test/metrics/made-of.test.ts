import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  fittedObjective,
  intervalsOf,
  type Prepared,
  prepare,
  ridgesOf,
} from '../../lib/metrics/estimates.js';
import { type FoldErrors, foldErrors } from '../../lib/metrics/fold-errors.js';
import { madeOf } from '../../lib/metrics/made-of.js';
import type { EstimatedData } from '../../lib/moments/of-units.js';
import type { ObjectiveSpec } from '../../lib/solve/objectives.js';
import { backends, native } from '../support/backends.js';
import { goldenEstimates } from '../support/estimates.js';
import { generator, noise } from '../support/generator.js';

/** Figures of the independent implementation in NumPy, with the action and x' stacked as the one explaining variable. */
const golden = JSON.parse(
  readFileSync(fileURLToPath(new URL('../golden/estimates-either/shares.json', import.meta.url)), 'utf8'),
) as Record<
  string,
  Record<
    string,
    { value: number; low: number; high: number; training: number; both: number; bothError: number }
  >
>;
const cases = goldenEstimates(fileURLToPath(new URL('../golden/estimates/', import.meta.url))).filter(
  ({ name }) => golden[name],
);

async function errorsOf(
  t: EstimatedData,
  latentDims: readonly number[],
  objective: ObjectiveSpec = { kind: 'reconstruction' },
  folds?: readonly number[],
  backend = native,
): Promise<FoldErrors> {
  const data = (await prepare(t, { scale: 'standard', ...(folds ? { folds } : {}) }, backend)) as Prepared;
  const ridges = ridgesOf(undefined, Math.max(...data.fold) + 1);
  return foldErrors(
    data,
    { objectives: [fittedObjective(objective, t, data.moments)], latentDims, ridges },
    backend,
  );
}

describe.each(backends)('what either explains, %s', (_, backend) => {
  it.each(cases)('$name', async ({ name, golden: g, data }) => {
    const errors = await errorsOf(await data(), g.latentDims, g.objective, g.folds, backend);
    g.latentDims.forEach((k, l) => {
      const wanted = golden[name][String(k)];
      const either = intervalsOf(errors, 0, l)['latentShare.either'];
      const parts = madeOf(errors, 0, l);
      // A covariance of categories is singular: pseudo-inverses round differently.
      const digits = name === 'discrete-actions' ? 5 : 8;
      for (const key of ['value', 'low', 'high', 'training'] as const) {
        expect(either?.[key], `${key} of ${k}`).toBeCloseTo(wanted[key], digits);
        expect(parts?.neither[key === 'low' ? 'high' : key === 'high' ? 'low' : key]).toBeCloseTo(
          1 - wanted[key],
          digits,
        );
      }
      expect(parts?.both.value).toBeCloseTo(wanted.both, digits);
      expect(parts?.both.standardError).toBeCloseTo(wanted.bothError, digits);
    });
  });
});

describe('what z is made of', () => {
  /** o' = o + (action, clutter, neither), one coordinate each; the clutter goes with the action as far as `shared` says. */
  function rows(shared: number): EstimatedData {
    const [n, random] = [2400, generator(3)];
    const [a, w, e, o] = [noise(random, n), noise(random, n), noise(random, n), noise(random, 3 * n)];
    const x = w.map((v, i) => shared * a[i] + Math.sqrt(1 - shared ** 2) * v);
    const next = o.map((v, i) => v + [a, x, e][i % 3][Math.floor(i / 3)]);
    return {
      count: n,
      observationDim: 3,
      actionDim: 1,
      exogenousDim: 1,
      observation: o,
      observationNext: next,
      action: a,
      exogenousNext: x,
      episode: Int32Array.from({ length: n }, (_, i) => Math.floor(i / 100)),
    };
  }

  it('is a third each where nothing goes together', async () => {
    const parts = madeOf(await errorsOf(rows(0), [3]), 0, 0);
    expect(parts?.exogenous.value).toBeCloseTo(1 / 3, 2);
    expect(parts?.action.value).toBeCloseTo(1 / 3, 2);
    expect(parts?.neither.value).toBeCloseTo(1 / 3, 2);
    expect(parts?.both.low).toBeLessThan(0);
    expect(parts?.both.high).toBeGreaterThan(0);
  });

  it('is both where the clutter goes with the action, and the shares add to 1', async () => {
    const parts = madeOf(await errorsOf(rows(0.8), [1]), 0, 0);
    if (!parts) throw new Error('no parts');
    const { exogenous, action, both, neither } = parts;
    // z is along a + x, of variance 3.6: a and x each tell 1.8^2 of it, the two of them all.
    expect(action.value).toBeCloseTo(0.9, 1);
    expect(exogenous.value).toBeCloseTo(0.9, 1);
    expect(both.value).toBeCloseTo(0.8, 1);
    expect(both.low).toBeGreaterThan(0.75);
    expect(exogenous.value + action.value - both.value + neither.value).toBeCloseTo(1, 12);
  });

  it('is not told where the action or the exogenous state is not known', async () => {
    const { exogenousNext: _, ...silent } = rows(0);
    expect(madeOf(await errorsOf({ ...silent, exogenousDim: 0 }, [2]), 0, 0)).toBeNull();
  });
});

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Backend, EstimatedMetric } from '../../lib/backend/requests.js';
import { chooseStrength } from '../../lib/metrics/choose-strength.js';
import {
  estimate,
  fittedObjective,
  intervalsOf,
  type Prepared,
  prepare,
  ridgesOf,
} from '../../lib/metrics/estimates.js';
import { foldErrors } from '../../lib/metrics/fold-errors.js';
import { answerOf, differenceOf, type ErrorSums, type Interval } from '../../lib/metrics/interval.js';
import type { ObjectiveSpec } from '../../lib/solve/objectives.js';
import { backends } from '../support/backends.js';
import { type GoldenData, type GoldenEstimates, goldenEstimates } from '../support/estimates.js';
import { hasShared, shared } from '../support/shared.js';

/**
 * Golden cases of an independent implementation, in NumPy: every number to 1e-8. Those in test/golden/estimates are copies of some
 * of the folder beside the repository.
 */
const TOLERANCE = 1e-8;
/**
 * Figures of golden files that hold the rounding of their own computation: M computed through an inverse of condition 1e10 where
 * there are more coordinates than rows, a pseudo-inverse of a singular covariance where actions are categories. The right values
 * are those of the same implementation with the projection taken exactly and that inverse taken to 40 digits; the golden ones
 * must agree with them to the rounding they have.
 */
const careful = JSON.parse(
  readFileSync(fileURLToPath(new URL('../golden/estimates-rounding/careful.json', import.meta.url)), 'utf8'),
) as Record<string, GoldenEstimates['estimates']>;
const ROUNDING = 1e-5;
const NUMBERS = [
  'value',
  'low',
  'high',
  'training',
  'standardError',
  'degreesOfFreedom',
  'effectiveUnits',
] as const;

function expectNear(actual: number, wanted: number | null, what: string, tolerance = TOLERANCE): void {
  if (wanted === null) {
    expect(Number.isFinite(actual), what).toBe(false);
    return;
  }
  const error = Math.abs(actual - wanted);
  expect(error, `${what}: ${actual} and ${wanted}`).toBeLessThanOrEqual(
    tolerance * Math.max(1, Math.abs(wanted)),
  );
}

async function errorsOf(
  { golden, data }: GoldenData,
  objectives: ObjectiveSpec[],
  backend: Backend,
  chosen?: number[],
) {
  const t = await data();
  const prepared = (await prepare(t, { scale: golden.scale, folds: golden.folds }, backend)) as Prepared;
  const errors = await foldErrors(
    prepared,
    {
      objectives: objectives.map((o) => fittedObjective(o, t, prepared.moments)),
      chosen,
      latentDims: golden.latentDims,
      ridges: ridgesOf(undefined, Math.max(...golden.folds) + 1),
    },
    backend,
  );
  return { prepared, errors };
}

function expectEstimates(
  { name, golden }: GoldenData,
  latent: number,
  found: Partial<Record<EstimatedMetric, Interval>>,
  sums: (metric: EstimatedMetric) => ErrorSums | null,
): void {
  const k = golden.latentDims[latent];
  const wanted = golden.estimates[String(k)];
  for (const [metric, given] of Object.entries(wanted)) {
    const estimate = careful[name]?.[String(k)]?.[metric] ?? given;
    for (const key of NUMBERS) expectNear(given[key], estimate[key], `${metric}: golden ${key}`, ROUNDING);
    const own = found[metric as EstimatedMetric] as Interval;
    const what = `${metric} of ${k}`;
    for (const key of NUMBERS) expectNear(own[key], estimate[key], `${what}: ${key}`);
    expect(own.reason, what).toBe(estimate.reason);
    expect(own.rough, what).toBe(estimate.rough);
    const { num, den } = sums(metric as EstimatedMetric) as ErrorSums;
    estimate.num.forEach((v, u) => {
      expectNear(num[u], v, `${what}: num of unit ${u}`);
    });
    estimate.den.forEach((v, u) => {
      expectNear(den[u], v, `${what}: den of unit ${u}`);
    });
  }
  expect(answerOf(found, golden.level ?? 0.1)).toBe(golden.verdicts[String(k)]);
}

const own = fileURLToPath(new URL('../golden/estimates/', import.meta.url));
const folders: [string, string][] = [['own', own]];
if (hasShared) folders.push(['shared', shared('fixtures/estimates/')]);

describe.each(folders)('golden estimates: %s', (_, folder) => {
  const cases = goldenEstimates(folder);
  const plain = cases.filter(({ golden }) => !golden.reason && !golden.chosen);

  describe.each(backends)('%s', (_name, backend) => {
    it.each(plain)('$name', async (c) => {
      const { prepared, errors } = await errorsOf(c, [c.golden.objective], backend);
      expect(Array.from(prepared.groups)).toEqual(c.golden.groups);
      expect(prepared.blocks).toBe(c.golden.blocks);
      expect(prepared.moments.categories !== null).toBe(c.golden.categories);
      expect(prepared.units).toBe(c.golden.units);
      expect(Array.from(errors.ridges, (r) => r.toPrecision(12))).toEqual(
        c.golden.ridges.map((r) => r.toPrecision(12)),
      );
      c.golden.latentDims.forEach((_k, l) => {
        expectEstimates(c, l, intervalsOf(errors, 0, l), (metric) => errors.sums(0, l, metric));
      });
    });

    it.each(plain.filter(({ golden }) => golden.differences))('differences of $name', async (c) => {
      const { errors } = await errorsOf(c, [{ kind: 'reconstruction' }, c.golden.objective], backend);
      c.golden.latentDims.forEach((k, l) => {
        for (const [metric, wanted] of Object.entries(c.golden.differences?.[String(k)] ?? {})) {
          const of = (v: number) => errors.sums(v, l, metric as EstimatedMetric) as ErrorSums;
          const found = differenceOf(metric as EstimatedMetric, of(1), of(0));
          for (const key of ['value', 'low', 'high', 'standardError', 'degreesOfFreedom'] as const)
            expectNear(found[key], wanted[key], `${metric} of ${k}: ${key}`);
        }
      });
    });

    it.each(cases.filter(({ golden }) => golden.chosen))(
      'a strength chosen inside the folds: $name',
      async (c) => {
        const strengths = c.golden.strengths as number[];
        const candidates = strengths.map((weight): ObjectiveSpec => ({ kind: 'action-supervised', weight }));
        const found = await chooseStrength(await c.data(), {
          latentDim: c.golden.latentDims[0],
          candidates,
          folds: c.golden.folds,
          scale: c.golden.scale,
          backend,
        });
        expect(found.chosen.map((at) => strengths[at])).toEqual(c.golden.chosen);
        const { errors } = await errorsOf(c, candidates, backend, found.chosen as number[]);
        expectEstimates(c, 0, intervalsOf(errors, 0, 0), (metric) => errors.sums(0, 0, metric));
        const wanted = c.golden.estimates[String(c.golden.latentDims[0])];
        for (const [metric, e] of Object.entries(wanted))
          expectNear(
            found.metrics[metric as EstimatedMetric]?.value ?? Number.NaN,
            e.reason ? null : e.value,
            metric,
          );
      },
    );

    it.each(cases.filter(({ golden }) => golden.reason))('$name are too few', async (c) => {
      const found = await estimate(await c.data(), { latentDims: c.golden.latentDims, backend });
      expect(found.reason).toBe(c.golden.reason);
      expect(found.latent).toEqual([]);
    });
  });
});

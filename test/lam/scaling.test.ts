import { describe, expect, it } from 'vitest';
import type { Transitions } from '../../lib/data/transitions.js';
import { fitLinearLam } from '../../lib/lam/fit.js';
import { LinearLam } from '../../lib/lam/linear-lam.js';
import type { ObjectiveSpec } from '../../lib/solve/objectives.js';
import { analyze } from '../../lib/verdict/analyze.js';
import { native } from '../support/backends.js';
import { transitionsOf } from '../support/transitions.js';

const world = {
  observationDim: 6,
  endogenousDim: 3,
  exogenousDim: 2,
  actionDim: 2,
  exogenousScale: 2,
  sensorNoise: 0.1,
  mixing: 'gaussian',
  seed: 3,
} as const;
const UNITS = [1e-3, 1, 1e3, 1, 30, 1e-2];

/** The same transitions, each coordinate of o in a unit of its own. */
function inUnits(t: Transitions): Transitions {
  const map = (values: Float64Array | undefined) => values?.map((v, i) => v * UNITS[i % 6]);
  return {
    ...t,
    observation: map(t.observation) as Float64Array,
    observationNext: map(t.observationNext) as Float64Array,
    pairObservation: map(t.pairObservation),
    pairObservationNext: map(t.pairObservationNext),
  };
}

describe('a model that was fitted in standard units', () => {
  it.each([
    { kind: 'reconstruction' },
    { kind: 'reconstruction', decoder: 'identity' },
    { kind: 'action-supervised', weight: 2 },
    { kind: 'exogenous-robust', weight: 2 },
  ] as ObjectiveSpec[])('has the same latents and predictions whatever the units: %o', async (objective) => {
    const t = await transitionsOf(world, 400);
    const fitted = (data: Transitions) =>
      fitLinearLam({ data, objective, latentDim: 2, scale: 'standard' }, { backend: native });
    const [a, b] = [await fitted(t), await fitted(inUnits(t))];
    expect(b.loss).toBeCloseTo(a.loss, 8);
    const scaled = inUnits(t);
    const [za, zb] = [
      a.encode(t.observation, t.observationNext),
      b.encode(scaled.observation, scaled.observationNext),
    ];
    za.forEach((v, i) => {
      expect(zb[i]).toBeCloseTo(v, 6);
    });
    const [pa, pb] = [a.decode(t.observation, za), b.decode(scaled.observation, zb)];
    pa.forEach((v, i) => {
      expect(pb[i] / UNITS[i % 6]).toBeCloseTo(v, 6);
    });
    // Of the units given, the objective sees something else.
    const given = await fitLinearLam({ data: scaled, objective, latentDim: 2 }, { backend: native });
    expect(Math.abs(given.loss / b.loss - 1)).toBeGreaterThan(0.1);
  });

  it('is the one that analyze speaks of, and says so in its file', async () => {
    const t = inUnits(await transitionsOf(world, 400));
    const lam = await fitLinearLam(
      { data: t, objective: { kind: 'reconstruction' }, latentDim: 2, scale: 'standard', ridge: 0 },
      { backend: native },
    );
    const { latent } = await analyze(t, { latentDims: [2], ridge: 0, remedies: false, backend: native });
    expect(lam.loss).toBeCloseTo(latent[0].loss, 8);
    const again = LinearLam.fromBytes(lam.toBytes());
    expect(again.fit).toMatchObject({ source: 'data', scale: 'standard' });
  });

  it('predicts a coordinate that stands still by its mean, and leaves it out of z', async () => {
    const t = await transitionsOf(world, 300);
    const still = (values: Float64Array | undefined) => values?.map((v, i) => (i % 6 === 4 ? 7 : v));
    const data = {
      ...t,
      observation: still(t.observation) as Float64Array,
      observationNext: still(t.observationNext) as Float64Array,
    };
    const lam = await fitLinearLam(
      { data, objective: { kind: 'reconstruction' }, latentDim: 2, scale: 'standard' },
      { backend: native },
    );
    const z = lam.encode(data.observation, data.observationNext);
    const predicted = lam.decode(data.observation, z);
    for (let row = 0; row < 300; row++) expect(predicted[row * 6 + 4]).toBeCloseTo(7, 10);
  });
});

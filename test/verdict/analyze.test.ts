import { describe, expect, it } from 'vitest';
import type { Transitions } from '../../lib/data/transitions.js';
import type { ObjectiveSpec } from '../../lib/solve/objectives.js';
import { solve } from '../../lib/solve/population.js';
import { analyze } from '../../lib/verdict/analyze.js';
import { createWorld, fullMixing, type WorldSpec } from '../../lib/world/world.js';
import { backends } from '../support/backends.js';
import { generator, noise } from '../support/generator.js';
import { transitionsOf } from '../support/transitions.js';

const world: WorldSpec = {
  observationDim: 9,
  endogenousDim: 3,
  exogenousDim: 2,
  actionDim: 2,
  mixing: 'gaussian',
  exogenousScale: 1.5,
  stateFeedback: 0.3,
  sensorNoise: 0.05,
  seed: 5,
};

/** The same rows with every observation seen through P. */
function through(t: Transitions, projection: number[][]): Transitions {
  const d = t.observationDim;
  const map = (values: Float64Array | undefined) =>
    values &&
    Float64Array.from({ length: t.count * projection.length }, (_, i) => {
      const row = Math.floor(i / projection.length) * d;
      return projection[i % projection.length].reduce((sum, p, j) => sum + p * values[row + j], 0);
    });
  return {
    ...t,
    observationDim: projection.length,
    observation: map(t.observation) as Float64Array,
    observationNext: map(t.observationNext) as Float64Array,
    pairObservation: map(t.pairObservation),
    pairObservationNext: map(t.pairObservationNext),
  };
}

const projection = Array.from({ length: 4 }, (_, i) => Array.from(noise(generator(i + 60), 9)));
const representation: ObjectiveSpec = { kind: 'representation', projection };
const compose = (...parts: Exclude<ObjectiveSpec, { kind: 'composition' }>[]): ObjectiveSpec => ({
  kind: 'composition',
  parts,
});

describe.each(backends)('a representation on data, %s', (_, backend) => {
  it.each([false, true])('is the objective on P o, whitened %s', async (whiten) => {
    const t = await transitionsOf(world, 3000);
    for (const [composed, alone] of [
      [representation, { kind: 'reconstruction' }],
      [
        compose(representation, { kind: 'action-supervised', weight: 2 }),
        { kind: 'action-supervised', weight: 2 },
      ],
      [
        compose(representation, { kind: 'exogenous-robust', weight: 2 }),
        { kind: 'exogenous-robust', weight: 2 },
      ],
      [compose({ kind: 'cross-exogenous' }, representation), { kind: 'cross-exogenous' }],
    ] as [ObjectiveSpec, ObjectiveSpec][]) {
      const options = {
        latentDims: [2, 3],
        whiten,
        scale: 'given',
        ridge: 1e-3,
        remedies: false,
        backend,
      } as const;
      const a = await analyze(t, { ...options, objectives: [composed] });
      const b = await analyze(through(t, projection), { ...options, objectives: [alone] });
      const scale = a.spectrum[0];
      a.spectrum.forEach((v, i) => {
        expect(Math.abs(v - b.spectrum[i])).toBeLessThan(1e-9 * scale);
      });
      a.latent.forEach((row, i) => {
        expect(Math.abs(row.loss - b.latent[i]?.loss)).toBeLessThan(1e-9 * scale);
        expect(row.rank).toBe(b.latent[i]?.rank);
        // z is the same, whatever it is a map of; what is conditioned on is not.
        for (const name of ['rawActionError', 'rawExogenousNextError'] as const)
          expect(row.metrics[name]?.value).toBeCloseTo(b.latent[i]?.metrics[name]?.value as number, 8);
      });
    }
  });

  it('that is blind to the exogenous part leaks nothing', async () => {
    const spec = { ...world, sensorNoise: 0, mixing: 'orthonormal' } as const;
    const mixing = fullMixing(createWorld(spec));
    const endogenous = Array.from({ length: 3 }, (_, s) =>
      Array.from({ length: 9 }, (_, i) => mixing.data[i * mixing.cols + s]),
    );
    const { latent } = await analyze(await transitionsOf(spec, 20_000), {
      latentDims: [2],
      objectives: [{ kind: 'reconstruction' }, { kind: 'representation', projection: endogenous }],
      scale: 'given',
      remedies: false,
      backend,
    });
    expect(latent[0].metrics.futureLeakage?.training).toBeGreaterThan(0.9);
    expect(Math.abs(latent[1].metrics.futureLeakage?.value ?? 1)).toBeLessThan(0.002);
    expect(latent[1].metrics.actionError?.high).toBeLessThan(0.01);
  });

  it('composed, many samples give the population answer', async () => {
    const t = await transitionsOf(world, 60_000);
    for (const objective of [
      compose(representation, { kind: 'action-supervised', weight: 2 }),
      compose({ kind: 'reconstruction', decoder: 'identity' }, { kind: 'action-supervised', weight: 2 }),
      compose({ kind: 'action-supervised', weight: 1 }, { kind: 'exogenous-robust', weight: 1 }),
      compose({ kind: 'cross-exogenous' }, { kind: 'exogenous-robust', weight: 1 }),
    ]) {
      const { latent } = await analyze(t, {
        latentDims: [2],
        objectives: [objective],
        scale: 'given',
        ridge: 0,
        remedies: false,
        backend,
      });
      const exact = await solve({ world, objective, latentDim: 2 }, { backend });
      const [row] = latent;
      expect(Math.abs(row?.loss / exact.loss - 1)).toBeLessThan(0.03);
      for (const name of ['actionError', 'futureLeakage'] as const)
        expect(
          Math.abs((row?.metrics[name]?.value as number) - (exact.metrics[name] as number)),
          name,
        ).toBeLessThan(0.03);
    }
  });
});

it('a projection of another width than the observation is refused', async () => {
  const t = await transitionsOf(world, 50);
  await expect(
    analyze(t, { latentDims: [1], objectives: [{ kind: 'representation', projection: [[1, 2]] }] }),
  ).rejects.toThrow('objective.projection[0]: expected observationDim (9) numbers but received 2');
});

it('an identity decoder with supervision is answered below actionDim', async () => {
  const t = await transitionsOf(world, 500);
  const objectives = [
    compose({ kind: 'reconstruction', decoder: 'identity' }, { kind: 'action-supervised', weight: 2 }),
  ];
  expect((await analyze(t, { latentDims: [1, 2], objectives })).latent.map((r) => r.latentDim)).toEqual([
    1, 2,
  ]);
});

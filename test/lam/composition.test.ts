import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Matrix, solve as solveLinear } from 'ml-matrix';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openData } from '../../lib/data/open.js';
import type { Transitions } from '../../lib/data/transitions.js';
import { writeSamples } from '../../lib/data/write/samples.js';
import { fitLinearLam } from '../../lib/lam/fit.js';
import { LinearLam } from '../../lib/lam/linear-lam.js';
import type { ObjectiveSpec } from '../../lib/solve/objectives.js';
import { backends } from '../support/backends.js';
import { generator, noise } from '../support/generator.js';

const folder = mkdtempSync(join(tmpdir(), 'exolam-lam-composition-'));
afterAll(() => rmSync(folder, { recursive: true }));

const d = 9;
const world = {
  observationDim: d,
  endogenousDim: 4,
  exogenousDim: 3,
  actionDim: 2,
  mixing: 'gaussian',
  exogenousScale: 1.5,
  sensorNoise: 0.05,
  stateFeedback: 0.4,
  seed: 4,
} as const;
const P = Array.from({ length: 5 }, (_, i) => Array.from(noise(generator(80 + i), d)));
const [WEIGHT, PENALTY] = [2, 0.7];
const supervised = { kind: 'action-supervised', weight: WEIGHT } as const;
const robust = { kind: 'exogenous-robust', weight: PENALTY } as const;
const compositions = [
  [{ kind: 'representation', projection: P }, supervised],
  [supervised, robust],
  [{ kind: 'reconstruction', decoder: 'identity' }, supervised],
  [{ kind: 'reconstruction', decoder: 'identity' }, supervised, robust],
  [{ kind: 'cross-exogenous' }, robust],
] as const;
const titled = compositions.map((parts) => [parts.map((p) => p.kind).join(' + '), parts] as const);

let data: Transitions;
beforeAll(async () => {
  const path = join(folder, 'data.npz');
  await writeSamples(world, path, { samples: 500, pairs: true });
  data = await openData(path);
});

const rows = (values: Float64Array, width: number) =>
  Matrix.from1DArray(values.length / width, width, values);
const centred = (a: Matrix) => Matrix.sub(a, Matrix.ones(a.rows, 1).mmul(Matrix.rowVector(a.mean('column'))));
const beside = (...all: Matrix[]) => new Matrix(all.flatMap((a) => a.transpose().to2DArray())).transpose();
const square = (a: Matrix) => a.to1DArray().reduce((sum, x) => sum + x * x, 0) / a.rows;
/** What is left of `of` after least squares on `on`. */
const left = (of: Matrix, on: Matrix) => {
  const [y, x] = [centred(of), centred(on)];
  return Matrix.sub(y, x.mmul(solveLinear(x.transpose().mmul(x), x.transpose().mmul(y))));
};

/**
 * What a penalised problem leaves of the action. Its decoder [B_o; B_a] has orthonormal columns (else the penalty could be escaped
 * by a small z and a large B), so that B_a is not the least-squares head but cov(a, z | f) / lambda.
 */
function decoded(action: Matrix, latents: Matrix, given: Matrix | null, lam: LinearLam): Matrix {
  const [a, z] = given ? [left(action, given), left(latents, given)] : [centred(action), centred(latents)];
  const head = a
    .transpose()
    .mmul(z)
    .div(a.rows)
    .mmul(Matrix.diag([...lam.spectrum].map((v) => 1 / v)));
  return Matrix.sub(a, z.mmul(head.transpose()));
}

/** The objective, term by term, of a model on the data that it was fitted to. */
function lossOf(lam: LinearLam, parts: readonly ObjectiveSpec[]): number {
  const has = (kind: ObjectiveSpec['kind']) => parts.some((p) => p.kind === kind);
  const pair = { now: data.pairObservation as Float64Array, next: data.pairObservationNext as Float64Array };
  const view = has('cross-exogenous') ? pair : { now: data.observation, next: data.observationNext };
  const z = lam.encode(data.observation, data.observationNext);
  const latents = rows(z, lam.latentDim);
  const seen = (a: Float64Array) => {
    const all = rows(a, d);
    return has('representation') ? all.mmul(new Matrix(P).transpose()) : all;
  };
  let loss = square(Matrix.sub(seen(view.next), rows(lam.decode(view.now, z), lam.predictionDim)));
  const identity = parts.some((p) => p.kind === 'reconstruction' && p.decoder === 'identity');
  if (has('action-supervised')) {
    const action = rows(data.action as Float64Array, data.actionDim);
    const given = identity ? null : seen(data.observation);
    loss +=
      WEIGHT *
      square(
        has('exogenous-robust')
          ? decoded(action, latents, given, lam)
          : left(action, given ? beside(given, latents) : latents),
      );
  }
  if (has('exogenous-robust')) {
    const before = rows(data.observation, d).sub(rows(pair.now, d));
    const after = rows(data.observationNext, d).sub(rows(pair.next, d));
    const free = !identity && !has('cross-exogenous');
    const move = free
      ? left(after, before).mmul(rows(lam.encoder.D.data, d).transpose())
      : centred(before)
          .mmul(rows(lam.encoder.C.data, d).transpose())
          .add(centred(after).mmul(rows(lam.encoder.D.data, d).transpose()));
    loss += PENALTY * square(move);
  }
  return loss;
}

describe.each(backends)('a linear LAM of a composition (%s)', (_, backend) => {
  it.each(titled)('has the loss that it states, term by term: %s', async (_title, parts) => {
    const objective = { kind: 'composition', parts: [...parts] } as ObjectiveSpec;
    const lam = await fitLinearLam({ data, objective, latentDim: 3, ridge: 0 }, { backend });
    expect(lossOf(lam, parts)).toBeCloseTo(lam.loss, 8);
    expect(lam.loss).toBeGreaterThan(0.001);
  });

  it.each(titled)(
    'predicts the same in every gauge that it has, and from a file: %s',
    async (_title, parts) => {
      const objective = { kind: 'composition', parts: [...parts] } as ObjectiveSpec;
      const fixed = parts.some((p) => p.kind === 'cross-exogenous');
      for (const question of [
        { data, objective, latentDim: 3 },
        { world, objective, latentDim: 3 },
      ]) {
        const lam = await fitLinearLam(question, { backend });
        const path = join(folder, 'model.safetensors');
        await lam.save(path);
        const again = await LinearLam.load(path);
        expect(again.objective).toEqual(lam.objective);
        const [o, next] = [data.observation.subarray(0, 20 * d), data.observationNext.subarray(0, 20 * d)];
        const predicted = lam.decode(o, lam.encode(o, next));
        expect(again.decode(o, again.encode(o, next))).toEqual(predicted);
        if (fixed) expect(() => lam.withGauge('difference')).toThrow(/gauge: expected none/);
        for (const gauge of fixed ? [] : (['difference', 'innovation'] as const)) {
          const moved = lam.withGauge(gauge);
          const same = moved.decode(o, moved.encode(o, next));
          same.forEach((v, i) => {
            expect(v).toBeCloseTo(predicted[i], 9);
          });
        }
      }
    },
  );
});

import { multiply } from '../linalg/dense.js';
import { columns, hstack, matrix, transpose } from '../linalg/matrix.js';
import { covariance, equations, residual } from '../world/equations.js';
import { createWorld, fullMixing } from '../world/world.js';
import { type Comparison, defineTheorem } from './check.js';
import { anyWorld, thresholdWorld } from './draw.js';
import { halfTimes, rotation } from './flow.js';

/** Modes weaker than this share of the strongest are not waited for. */
const WEAKEST = 0.15;

/** A time three times as long as a mode of this eigenvalue should take: long enough whatever the prediction. */
function patience(start: number, eigenvalue: number): number {
  return (3 * Math.log(1 / start)) / (4 * eigenvalue);
}

export const t11 = defineTheorem({
  id: 'T11',
  claim: 'C1',
  title: 'stronger modes are learned first: t_half = ln((1 - a0)/a0) / (4 lambda)',
  statement:
    'Gradient flow from a small balanced start a0 learns mode i of the innovation as a logistic of rate 4 lambda_i, half of it by t = ln((1 - a0) / a0) / (4 lambda_i). Exogenous modes stronger than the action are learned first.',
  hypotheses: [
    'balanced start B = D^T = sqrt(a0) R, R a rotation of all latents (k = observationDim)',
    'the decoder map A at its best response',
  ],
  predict: {
    halfTime: (start: number, eigenvalue: number): number => Math.log((1 - start) / start) / (4 * eigenvalue),
  },
  async compare(predict, trials, context) {
    const rows = trials
      .draw(
        (random) => ({ ...thresholdWorld(random), start: random.logUniform(1e-4, 1e-2), random }),
        'order',
      )
      .flatMap(({ spec, alpha, beta, start, random }): Comparison[] => {
        const world = createWorld(spec);
        const source = equations(world);
        const r = residual(source.observationNext, source.observation);
        const mixing = fullMixing(world);
        const action = multiply(columns(mixing, 0, spec.endogenousDim), columns(world.actionEffect, 0, 1));
        const exogenous = columns(mixing, spec.endogenousDim, spec.endogenousDim + 1);
        const [byAction, byExogenous] = halfTimes(
          covariance(r, r),
          rotation(random, spec.observationDim),
          start,
          hstack([action, exogenous]),
          Math.max(alpha, beta),
          patience(start, Math.min(alpha, beta)),
        ) as [number, number];
        const [soon, late] = [predict.halfTime(start, beta), predict.halfTime(start, alpha)];
        return [
          {
            what: 'half-time of the action',
            predicted: late,
            measured: byAction,
            tolerance: 1e-3,
            scale: late,
          },
          {
            what: 'half-time of the exogenous',
            predicted: soon,
            measured: byExogenous,
            tolerance: 1e-3,
            scale: soon,
          },
          {
            what: 'is the exogenous learned first (1) or last (-1)',
            predicted: Math.sign(late - soon),
            measured: Math.sign(byAction - byExogenous),
            tolerance: 0.5,
          },
        ];
      });

    for (const [i, spec] of trials.draw((random) => anyWorld(random), 'any').entries()) {
      const random = trials.random(i, 'start');
      const start = random.logUniform(1e-4, 1e-2);
      const source = equations(createWorld(spec));
      const r = residual(source.observationNext, source.observation);
      const sigma = covariance(r, r);
      const d = spec.observationDim;
      const { values, vectors } = await context.backend.symmetricEigen(sigma.data, d, 1);
      const largest = values[0];
      const followed = Array.from(values).filter((value) => value > WEAKEST * largest);
      const directions = transpose(matrix(followed.length, d, vectors.slice(0, followed.length * d)));
      const until = patience(start, followed.at(-1) as number);
      halfTimes(sigma, rotation(random, d), start, directions, largest, until).forEach((measured, j) => {
        const predicted = predict.halfTime(start, followed[j]);
        rows.push({
          what: 'half-time of a mode, any world',
          predicted,
          measured,
          tolerance: 1e-3,
          scale: predicted,
        });
      });
    }
    return rows;
  },
});

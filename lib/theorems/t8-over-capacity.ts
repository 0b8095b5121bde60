import { multiply, orthonormalise } from '../linalg/dense.js';
import { columns, type Matrix, toRows } from '../linalg/matrix.js';
import { solveBatch } from '../solve/population.js';
import { createWorld, fullMixing, type WorldSpec } from '../world/world.js';
import { type Comparison, defineTheorem } from './check.js';
import type { DrawnSpec } from './draw.js';
import { thresholdWorld } from './draw.js';

/**
 * The same world with exogenous directions of their own strengths: column j of Ex scaled by strengths[j], which makes the
 * innovation's eigenvalues beta strengths[j]^2.
 */
function graded(spec: DrawnSpec, strengths: readonly number[]): WorldSpec {
  const world = createWorld(spec);
  const mixing = fullMixing(world);
  const { endogenousDim } = spec;
  return {
    ...spec,
    matrices: {
      endogenousMixing: toRows(columns(mixing, 0, endogenousDim)),
      exogenousMixing: toRows(columns(mixing, endogenousDim, mixing.cols)).map((row) =>
        row.map((v, j) => v * strengths[j]),
      ),
      actionEffect: toRows(world.actionEffect),
      stateFeedback: toRows(world.stateFeedback),
      exogenousFeedback: toRows(world.exogenousFeedback),
    },
  };
}

/** The share of each exogenous direction that D holds: its squared projection on the row space of D Ex. */
function captured(D: Matrix, mixing: Matrix, endogenousDim: number): number[] {
  const encoded = multiply(D, columns(mixing, endogenousDim, mixing.cols));
  // Rows beyond rounding only: an encoder row of an action holds nothing but rounding here.
  const largest = Math.max(...encoded.data.map(Math.abs));
  const rows = toRows(encoded).filter((row) => Math.hypot(...row) > 1e-8 * largest);
  const along = { rows: encoded.cols, cols: rows.length, data: new Float64Array(encoded.cols * rows.length) };
  rows.forEach((row, i) => {
    row.forEach((v, j) => {
      along.data[j * rows.length + i] = v;
    });
  });
  return toRows(orthonormalise(along).basis).map((row) => row.reduce((total, v) => total + v * v, 0));
}

export const t8 = defineTheorem({
  id: 'T8',
  claim: 'C1',
  title: 'k = actionDim + j leaks exactly the j leading exogenous directions',
  statement:
    'Over-capacity leaks even where alpha > beta: with k = actionDim + j latents, reconstruction encodes the action and exactly the j leading exogenous directions, futureLeakage = j / exogenousDim. Exogenous directions stronger than the action come first and are encoded as well.',
  hypotheses: [
    'orthogonal mixing directions of any strength',
    'no sensor noise, no process noise',
    'action and exogenous noise uncorrelated',
    'exactly j: no exogenous direction stronger than the action',
  ],
  predict: {
    /** How many exogenous directions are encoded, `stronger` of which exceed the action. */
    leaked: (latentDim: number, actionDim: number, exogenousDim: number, stronger: number): number =>
      Math.min(exogenousDim, Math.max(latentDim - actionDim, Math.min(latentDim, stronger))),
  },
  async compare(predict, trials, context) {
    const worlds = trials.draw((random) => {
      const { spec, alpha } = thresholdWorld(random);
      const { exogenousDim, actionDim } = spec;
      const isStrong = random.uniform() < 0.3;
      // Variances as shares of alpha, well apart from each other and from 1.
      const shares = Array.from({ length: exogenousDim }, (_, j) => 0.9 * 0.7 ** j * (isStrong ? 2 : 1));
      const order = shares.map(() => random.uniform());
      const shuffled = [...shares].sort((a, b) => order[shares.indexOf(a)] - order[shares.indexOf(b)]);
      const strengths = shuffled.map((share) => Math.sqrt((share * alpha) / spec.exogenousScale ** 2));
      const world = graded(spec, strengths);
      const stronger = shares.filter((share) => share > 1).length;
      return {
        spec,
        world,
        shares: shuffled,
        stronger,
        latentDim: actionDim + random.integer(0, exogenousDim),
      };
    });
    const solutions = await solveBatch(
      worlds.map(({ world, latentDim }) => ({ world, objective: { kind: 'reconstruction' }, latentDim })),
      { ...context, encoder: true },
    );
    return worlds.flatMap(({ spec, world, shares, stronger, latentDim }, i): Comparison[] => {
      const { actionDim, exogenousDim, endogenousDim } = spec;
      const { metrics, encoder } = solutions[i];
      const leaked = predict.leaked(latentDim, actionDim, exogenousDim, stronger);
      const side = stronger > 0 ? 'some exogenous directions stronger than the action' : 'action strongest';
      const rows: Comparison[] = [
        {
          what: `futureLeakage, ${side}`,
          predicted: leaked / exogenousDim,
          measured: metrics.futureLeakage ?? Number.NaN,
          tolerance: 1e-9,
        },
        {
          what: `actionError, ${side}`,
          predicted: 1 - Math.min(actionDim, latentDim - leaked) / actionDim,
          measured: metrics.actionError ?? Number.NaN,
          tolerance: 1e-9,
        },
      ];
      if (leaked > 0) {
        const mixing = fullMixing(createWorld(world));
        const leading = [...shares].sort((a, b) => b - a).slice(0, leaked);
        captured((encoder as { D: Matrix }).D, mixing, endogenousDim).forEach((measured, j) => {
          const predicted = Number(leading.includes(shares[j]));
          rows.push({
            what: 'encoded share of each exogenous direction',
            predicted,
            measured,
            tolerance: 1e-6,
          });
        });
      }
      return rows;
    });
  },
});

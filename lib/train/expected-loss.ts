import type { MomentLayout } from '../backend/requests.js';
import { dot, multiply } from '../linalg/dense.js';
import { type Matrix, matrix, plus, scale, sumOfSquares, vstack } from '../linalg/matrix.js';
import { judgedLoss } from './evaluate.js';
import type { LinearMaps } from './model.js';
import { projectionOf, type Setting } from './setting.js';

/** Second moments of rows about their means, (width, width). */
export interface RowMoments {
  readonly width: number;
  readonly layout: MomentLayout;
  readonly mean: Float64Array;
  readonly moments: Float64Array;
}

/** What a linear model's loss is over rows, from their moments alone: that of its network on each of them, averaged. */
export function expectedLoss(setting: Setting, maps: LinearMaps, rows: RowMoments): number {
  const { width, layout } = rows;
  const { C, D, e, A, B, b, H, h } = maps;
  const { crossExogenous, encoderNoise, decoderNoise, actionWeight, robustWeight } = judgedLoss(setting);
  const d = setting.observationDim;
  const start = projectionOf(setting.objective, setting.data);
  // A matrix on one variable as one on all of them.
  const on = (w: Matrix, begin: number): Matrix => {
    const out = matrix(w.rows, width);
    for (let i = 0; i < w.rows; i++)
      out.data.set(w.data.subarray(i * w.cols, (i + 1) * w.cols), i * width + begin);
    return out;
  };
  const selects = (n: number) =>
    matrix(
      n,
      n,
      Float64Array.from({ length: n * n }, (_, i) => Number(i % (n + 1) === 0)),
    );
  const constant = (v: Float64Array) => matrix(v.length, 1, v);
  const square = (w: Matrix, c: Matrix): number =>
    dot(multiply(w, matrix(width, width, rows.moments)).data, w.data) +
    sumOfSquares(plus(multiply(w, constant(rows.mean)), c));
  const z = plus(on(C, layout.observation), on(D, layout.observationNext));
  const next = crossExogenous ? layout.pairObservationNext : layout.observationNext;
  const given = crossExogenous ? layout.pairObservation : layout.observation;
  const predicted = plus(on(A, given), multiply(B, z));
  const error = plus(predicted, on(start ?? selects(d), next), -1);
  let loss = square(error, plus(constant(b), multiply(B, constant(e))));
  const both = plus(C, D);
  if (encoderNoise > 0) loss += encoderNoise ** 2 * sumOfSquares(multiply(B, both));
  if (decoderNoise > 0) loss += decoderNoise ** 2 * sumOfSquares(plus(A, start ?? selects(d), -1));
  if (actionWeight > 0) {
    const missed = plus(multiply(H, z), on(selects(H.rows), layout.action), -1);
    loss += actionWeight * square(missed, plus(constant(h), multiply(H, constant(e))));
    loss += actionWeight * encoderNoise ** 2 * sumOfSquares(multiply(H, both));
  }
  if (robustWeight > 0) {
    const pair = plus(on(C, layout.pairObservation), on(D, layout.pairObservationNext));
    const moved = plus(z, pair, -1);
    const weights = actionWeight > 0 ? vstack([B, scale(Math.sqrt(actionWeight), H)]) : B;
    loss += robustWeight * square(multiply(weights, moved), matrix(weights.rows, 1));
  }
  return loss;
}

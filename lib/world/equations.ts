import { multiply, multiplyTransposed, orthonormalise } from '../linalg/dense.js';
import { type Matrix, matrix, minus, scale, sum, sumOfSquares, transpose, vstack } from '../linalg/matrix.js';
import { fullMixing, type World } from './world.js';

/**
 * The variables of a world straight from the equations of theory.md section 1, in all observationDim coordinates: rows over
 * independent N(0, 1) sources, cov(v, w) = v w^T. No reduced basis and no closed form: what checks and drawn moments are made from.
 */
export interface Equations {
  /** How many sources: columns of every variable. */
  readonly sources: number;
  readonly observation: Matrix;
  readonly observationNext: Matrix;
  readonly action: Matrix;
  readonly exogenous: Matrix;
  readonly exogenousNext: Matrix;
  readonly pairObservation: Matrix;
  readonly pairObservationNext: Matrix;
}

/** The loadings of every variable of the world; sources of sensor noise only where there is some. */
export function equations(world: World): Equations {
  const s = world.spec;
  const { endogenousDim: ds, exogenousDim: dx, actionDim: da, observationDim: d } = s;
  let p = 0;
  const take = (n: number) => {
    p += n;
    return p - n;
  };
  const [atS, atX, atU, atWs, atWx] = [take(ds), take(dx), take(da), take(ds), take(dx)];
  const sensor = s.sensorNoise === 0 ? 0 : d;
  const [atX2, atWx2, atN, atNext] = [take(dx), take(dx), take(sensor), take(sensor)];
  const [atN2, atNext2] = [take(sensor), take(sensor)];
  /** n coordinates, coordinate i with value(i) of source `begin` + i. */
  const source = (n: number, begin: number, value: (i: number) => number = () => 1): Matrix => {
    const v = matrix(n, p);
    for (let i = 0; i < n; i++) v.data[i * p + begin + i] = value(i);
    return v;
  };
  const initial = () => s.exogenousInitialScale;
  const [endogenous, exogenous] = [source(ds, atS), source(dx, atX, initial)];
  const pairExogenous = source(dx, atX2, initial);
  const action = sum(
    source(da, atU, () => s.policyNoise),
    scale(s.stateFeedback, multiply(world.stateFeedback, endogenous)),
    scale(s.exogenousFeedback, multiply(world.exogenousFeedback, exogenous)),
  );
  const endogenousNext = sum(
    scale(s.endogenousDecay, endogenous),
    scale(s.actionScale, multiply(world.actionEffect, action)),
    source(ds, atWs, () => s.processNoise),
  );
  const share = (i: number) => (i < da ? s.actionExogenousCorrelation : 0);
  const shared = matrix(dx, p);
  for (let i = 0; i < Math.min(da, dx); i++) shared.data[i * p + atU + i] = s.exogenousScale * share(i);
  const exogenousNext = sum(
    scale(s.exogenousDecay, exogenous),
    shared,
    source(dx, atWx, (i) => s.exogenousScale * Math.sqrt(1 - share(i) ** 2)),
  );
  const pairExogenousNext = sum(
    scale(s.exogenousDecay, pairExogenous),
    source(dx, atWx2, () => s.exogenousScale),
  );
  const mixing = fullMixing(world);
  const observe = (inner: Matrix, outer: Matrix, noise: number): Matrix =>
    sum(
      multiply(mixing, vstack([inner, outer])),
      sensor === 0 ? matrix(d, p) : source(d, noise, () => s.sensorNoise),
    );
  return {
    sources: p,
    action,
    exogenous,
    exogenousNext,
    observation: observe(endogenous, exogenous, atN),
    observationNext: observe(endogenousNext, exogenousNext, atNext),
    pairObservation: observe(endogenous, pairExogenous, atN2),
    pairObservationNext: observe(endogenousNext, pairExogenousNext, atNext2),
  };
}

/** tr cov(v) */
export const variance = sumOfSquares;

/** cov(v, w), (rows of v, rows of w). */
export function covariance(v: Matrix, w: Matrix): Matrix {
  return multiplyTransposed(v, w);
}

/** The residual v - E[v given f] of the best linear prediction from `given` = f; v itself where f is zero. */
export function residual(v: Matrix, given: Matrix): Matrix {
  const { basis } = orthonormalise(transpose(given));
  return minus(v, multiplyTransposed(multiply(v, basis), basis));
}

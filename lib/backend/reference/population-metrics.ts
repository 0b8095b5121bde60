import { EXACT_RELATION, VOID_LOADINGS } from '../../base/conventions.js';
import { gram, multiply } from '../../linalg/dense.js';
import { eigen } from '../../linalg/eigen.js';
import { addScaled, firstRows, type Matrix, sumOfSquares } from '../../linalg/matrix.js';
import { POPULATION_METRICS } from '../requests.js';
import { type Given, given, residual } from './conditioning.js';
import type { World } from './loadings.js';
import type { Encoder } from './objective.js';

export type PopulationMetric = (typeof POPULATION_METRICS)[number];

/** What the latents hold of the complement: how many of its coordinates, each as z = c n + d n'. */
export interface ComplementPicks {
  readonly picked: number;
  readonly c: number;
  readonly d: number;
}

/** A variable that metrics ask about: itself, given o, and an orthonormal basis of the latter. */
interface Target {
  readonly loadings: Matrix;
  readonly variance: number;
  /** Loadings of the target given o. */
  readonly conditional: Matrix;
  readonly conditionalVariance: number;
  readonly isVoid: boolean;
  /** Turns `conditional` into orthonormal directions. */
  readonly whiten: Matrix;
}

/** theory.md section 4 on a population, for every prefix of an encoder's rows. */
export class PopulationMetrics {
  private readonly latents: Matrix;
  private readonly conditionalLatents: Matrix;
  private readonly action: Target;
  private readonly exogenousNext: Target;
  private readonly moved: Float64Array;

  constructor(
    private readonly world: World,
    givenObservation: Given,
    private readonly encoder: Encoder,
    private readonly tolerance: number,
  ) {
    this.latents = multiply(encoder.c, world.loadings.observation!);
    addScaled(this.latents, 1, multiply(encoder.d, world.loadings.observationNext!));
    this.conditionalLatents = residual(this.latents, givenObservation).loadings;
    clearVoid(this.conditionalLatents, this.latents);
    const target = (loadings: Matrix): Target => {
      const conditional = residual(loadings, givenObservation).loadings;
      const variance = sumOfSquares(loadings);
      const conditionalVariance = sumOfSquares(conditional);
      const isVoid = !(conditionalVariance > VOID_LOADINGS * variance);
      return {
        loadings,
        variance,
        conditional,
        conditionalVariance,
        isVoid,
        whiten: given(conditional, tolerance).whiten,
      };
    };
    this.action = target(world.loadings.action!);
    this.exogenousNext = target(world.exogenousNext);
    this.moved = this.movedByRedraw();
  }

  /** Every metric of the first `rows` latents in the reduced basis beside those of the complement, in POPULATION_METRICS' order. */
  of(rows: number, complement: ComplementPicks): number[] {
    const z = firstRows(this.latents, rows);
    const zGivenO = given(firstRows(this.conditionalLatents, rows), this.tolerance);
    const raw = given(z, this.tolerance);
    const action = metricsGivenO(this.action, zGivenO);
    const exogenous = metricsGivenO(this.exogenousNext, zGivenO);
    const metrics: Record<PopulationMetric, number> = {
      actionError: action.error,
      futureLeakage: 1 - exogenous.error,
      actionInformation: action.information,
      futureInformation: exogenous.information,
      consistencyError: this.consistencyError(rows, z, complement),
      rawActionError: unexplained(this.action.loadings, raw) / this.action.variance,
      rawExogenousNextError: unexplained(this.exogenousNext.loadings, raw) / this.exogenousNext.variance,
      rawObservationError: this.rawObservationError(raw, complement),
    };
    return POPULATION_METRICS.map((name) => metrics[name]);
  }

  /** By how much each latent's square moves when (x, w_x) is redrawn: |(C + rho_x D) Ex|^2 + |exogenousScale D Ex|^2. */
  private movedByRedraw(): Float64Array {
    const { exogenousMixing: ex, parameter } = this.world;
    const byStep = multiply(this.encoder.d, ex);
    const byState = multiply(this.encoder.c, ex);
    addScaled(byState, parameter.exogenousDecay, byStep);
    const moved = new Float64Array(byStep.rows);
    for (let i = 0; i < moved.length; i++)
      for (let j = 0; j < ex.cols; j++) {
        const state = byState.data[i * ex.cols + j];
        const step = parameter.exogenousScale * byStep.data[i * ex.cols + j];
        moved[i] += state * state + step * step;
      }
    return moved;
  }

  private consistencyError(rows: number, z: Matrix, { picked, c, d }: ComplementPicks): number {
    let moved = 0;
    for (let i = 0; i < rows; i++) moved += this.moved[i];
    const eta = this.world.parameter.sensorNoise;
    return moved / (sumOfSquares(z) + picked * eta * eta * (c * c + d * d));
  }

  private rawObservationError(raw: Given, { picked, c, d }: ComplementPicks): number {
    const { complementDim, sensorNoise: eta } = this.world.parameter;
    const observation = this.world.loadings.observation!;
    const explained = c === 0 ? 0 : (eta * eta * c * c) / (c * c + d * d);
    const variance = sumOfSquares(observation) + complementDim * eta * eta;
    return (unexplained(observation, raw) + complementDim * eta * eta - picked * explained) / variance;
  }
}

/** A latent that o determines leaves rounding, which is not to be taken for a signal. */
function clearVoid(conditional: Matrix, plain: Matrix): void {
  for (let i = 0; i < conditional.rows; i++) {
    const row = conditional.data.subarray(i * conditional.cols, (i + 1) * conditional.cols);
    const variable = plain.data.subarray(i * plain.cols, (i + 1) * plain.cols);
    const square = (v: Float64Array) => v.reduce((sum, x) => sum + x * x, 0);
    if (!(square(row) > VOID_LOADINGS * square(variable))) row.fill(0);
  }
}

/** tr cov(v | z). */
function unexplained(v: Matrix, z: Given): number {
  return sumOfSquares(residual(v, z).loadings);
}

/** tr cov(t | o, z) / tr cov(t | o), and -1/2 sum log(1 - rho^2) from the share that z leaves of each direction of t. */
function metricsGivenO(target: Target, z: Given): { error: number; information: number } {
  if (target.isVoid) return { error: Number.NaN, information: Number.NaN };
  const unexplained = residual(target.conditional, z).loadings;
  const error = sumOfSquares(unexplained) / target.conditionalVariance;
  const { values } = eigen(gram(multiply(target.whiten, unexplained)));
  let information = 0;
  for (const share of values) {
    if (!(share >= EXACT_RELATION)) return { error, information: Number.POSITIVE_INFINITY };
    information -= 0.5 * Math.log(Math.min(share, 1));
  }
  return { error, information };
}

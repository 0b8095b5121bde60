import {
  LATENT_RIDGE,
  NEGLIGIBLE_VARIANCE,
  REGRESSOR_CUT,
  RELATIVE_TOLERANCE,
  STANDS_STILL,
} from '../../base/conventions.js';
import { choleskyInPlace, choleskySolveInPlace, multiply, multiplyTransposed } from '../../linalg/dense.js';
import { eigen, whitener } from '../../linalg/eigen.js';
import {
  copy,
  firstRows,
  type Matrix,
  matrix,
  minus,
  symmetric,
  transpose,
  vstack,
} from '../../linalg/matrix.js';
import {
  type ConditionRequest,
  type EstimatedMetric,
  type FittedObjective,
  UNIT_VARIABLES,
  type UnitVariable,
} from '../requests.js';
import { Moments, residualCovariance } from './moments.js';
import { addToEncoder, reconstructs } from './objective.js';
import { latentsOf, latentsOfItself } from './regression.js';

/** First column and width of every variable that a unit's moments hold. */
export type UnitColumns = Partial<Record<UnitVariable, readonly number[]>>;

export function columnsOf(layout: Int32Array): UnitColumns {
  const found: UnitColumns = {};
  UNIT_VARIABLES.forEach((name, i) => {
    const [begin, width] = [layout[2 * i], layout[2 * i + 1]];
    if (width > 0) found[name] = Array.from({ length: width }, (_, j) => begin + j);
  });
  return found;
}

/** Mean, and covariance about it, of the rows behind sums of moments. */
export interface Centred {
  readonly mean: Float64Array;
  readonly covariance: Matrix;
}

export function centred(sums: Matrix): Centred {
  const w = sums.cols;
  const count = sums.data[0];
  const mean = Float64Array.from({ length: w }, (_, j) => (count > 0 ? sums.data[j] / count : 0));
  const covariance = matrix(w, w);
  if (!(count > 0)) return { mean, covariance };
  const moves = Array.from({ length: w }, (_, j) => {
    const second = sums.data[j * w + j] / count;
    return second - mean[j] * mean[j] > STANDS_STILL * second;
  });
  for (let i = 1; i < w; i++)
    for (let j = 1; j < w; j++)
      if (moves[i] && moves[j]) covariance.data[i * w + j] = sums.data[i * w + j] / count - mean[i] * mean[j];
  return { mean, covariance };
}

/** The entries of these rows and columns. */
export function at(s: Matrix, rows: readonly number[], cols: readonly number[]): Matrix {
  const out = matrix(rows.length, cols.length);
  rows.forEach((r, i) => {
    cols.forEach((c, j) => {
      out.data[i * cols.length + j] = s.data[r * s.cols + c];
    });
  });
  return out;
}

/** 1 / standard deviation of each coordinate; 0 for one that does not move beside the others. */
export function unitScale(covariance: Matrix, cut = REGRESSOR_CUT): Float64Array {
  const variances = Array.from(
    { length: covariance.rows },
    (_, i) => covariance.data[i * covariance.cols + i],
  );
  const largest = variances.reduce((most, v) => Math.max(most, v), 0);
  return Float64Array.from(variances, (v) => (v > cut * largest ? 1 / Math.sqrt(v) : 0));
}

function diagonalTimes(scale: Float64Array, a: Matrix): Matrix {
  return matrix(
    a.rows,
    a.cols,
    a.data.map((v, i) => v * scale[Math.floor(i / a.cols)]),
  );
}

/** Weights (regressors, targets) of a regression on regressors at unit variance, with this ridge on their correlations. */
export function ridgeWeights(
  sff: Matrix,
  sfv: Matrix,
  ridge: number,
  scale: Float64Array = unitScale(sff),
): Matrix {
  const n = sff.rows;
  if (n === 0 || sfv.cols === 0) return matrix(n, sfv.cols);
  const correlation = diagonalTimes(scale, transpose(diagonalTimes(scale, sff)));
  for (let i = 0; i < n; i++) correlation.data[i * n + i] += scale[i] > 0 ? ridge : 1;
  const right = diagonalTimes(scale, sfv);
  const factor = correlation.data.slice();
  if (choleskyInPlace(factor, 0, n) > 0) {
    choleskySolveInPlace(factor, 0, n, right.data, 0, right.cols);
    return diagonalTimes(scale, right);
  }
  const e = eigen(symmetric(correlation));
  const w = whitener(e, RELATIVE_TOLERANCE * Math.max(e.values[0], 0));
  return diagonalTimes(scale, multiply(transpose(w), multiply(w, right)));
}

/** Loadings on the columns of a unit's moments, the constant 1 among them: rows of the errors with z and without. */
export interface ErrorRows {
  readonly withLatents: Matrix;
  readonly without: Matrix;
}

/** One fold's model and probes: for each latent dimension, every metric that the data has. */
export class FoldFit {
  private readonly s: Matrix;

  constructor(
    private readonly training: Centred,
    private readonly variables: UnitColumns,
    private readonly ridge: number,
  ) {
    this.s = training.covariance;
  }

  private of(name: UnitVariable): readonly number[] {
    return this.variables[name] ?? [];
  }

  /** `rows` less what `given` predicts of them. */
  private less(rows: Matrix, given: readonly number[]): Matrix {
    const covered = multiply(rows, this.s);
    const all = Array.from({ length: rows.rows }, (_, i) => i);
    const weights = ridgeWeights(at(this.s, given, given), transpose(at(covered, all, given)), this.ridge);
    const out = copy(rows);
    given.forEach((column, j) => {
      for (let i = 0; i < rows.rows; i++) out.data[i * rows.cols + column] -= weights.data[j * rows.rows + i];
    });
    return out;
  }

  private rowsOf(cols: readonly number[]): Matrix {
    const out = matrix(cols.length, this.s.cols);
    cols.forEach((column, i) => {
      out.data[i * out.cols + column] = 1;
    });
    return out;
  }

  private variance(rows: Matrix): Matrix {
    return symmetric(multiplyTransposed(multiply(rows, this.s), rows));
  }

  /** W with W rows at unit variance and uncorrelated, directions of no variance left out. */
  private toUnit(rows: Matrix): Matrix {
    if (rows.rows === 0) return matrix(0, 0);
    const e = eigen(this.variance(rows));
    return whitener(e, NEGLIGIBLE_VARIANCE * Math.max(e.values[0], 0));
  }

  private withConstant(rows: Matrix): Matrix {
    const out = copy(rows);
    for (let i = 0; i < rows.rows; i++) {
      let mean = 0;
      for (let j = 1; j < rows.cols; j++) mean += rows.data[i * rows.cols + j] * this.training.mean[j];
      out.data[i * rows.cols] = -mean;
    }
    return out;
  }

  private probe(before: Matrix, z: Matrix): ErrorRows {
    const czz = this.variance(z);
    const identity = new Float64Array(z.rows).fill(1);
    const gain = multiplyTransposed(multiply(z, this.s), before);
    const weights = ridgeWeights(czz, gain, LATENT_RIDGE, identity);
    return { withLatents: minus(before, multiply(transpose(weights), z)), without: before };
  }

  /** What `source`, the remainder of `target`, leaves of z at unit variance. */
  private share(z: Matrix, source: Matrix, target: readonly number[]): ErrorRows {
    const whole = multiply(this.toUnit(z), z);
    const css = this.variance(source);
    const scale = unitScale(css, NEGLIGIBLE_VARIANCE);
    target.forEach((column, i) => {
      const own = this.s.data[column * this.s.cols + column];
      if (!(css.data[i * css.cols + i] > NEGLIGIBLE_VARIANCE * own)) scale[i] = 0;
    });
    const weights = ridgeWeights(
      css,
      multiplyTransposed(multiply(source, this.s), whole),
      LATENT_RIDGE,
      scale,
    );
    return { withLatents: minus(whole, multiply(transpose(weights), source)), without: whole };
  }

  /** (I + (gain^-2 - 1) S)^(-1/2), S what x' given o explains of o' given o, its greatest eigenvalue 1. */
  private suppressing(gain: number): Matrix {
    const [o, next, xn] = [this.of('observation'), this.of('observationNext'), this.of('exogenousNext')];
    const future = this.less(this.rowsOf(xn), o);
    const left = this.variance(future);
    xn.forEach((column, i) => {
      const own = this.s.data[column * this.s.cols + column];
      if (!(left.data[i * left.cols + i] > NEGLIGIBLE_VARIANCE * own))
        future.data.fill(0, i * future.cols, (i + 1) * future.cols);
    });
    const unit = multiply(this.toUnit(future), future);
    const shows = multiplyTransposed(multiply(unit, this.s), this.less(this.rowsOf(next), o));
    const { values, vectors } = eigen(symmetric(multiply(transpose(shows), shows)));
    const kept = values.map((v) => {
      const share = values[0] > 0 ? Math.max(v, 0) / values[0] : 0;
      return share > RELATIVE_TOLERANCE ? 1 / Math.sqrt(1 + (gain ** -2 - 1) * share) : 1;
    });
    return multiply(transpose(vectors), diagonalTimes(kept, vectors));
  }

  /** C and D of the best latents, as loadings: z = C o + D o'. */
  private encoder(asked: FittedObjective, latents: number): { c: Matrix; d: Matrix } {
    const own = asked.gain ? this.suppressing(asked.gain) : undefined;
    const fitted = own ? { ...asked, projection: own.data, projectionDim: own.rows } : asked;
    const { rows } = fitted;
    const d = this.of('observation').length;
    const first = (name: UnitVariable) => this.of(name)[0] ?? -1;
    const moments = new Moments(
      {
        count: 1,
        width: this.s.cols,
        moments: this.s.data,
        layout: {
          observationDim: d,
          actionDim: this.of('action').length,
          observation: first('observation'),
          observationNext: first('observationNext'),
          pairObservation: first('pairObservation'),
          pairObservationNext: first('pairObservationNext'),
          action: first('action'),
        },
        objective: rows,
        coefficients: Float64Array.from(fitted.coefficients),
        projection: fitted.projection,
        projectionDim: fitted.projectionDim,
        ridge: this.ridge,
        relativeTolerance: RELATIVE_TOLERANCE,
      } satisfies ConditionRequest,
      0,
    );
    const regress = (sff: Matrix, sfv: Matrix) => ({ sff, sfv, weights: ridgeWeights(sff, sfv, this.ridge) });
    const sff = moments.covariance(rows.f, rows.f);
    const eOnF = regress(sff, moments.covariance(rows.f, rows.e));
    const yOnF = regress(sff, moments.covariance(rows.f, rows.y));
    const see = residualCovariance(moments.covariance(rows.e, rows.e), eOnF, eOnF);
    for (const { of, given, weight } of rows.penalties) {
      const on = regress(moments.covariance(given, given), moments.covariance(given, of));
      const move = residualCovariance(moments.covariance(of, of), on, on);
      see.data.forEach((_, i) => {
        see.data[i] += moments.coefficients[weight] * move.data[i];
      });
    }
    const bottleneck = eigen(symmetric(see));
    const cut = RELATIVE_TOLERANCE * Math.max(bottleneck.values[0] ?? 0, 0);
    const found = reconstructs(rows)
      ? latentsOfItself(bottleneck, cut)
      : latentsOf(residualCovariance(moments.covariance(rows.y, rows.e), yOnF, eOnF), bottleneck, cut);
    const g = firstRows(found.weights, Math.min(latents, found.weights.rows));
    const encoder = { c: matrix(g.rows, d), d: matrix(g.rows, d) };
    const { widths, coefficients, projection } = moments;
    addToEncoder(encoder, 1, g, rows.e, widths, coefficients, projection);
    if (rows.gauge === 'innovation' && rows.f.length > 0)
      addToEncoder(
        encoder,
        -1,
        multiplyTransposed(g, eOnF.weights),
        rows.f,
        widths,
        coefficients,
        projection,
      );
    return encoder;
  }

  /** Maps (k, d) of the variables that are named, as loadings. */
  private loadings(maps: readonly (readonly [UnitVariable, Matrix, number])[]): Matrix {
    const out = matrix(maps[0][1].rows, this.s.cols);
    for (const [name, map, sign] of maps)
      this.of(name).forEach((column, j) => {
        for (let i = 0; i < map.rows; i++)
          out.data[i * out.cols + column] += sign * map.data[i * map.cols + j];
      });
    return out;
  }

  fit(fitted: FittedObjective, latentDims: Int32Array): Map<EstimatedMetric, ErrorRows>[] {
    const encoder = this.encoder(fitted, Math.max(...latentDims));
    return Array.from(latentDims, (k) => {
      const rows = Math.min(k, encoder.c.rows);
      return this.judge(firstRows(encoder.c, rows), firstRows(encoder.d, rows));
    });
  }

  private judge(c: Matrix, d: Matrix): Map<EstimatedMetric, ErrorRows> {
    const found = new Map<EstimatedMetric, ErrorRows>();
    const set = (name: EstimatedMetric, e: ErrorRows) =>
      found.set(name, {
        withLatents: this.withConstant(e.withLatents),
        without: this.withConstant(e.without),
      });
    const o = this.of('observation');
    const [a, x, xn] = [this.of('action'), this.of('exogenous'), this.of('exogenousNext')];
    const raw = this.loadings([
      ['observation', c, 1],
      ['observationNext', d, 1],
    ]);
    // z given o is D (o' - E[o' given o]): whatever z holds of o itself drops out.
    const innovation = this.less(this.rowsOf(this.of('observationNext')), o);
    const givenO = multiply(d, innovation);
    const whiten = this.toUnit(givenO);
    const z = multiply(whiten, givenO);

    if (a.length) set('actionError', this.probe(this.less(this.rowsOf(a), o), z));
    if (xn.length) set('futureLeakage', this.probe(this.less(this.rowsOf(xn), o), z));
    const clean = this.of('endogenousNext');
    if (clean.length) set('endogenousError', this.probe(this.less(this.rowsOf(clean), o), z));
    const seen = x.length && xn.length ? [...o, ...x] : o;
    const beyond = this.less(z, seen);
    if (xn.length) {
      const future = this.less(this.rowsOf(xn), seen);
      if (x.length) set('innovationLeakage', this.probe(future, beyond));
      set('latentShare.exogenous', this.share(beyond, future, xn));
      if (a.length) {
        const both = vstack([future, this.less(this.rowsOf(a), o)]);
        set('latentShare.either', this.share(beyond, both, [...xn, ...a]));
      }
    }
    if (a.length) set('latentShare.action', this.share(beyond, this.less(this.rowsOf(a), o), a));

    const zRaw = multiply(this.toUnit(raw), raw);
    if (a.length) set('rawActionError', this.probe(this.rowsOf(a), zRaw));
    if (xn.length) set('rawExogenousNextError', this.probe(this.rowsOf(xn), zRaw));
    set('rawObservationError', this.probe(this.rowsOf(o), zRaw));
    if (this.of('pairObservation').length && this.of('pairObservationNext').length) {
      const pair = this.loadings([
        ['pairObservation', c, 1],
        ['pairObservationNext', d, 1],
      ]);
      const whole = multiply(whiten, raw);
      const doubled = matrix(
        whole.rows,
        whole.cols,
        whole.data.map((v) => v * Math.SQRT2),
      );
      set('consistencyError', { withLatents: multiply(whiten, minus(raw, pair)), without: doubled });
    }
    return found;
  }
}

/** Sum of squares of rows of errors over the rows of data behind these sums. */
export function squares(rows: Matrix, sums: Matrix): number {
  const products = multiply(rows, sums);
  return products.data.reduce((total, v, i) => total + v * rows.data[i], 0);
}

import { VOID_MOMENTS } from '../../base/conventions.js';
import { ExolamError } from '../../base/errors.js';
import { addProduct, multiply, multiplyTransposed, solveSemidefinite } from '../../linalg/dense.js';
import { countAbove, eigen } from '../../linalg/eigen.js';
import {
  addScaled,
  copy,
  firstRows,
  type Matrix,
  matrix,
  symmetric,
  trace,
  transpose,
} from '../../linalg/matrix.js';
import { Pace } from '../pace.js';
import {
  type Block,
  type ConditionAnswer,
  type ConditionRequest,
  type Control,
  conditionArrays,
  type MomentsAnswer,
  type MomentsRequest,
  momentsArrays,
  STATUS,
} from '../requests.js';
import { eachProblem } from './each-problem.js';
import {
  addToEncoder,
  blockWidth,
  coefficientsOf,
  factorOf,
  isAction,
  isNoise,
  isProjected,
  reconstructs,
  type Stack,
  stackWidth,
  type Widths,
} from './objective.js';
import { fixSigns, latentsOf, latentsOfItself } from './regression.js';

/** s plus `ridge` times its mean diagonal. */
export function withRidge(s: Matrix, ridge: number): Matrix {
  if (s.rows === 0 || ridge === 0) return s;
  const r = copy(s);
  const add = (ridge * trace(s)) / s.rows;
  for (let i = 0; i < s.rows; i++) r.data[i * s.rows + i] += add;
  return r;
}

/** The regression of v on f from S_ff and S_fv; `weights` (width of f, width of v), so that v ~ weights^T f. */
export interface Regression {
  readonly sff: Matrix;
  readonly sfv: Matrix;
  readonly weights: Matrix;
}

export function regress(sff: Matrix, sfv: Matrix, ridge: number, tolerance: number): Regression {
  return { sff, sfv, weights: solveSemidefinite(withRidge(sff, ridge), sfv, tolerance) };
}

/**
 * cov(u - A^T f, v - B^T f) = S_uv - S_uf B + A^T (S_ff B - S_fv) for any weights A and B: those of a ridge, or of other
 * moments, are not the best, and then the Schur complement would be wrong.
 */
export function residualCovariance(suv: Matrix, u: Regression, v: Regression): Matrix {
  const out = copy(suv);
  if (u.sff.rows === 0) return out;
  addProduct(transpose(u.sfv), v.weights, -1, out);
  const excess = multiply(u.sff, v.weights);
  addScaled(excess, -1, v.sfv);
  addProduct(transpose(u.weights), excess, 1, out);
  return out;
}

/** Covariances of stacks of blocks under one joint moment matrix. */
export class Moments {
  readonly widths: Widths;
  readonly projection: Matrix;
  readonly coefficients: Float64Array;
  private readonly moments: Float64Array;

  constructor(
    private readonly request: ConditionRequest,
    problem: number,
  ) {
    const { width, layout, projectionDim } = request;
    this.moments = request.moments.subarray(problem * width * width, (problem + 1) * width * width);
    this.widths = { observation: layout.observationDim, action: layout.actionDim, projection: projectionDim };
    this.projection = matrix(projectionDim, layout.observationDim, request.projection);
    this.coefficients = coefficientsOf(request.coefficients, request.count, problem);
  }

  covariance(a: Stack, b: Stack): Matrix {
    const out = matrix(stackWidth(a, this.widths), stackWidth(b, this.widths));
    let top = 0;
    for (const row of a) {
      let left = 0;
      for (const column of b) {
        const part = this.blockCovariance(row, column);
        for (let i = 0; i < part.rows; i++)
          out.data.set(part.data.subarray(i * part.cols, (i + 1) * part.cols), (top + i) * out.cols + left);
        left += part.cols;
      }
      top += blockWidth(row, this.widths);
    }
    return out;
  }

  /** Blocks are linear maps of data columns, so theirs is the mapped moment matrix; what noise they share adds to the diagonal. */
  private blockCovariance(a: Block, b: Block): Matrix {
    const { width } = this.request;
    let part = matrix(this.dataWidth(a), this.dataWidth(b));
    for (const s of a.terms)
      for (const t of b.terms) {
        if (isNoise(s) || isNoise(t)) continue;
        const factor = factorOf(s, this.coefficients) * factorOf(t, this.coefficients);
        const top = this.firstColumn(s.variable);
        const left = this.firstColumn(t.variable);
        for (let i = 0; i < part.rows; i++) {
          const from = (top + i) * width + left;
          for (let j = 0; j < part.cols; j++) part.data[i * part.cols + j] += factor * this.moments[from + j];
        }
      }
    if (isProjected(a)) part = multiply(this.projection, part);
    if (isProjected(b)) part = multiplyTransposed(part, this.projection);
    if (isAction(a) !== isAction(b) || isProjected(a) !== isProjected(b)) return part;
    for (const s of a.terms)
      for (const t of b.terms) {
        if (!isNoise(s) || s.variable !== t.variable) continue;
        const factor = factorOf(s, this.coefficients) * factorOf(t, this.coefficients);
        for (let i = 0; i < part.rows; i++) part.data[i * part.cols + i] += factor;
      }
    return part;
  }

  private dataWidth(block: Block): number {
    return isAction(block) ? this.widths.action : this.widths.observation;
  }

  private firstColumn(variable: Block['terms'][number]['variable']): number {
    const { layout } = this.request;
    const column = variable === 'encoderNoise' || variable === 'decoderNoise' ? -1 : layout[variable];
    if (column < 0)
      throw new ExolamError('internal', `the objective refers to ${variable}, which the moments do not hold`);
    return column;
  }
}

export async function solveMoments(request: MomentsRequest, control?: Control): Promise<MomentsAnswer> {
  const { count } = request;
  const answer = momentsArrays(request);
  const pace = new Pace(control, count);
  await eachProblem(answer.status, pace, async (problem) => {
    answer.status[problem] = await solveOne(request, problem, answer, pace);
  });
  return answer;
}

export async function conditionMoments(
  request: ConditionRequest,
  control?: Control,
): Promise<ConditionAnswer> {
  const { count, ridge, relativeTolerance: tolerance } = request;
  const { y, f, e } = request.objective;
  const answer = conditionArrays(request);
  const pace = new Pace(control, count);
  await eachProblem(answer.status, pace, (problem) => {
    const moments = new Moments(request, problem);
    const sff = moments.covariance(f, f);
    const regression = (of: Stack) => regress(sff, moments.covariance(f, of), ridge, tolerance);
    const [yOnF, eOnF] = [regression(y), regression(e)];
    answer.yOnF.set(yOnF.weights.data, problem * yOnF.weights.data.length);
    answer.eOnF.set(eOnF.weights.data, problem * eOnF.weights.data.length);
    const cross = residualCovariance(moments.covariance(y, e), yOnF, eOnF);
    answer.cross.set(cross.data, problem * cross.data.length);
  });
  return answer;
}

async function solveOne(
  request: MomentsRequest,
  problem: number,
  answer: MomentsAnswer,
  pace: Pace,
): Promise<number> {
  const { objective, ridge, relativeTolerance: tolerance, latentDim } = request;
  const { y, f, e, penalties } = objective;
  const moments = new Moments(request, problem);
  const { widths, projection, coefficients } = moments;
  const itself = reconstructs(objective);

  // Everything given f.
  const sff = moments.covariance(f, f);
  const eOnF = regress(sff, moments.covariance(f, e), ridge, tolerance);
  await pace.rest();
  const see = symmetric(residualCovariance(moments.covariance(e, e), eOnF, eOnF));
  await pace.rest();
  let sye = see;
  let traceY = trace(see);
  let variance = itself ? trace(moments.covariance(e, e)) : 0;
  if (!itself) {
    const yOnF = regress(sff, moments.covariance(f, y), ridge, tolerance);
    const syy = moments.covariance(y, y);
    variance = trace(syy);
    traceY = trace(residualCovariance(syy, yOnF, yOnF));
    sye = residualCovariance(moments.covariance(y, e), yOnF, eOnF);
    await pace.rest();
  }

  // S_ee + P, M and G.
  const penalised = itself ? see : copy(see);
  for (const { of, given, weight } of penalties) {
    const on = moments.covariance(given, given);
    const regression = regress(on, moments.covariance(given, of), ridge, tolerance);
    const penalty = residualCovariance(moments.covariance(of, of), regression, regression);
    addScaled(penalised, coefficients[weight], penalty);
    await pace.rest();
  }
  const bottleneck = eigen(symmetric(penalised));
  await pace.rest();
  const cut = tolerance * Math.max(bottleneck.values[0] ?? 0, 0);
  const latents = itself ? latentsOfItself(bottleneck, cut) : latentsOf(sye, bottleneck, cut);
  await pace.rest();

  const largest = latents.values[0] ?? 0;
  const isEmpty = !(largest > VOID_MOMENTS * variance);
  const rank = isEmpty ? 0 : countAbove(latents.values, tolerance * largest);
  answer.trace[problem] = traceY;
  answer.rank[problem] = rank;
  const at = problem * see.rows;
  latents.values.forEach((value, i) => {
    answer.spectrum[at + i] = Math.max(value, 0);
  });

  const weights = firstRows(latents.weights, Math.min(latentDim, rank));
  fixSigns(weights);
  const d = widths.observation;
  const encoder = { c: matrix(weights.rows, d), d: matrix(weights.rows, d) };
  addToEncoder(encoder, 1, weights, e, widths, coefficients, projection);
  if (objective.gauge === 'innovation' && f.length > 0) {
    const onF = multiplyTransposed(weights, eOnF.weights);
    addToEncoder(encoder, -1, onF, f, widths, coefficients, projection);
  }
  answer.encoderC.set(encoder.c.data, problem * latentDim * d);
  answer.encoderD.set(encoder.d.data, problem * latentDim * d);
  if (!Number.isFinite(traceY) || !Number.isFinite(largest)) return STATUS.nonFinite;
  return isEmpty ? STATUS.emptyProblem : STATUS.ok;
}

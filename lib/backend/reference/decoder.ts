/**
 * What a solved problem decodes (docs/linear-lam.md). The decoder A o + B z that goes with an encoder z = C o + D o' follows from
 * theory.md, "The one solver": with z = G e, column i of B is cov(y, z_i given f) / lambda_i
 * (because G S_ye^T = B^T M = Lambda B^T), with a penalty and with a ridge as well as without; A is what is left of the regression
 * of y on f. Of a stacked target only the observation is decoded, not the action.
 */

import { addProduct, multiply, multiplyTransposed } from '../../linalg/dense.js';
import { addScaled, type Matrix, matrix, transpose } from '../../linalg/matrix.js';
import {
  type Block,
  type Control,
  type MomentsAnswer,
  type MomentsRequest,
  type ObjectiveRows,
  type PopulationRequest,
  STATUS,
} from '../requests.js';
import { given, givenOnSides, residual } from './conditioning.js';
import { complementOf, compose, type Variables, worldOf } from './loadings.js';
import {
  solveMoments as encodeMoments,
  Moments,
  type Regression,
  regress,
  residualCovariance,
} from './moments.js';
import { coefficientsOf, isAction, isNoise, sameStack } from './objective.js';

export interface Encoder {
  /** (latentDim, observationDim) each. */
  readonly C: Matrix;
  readonly D: Matrix;
}

export interface Decoder {
  /** (m, observationDim), m the width of what is decoded. */
  readonly A: Matrix;
  /** (m, latentDim); zero where an eigenvalue is. */
  readonly B: Matrix;
  /** (latentDim, observationDim): C of the innovation gauge, z = D o' less what the current observation tells of it. */
  readonly innovationC: Matrix;
}

const O: Block = { terms: [{ variable: 'observation', coefficient: null }], projected: false };
const NEXT: Block = { terms: [{ variable: 'observationNext', coefficient: null }], projected: false };

/**
 * The stacks that a decoder is made from: y without actions, f, and e as the encoder's matrices see it, without P. The noise of an
 * encoder is its own, so that no covariance with y or f has it.
 */
function stacksOf(rows: ObjectiveRows) {
  return {
    y: rows.y.filter((block) => !isAction(block)),
    f: rows.f,
    e: rows.e.map(({ terms }) => ({ terms: terms.filter((t) => !isNoise(t)), projected: false })),
  };
}

/** G on the unprojected e: D on o' or on o' - o, [C D] on (o, o'). */
function weightsOf(encoder: Encoder, rows: ObjectiveRows): Matrix {
  const { C, D } = encoder;
  if (rows.e.length === 1) return D;
  const g = matrix(C.rows, C.cols + D.cols);
  for (let i = 0; i < C.rows; i++) {
    g.data.set(C.data.subarray(i * C.cols, (i + 1) * C.cols), i * g.cols);
    g.data.set(D.data.subarray(i * D.cols, (i + 1) * D.cols), i * g.cols + C.cols);
  }
  return g;
}

/** y and e regressed on f, on one set of coordinates. */
interface Regressed {
  /** (width of y, width of f): y ~ yOnF f. */
  readonly yOnF: Matrix;
  /** (latents, width of f): G e ~ zOnF f. */
  readonly zOnF: Matrix;
  /** (width of y, latents): cov(y, G e given f). */
  readonly cross: Matrix;
  /** (latents, coordinates): D o' ~ nextOnO o. */
  readonly nextOnO: Matrix;
}

/** A and B from the regressions; `lambda` are the eigenvalues of M that the latents stand for. */
function decoderOf(
  rows: ObjectiveRows,
  found: Regressed,
  encoder: Encoder,
  p: Matrix | null,
  lambda: Float64Array,
) {
  const B = found.cross;
  for (let i = 0; i < B.rows; i++)
    for (let j = 0; j < B.cols; j++)
      B.data[i * B.cols + j] = lambda[j] > 0 ? B.data[i * B.cols + j] / lambda[j] : 0;
  // The target is o' - o and nothing is free: o' = o + B z.
  if (rows.f.length === 0) return { A: oneOf(encoder.D.cols, p), B, innovationC: found.nextOnO };
  const free = found.yOnF;
  // As solved, z = G e still holds what f tells of it; in the innovation gauge it does not.
  if (rows.gauge === 'encoder') addProduct(B, found.zOnF, -1, free);
  const A = p ? multiply(free, p) : free;
  return { A, B, innovationC: rows.gauge === 'innovation' ? encoder.C : found.nextOnO };
}

/** P, or the identity where observations are seen as they are. */
function oneOf(n: number, p: Matrix | null): Matrix {
  if (p) return matrix(p.rows, p.cols, p.data.slice());
  const one = matrix(n, n);
  for (let i = 0; i < n; i++) one.data[i * n + i] = 1;
  return one;
}

function scaled(a: Matrix, scale: number): Matrix {
  return matrix(
    a.rows,
    a.cols,
    a.data.map((v) => scale * v),
  );
}

/** As of the request; decoders, where they are asked for, are made from the encoders. */
export async function solveMoments(request: MomentsRequest, control?: Control): Promise<MomentsAnswer> {
  const answer = await encodeMoments(request, control);
  if (!request.decoder) return answer;
  const { count, latentDim: k, layout } = request;
  const d = layout.observationDim;
  const all = answer.spectrum.length / count;
  const part = (a: Float64Array, n: number) => matrix(k, d, a.subarray(n * k * d, (n + 1) * k * d));
  for (let n = 0; n < count; n++) {
    if (answer.status[n] !== STATUS.ok) continue;
    const encoder = { C: part(answer.encoderC, n), D: part(answer.encoderD, n) };
    const lambda = new Float64Array(k);
    lambda.set(answer.spectrum.subarray(n * all, n * all + Math.min(k, all)));
    const { A, B, innovationC } = momentsDecoder(request, n, encoder, lambda);
    answer.decoderA.set(A.data, n * A.data.length);
    answer.decoderB.set(B.data, n * B.data.length);
    answer.innovationC.set(innovationC.data, n * k * d);
  }
  return answer;
}

/**
 * The decoder of one problem of a moments request, whose encoder is `encoder`. What is decoded is y itself: in the width of the
 * request's projection, where there is one.
 */
export function momentsDecoder(
  request: MomentsRequest,
  problem: number,
  encoder: Encoder,
  lambda: Float64Array,
): Decoder {
  const { objective: rows, ridge, relativeTolerance: tolerance } = request;
  const moments = new Moments(request, problem);
  const { y, f, e } = stacksOf(rows);
  const g = weightsOf(encoder, rows);
  const p = request.projectionDim > 0 ? moments.projection : null;
  const regression = (on: readonly Block[], of: readonly Block[]): Regression =>
    regress(moments.covariance(on, on), moments.covariance(on, of), ridge, tolerance);
  const eOnF = regression(f, e);
  const yOnF = sameStack(y, e) ? eOnF : regression(f, y);
  const onLatents = (a: Matrix) => (a.rows === 0 ? matrix(0, g.rows) : multiplyTransposed(a, g));
  const z: Regression = { sff: eOnF.sff, sfv: onLatents(eOnF.sfv), weights: onLatents(eOnF.weights) };
  const cross = residualCovariance(onLatents(moments.covariance(y, e)), yOnF, z);
  const asReported = rows.gauge === 'innovation';
  const nextOnO = asReported
    ? encoder.C
    : scaled(multiplyTransposed(encoder.D, regression([O], [NEXT]).weights), -1);
  const found = { yOnF: transpose(yOnF.weights), zOnF: transpose(z.weights), cross, nextOnO };
  return decoderOf(rows, found, encoder, p, lambda);
}

/** a b b^T taken off a: what of each row lies outside the orthonormal columns of `basis`. */
function outside(a: Matrix, inBasis: Matrix, basis: Matrix): Matrix {
  const rest = matrix(a.rows, a.cols, a.data.slice());
  addScaled(rest, -1, multiplyTransposed(inBasis, basis));
  return rest;
}

/**
 * The decoder of the only problem of a population request whose `encoder` is that of the whole observation; `basis`
 * (observationDim, basis) holds the request's coordinates. What is decoded is y in the request's projection.
 *
 * The coordinates outside the basis hold noise alone, all of one law and independent of each other and of those inside, so that
 * one of them gives the regressions of all.
 */
export function populationDecoder(
  request: PopulationRequest,
  basis: Matrix,
  encoder: Encoder,
  lambda: Float64Array,
): Decoder {
  const { objective: rows, relativeTolerance: tolerance } = request;
  const coefficients = coefficientsOf(request.coefficients, request.count, 0);
  const world = worldOf(request, 0);
  const projected = request.projectionDim > 0;
  const multiplicity = projected ? 0 : world.parameter.complementDim;
  const sides: Variables[] = [world, ...(multiplicity > 0 ? [complementOf(world, rows)] : [])];
  const { y, f, e } = stacksOf(rows);
  const loadings = (stack: readonly Block[]) => sides.map((side) => compose(stack, side, coefficients));
  const onF = givenOnSides(loadings(f), tolerance);
  const [targets, sources] = [loadings(y), loadings(e)];
  const regressed = sides.map((_, i) => {
    const target = residual(targets[i], onF[i]);
    const source = residual(sources[i], onF[i]);
    return {
      yOnF: multiply(target.onBasis, onF[i].whiten),
      eOnF: multiply(source.onBasis, onF[i].whiten),
      cross: multiplyTransposed(target.loadings, source.loadings),
    };
  });
  const [within, beyond] = regressed;
  const onO = given(compose([O], world, coefficients), tolerance);
  const next = residual(compose([NEXT], world, coefficients), onO);
  const nextOnO = multiply(next.onBasis, onO.whiten);

  const [c, d] = [multiply(encoder.C, basis), multiply(encoder.D, basis)];
  const g = weightsOf({ C: c, D: d }, rows);
  const lift = (a: Matrix) => (projected ? a : multiplyTransposed(a, basis));
  const liftRows = (a: Matrix) => (projected ? a : multiply(basis, a));
  const found = {
    yOnF: lift(liftRows(within.yOnF)),
    zOnF: lift(multiply(g, within.eOnF)),
    cross: liftRows(multiplyTransposed(within.cross, g)),
    nextOnO: scaled(multiplyTransposed(multiply(d, nextOnO), basis), -1),
  };
  if (beyond) {
    const [restC, restD] = [outside(encoder.C, c, basis), outside(encoder.D, d, basis)];
    // The sensor noise of o tells nothing of that of o': nextOnO has no part out here.
    // One weight for each block of e: o' alone, or o and then o'.
    const rests = rows.e.length === 1 ? [restD] : [restC, restD];
    rests.forEach((rest, b) => {
      addScaled(found.cross, beyond.cross.data[b], transpose(rest));
      if (beyond.eOnF.cols > 0) addScaled(found.zOnF, beyond.eOnF.data[b], rest);
    });
    if (beyond.yOnF.cols > 0) {
      const one = oneOf(basis.rows, null);
      addScaled(found.yOnF, beyond.yOnF.data[0], outside(one, basis, basis));
    }
  }
  const p = projected ? multiplyTransposed(world.projection, basis) : null;
  return decoderOf(rows, found, encoder, p, lambda);
}

import { EXACT_RELATION, RELATIVE_TOLERANCE, VOID_PROBE } from '../../base/conventions.js';
import { addProduct, multiply, multiplyTransposed } from '../../linalg/dense.js';
import { countAbove, eigen } from '../../linalg/eigen.js';
import { block, type Matrix, matrix, symmetric, trace, transpose } from '../../linalg/matrix.js';
import { Pace } from '../pace.js';
import type { Control, ProbeAnswer, ProbeRequest } from '../requests.js';
import { type Regression, regress, residualCovariance } from './moments.js';

const leading = (s: Matrix, rows: number, cols: number): Matrix => block(s, 0, rows, 0, cols);

/** Moments of one split in terms of o, z = C o + D o' and the targets. */
interface Split {
  readonly oo: Matrix;
  readonly oz: Matrix;
  readonly zz: Matrix;
  readonly ot: readonly Matrix[];
  readonly zt: readonly Matrix[];
  readonly tt: readonly Matrix[];
}

function splitOf(request: ProbeRequest, moments: Float64Array): Split {
  const { width, observation: o, observationNext: next, observationDim: d, rows } = request;
  const s = matrix(width, width, moments);
  const c = matrix(rows, d, request.encoderC);
  const dn = matrix(rows, d, request.encoderD);
  /** cov(z, columns first ..). */
  const latentsWith = (first: number, cols: number): Matrix => {
    const out = multiply(c, block(s, o, d, first, cols));
    addProduct(dn, block(s, next, d, first, cols), 1, out);
    return out;
  };
  const zo = latentsWith(o, d);
  const zz = multiplyTransposed(zo, c);
  addProduct(latentsWith(next, d), transpose(dn), 1, zz);
  const targets = targetsOf(request);
  return {
    oo: block(s, o, d, o, d),
    oz: transpose(zo),
    zz: symmetric(zz),
    ot: targets.map(([first, cols]) => block(s, o, d, first, cols)),
    zt: targets.map(([first, cols]) => latentsWith(first, cols)),
    tt: targets.map(([first, cols]) => block(s, first, cols, first, cols)),
  };
}

function targetsOf(request: ProbeRequest): [first: number, width: number][] {
  return Array.from({ length: request.targets.length / 2 }, (_, t) => [
    request.targets[2 * t],
    request.targets[2 * t + 1],
  ]);
}

/** Covariances of z and one target, plain or given o. */
interface Pair {
  readonly zz: Matrix;
  readonly zt: Matrix;
  readonly tt: Matrix;
}

/**
 * E|t - W z|^2 on held-out moments, W fitted by ridge on training moments, for the first k latents. These are first scaled to unit
 * variance, because their own scales say nothing; constant ones explain nothing.
 */
function probeError(train: Pair, heldOut: Pair, k: number, ridge: number): number {
  const n = train.zt.cols;
  const scale = Float64Array.from({ length: k }, (_, i) => {
    const variance = train.zz.data[i * train.zz.cols + i];
    return variance > 0 ? 1 / Math.sqrt(variance) : 0;
  });
  const correlation = leading(train.zz, k, k);
  const zt = leading(train.zt, k, n);
  for (let i = 0; i < k; i++) {
    for (let j = 0; j < k; j++)
      correlation.data[i * k + j] = i === j ? 1 : scale[i] * correlation.data[i * k + j] * scale[j];
    for (let j = 0; j < n; j++) zt.data[i * n + j] *= scale[i];
  }
  const { weights } = regress(correlation, zt, ridge, RELATIVE_TOLERANCE);
  for (let i = 0; i < k; i++) for (let j = 0; j < n; j++) weights.data[i * n + j] *= scale[i];
  const evaluated: Regression = { sff: leading(heldOut.zz, k, k), sfv: leading(heldOut.zt, k, n), weights };
  return trace(residualCovariance(heldOut.tt, evaluated, evaluated));
}

/** What is left of z once the target is known, the probe t -> z fitted on training moments. */
function unexplainedLatents(train: Pair, heldOut: Pair, ridge: number): Matrix {
  const fit = regress(train.tt, transpose(train.zt), ridge, RELATIVE_TOLERANCE);
  const evaluated: Regression = { sff: heldOut.tt, sfv: transpose(heldOut.zt), weights: fit.weights };
  return symmetric(residualCovariance(heldOut.zz, evaluated, evaluated));
}

/**
 * -1/2 log det of what t leaves of z's directions: the eigenvalues of `conditional` where `whole` is the unit matrix. Latents are first
 * scaled to unit variance, because their own scales say nothing; constant ones have no direction.
 */
function information(whole: Matrix, conditional: Matrix, k: number): number {
  const scale = new Float64Array(k);
  for (let i = 0; i < k; i++) {
    const variance = whole.data[i * whole.cols + i];
    scale[i] = variance > 0 ? 1 / Math.sqrt(variance) : 0;
  }
  const scaled = (s: Matrix): Matrix => {
    const out = matrix(k, k);
    for (let i = 0; i < k; i++)
      for (let j = 0; j < k; j++) out.data[i * k + j] = scale[i] * s.data[i * s.cols + j] * scale[j];
    return out;
  };
  const { values, vectors } = eigen(scaled(whole));
  const rank = countAbove(values, RELATIVE_TOLERANCE * Math.max(values[0] ?? 0, 0));
  const whiten = leading(vectors, rank, k);
  for (let i = 0; i < rank; i++) for (let j = 0; j < k; j++) whiten.data[i * k + j] /= Math.sqrt(values[i]);
  const remains = eigen(symmetric(multiplyTransposed(multiply(whiten, scaled(conditional)), whiten)));
  let sum = 0;
  for (const share of remains.values) {
    if (!(share >= EXACT_RELATION)) return Number.POSITIVE_INFINITY;
    sum -= 0.5 * Math.log(share);
  }
  return Math.max(sum, 0);
}

/** E|z - z2|^2 / (2 tr cov z) for every latent alone: numerators and variances, to be summed over a prefix. */
function pairMoves(request: ProbeRequest, heldOut: Split): { moved: Float64Array; variance: Float64Array } {
  const { width, observationDim: d, rows } = request;
  const s = matrix(width, width, request.heldOut);
  const views = [
    { first: request.observation, map: request.encoderC, sign: 1 },
    { first: request.observationNext, map: request.encoderD, sign: 1 },
    { first: request.pairObservation, map: request.encoderC, sign: -1 },
    { first: request.pairObservationNext, map: request.encoderD, sign: -1 },
  ];
  const moved = new Float64Array(rows);
  const variance = new Float64Array(rows);
  for (const a of views)
    for (const b of views) {
      const half = multiply(matrix(rows, d, a.map), block(s, a.first, d, b.first, d));
      for (let i = 0; i < rows; i++) {
        let sum = 0;
        for (let j = 0; j < d; j++) sum += half.data[i * d + j] * b.map[i * d + j];
        moved[i] += a.sign * b.sign * sum;
      }
    }
  for (let i = 0; i < rows; i++) variance[i] = heldOut.zz.data[i * rows + i];
  return { moved, variance };
}

export async function probe(request: ProbeRequest, control?: Control): Promise<ProbeAnswer> {
  const { latentDims, ridge, rows } = request;
  const kinds = latentDims.length;
  const targets = request.targets.length / 2;
  const answer: ProbeAnswer = {
    conditional: new Float64Array(kinds * targets),
    raw: new Float64Array(kinds * targets),
    remaining: new Float64Array(targets),
    information: new Float64Array(kinds * targets),
    consistency: new Float64Array(kinds).fill(Number.NaN),
  };
  const pace = new Pace(control, targets);
  const splits = { train: splitOf(request, request.train), heldOut: splitOf(request, request.heldOut) };
  await pace.rest();
  const { train, heldOut } = splits;
  // Probes from o are fitted on the training split and applied to both.
  const zFromO = regress(train.oo, train.oz, ridge, RELATIVE_TOLERANCE);
  const applied = (split: Split, sfv: Matrix, weights: Matrix): Regression => ({
    sff: split.oo,
    sfv,
    weights,
  });
  const latentsGivenO = (split: Split): Matrix => {
    const r = applied(split, split.oz, zFromO.weights);
    return symmetric(residualCovariance(split.zz, r, r));
  };
  const zzGivenO = { train: latentsGivenO(train), heldOut: latentsGivenO(heldOut) };
  await pace.rest();

  for (let t = 0; t < targets; t++) {
    const { weights } = regress(train.oo, train.ot[t], ridge, RELATIVE_TOLERANCE);
    const given = (split: Split, zz: Matrix): Pair => {
      const z = applied(split, split.oz, zFromO.weights);
      const target = applied(split, split.ot[t], weights);
      return {
        zz,
        zt: residualCovariance(split.zt[t], z, target),
        tt: symmetric(residualCovariance(split.tt[t], target, target)),
      };
    };
    const pair = { train: given(train, zzGivenO.train), heldOut: given(heldOut, zzGivenO.heldOut) };
    const plain = (split: Split): Pair => ({ zz: split.zz, zt: split.zt[t], tt: split.tt[t] });
    const [trainPlain, heldOutPlain] = [plain(train), plain(heldOut)];
    const total = trace(heldOutPlain.tt);
    const remaining = trace(pair.heldOut.tt);
    const isVoid = !(remaining > VOID_PROBE * total);
    const latentsGivenTarget = unexplainedLatents(pair.train, pair.heldOut, ridge);
    answer.remaining[t] = remaining;
    latentDims.forEach((latents, m) => {
      const k = Math.min(latents, rows);
      const at = m * targets + t;
      answer.raw[at] = total > 0 ? probeError(trainPlain, heldOutPlain, k, ridge) / total : Number.NaN;
      answer.conditional[at] = isVoid
        ? Number.NaN
        : probeError(pair.train, pair.heldOut, k, ridge) / remaining;
      answer.information[at] = isVoid ? Number.NaN : information(pair.heldOut.zz, latentsGivenTarget, k);
    });
    await pace.advance();
  }

  if (request.pairObservation >= 0 && request.pairObservationNext >= 0) {
    const { moved, variance } = pairMoves(request, heldOut);
    latentDims.forEach((latents, m) => {
      let numerator = 0;
      let denominator = 0;
      for (let i = 0; i < Math.min(latents, rows); i++) {
        numerator += moved[i];
        denominator += variance[i];
      }
      answer.consistency[m] = numerator / (2 * denominator);
    });
  }
  pace.finish();
  return answer;
}

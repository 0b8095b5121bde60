import type { Algebra } from '../backend/algebra.js';
import { RELATIVE_TOLERANCE, VOID_PROBE } from '../base/conventions.js';
import { multiply, multiplyTransposed } from '../linalg/dense.js';
import {
  block,
  hstack,
  type Matrix,
  matrix,
  plus,
  scaleColumns,
  scaleRows,
  symmetric,
  trace,
  transpose,
  vstack,
} from '../linalg/matrix.js';
import type { Variables } from '../moments/of-data.js';

/**
 * What a set of second moments says once the present observation is given: theory.md section 2 for objectives whose decoder is
 * free, where everything but the innovation r = h' - Gamma h drops out, and the probes of section 4. Conditioning is most of
 * the work of a fit, and it does not depend on a remedy's strength: it is done once, and every strength starts from here.
 */
export interface Innovation {
  /** Width of r. */
  readonly dim: number;
  /** Training moments of r, and r with the action given h; null without actions. */
  readonly rr: Matrix;
  readonly ra: Matrix | null;
  /** cov(r - r2 given h - h2) of paired views; null without. */
  readonly moves: Matrix | null;
  /** Of r with x', and of x', probes on o taken off: the training split's. */
  readonly rx: Matrix;
  readonly xx: Matrix;
  /** S_ra of another estimate of [cov(h, a); cov(h', a)], (2 dim, actionDim). */
  readonly actionGiven: (withAction: Matrix) => Promise<Matrix>;
  /** h = map o; null where h is o itself. */
  readonly map: Matrix | null;
  readonly targets: readonly Target[];
  /** (dim, all): r with r and every target, of both splits, side by side: what a judgement needs, in one product. */
  readonly judged: Matrix;
  readonly ridge: number;
}

/** What probes ask z for. */
export interface Target {
  readonly name: 'exogenousNext' | 'action';
  /** First column in each half of `judged`, and width. */
  readonly first: number;
  readonly width: number;
  /** E|t - probe(o)|^2 on held-out moments; NaN where nothing is left to explain. */
  readonly left: number;
}

/** Ridge regression on one regressor: solves (S_ff + ridge) W = S_fv for any S_fv. */
async function regressionOn(algebra: Algebra, sff: Matrix, ridge: number) {
  const { values, vectors } = await algebra.eigen(symmetric(sff));
  const add = (ridge * trace(sff)) / sff.rows;
  const largest = values[0] + add;
  const inverse = values.map((v) => (v + add > RELATIVE_TOLERANCE * largest ? 1 / (v + add) : 0));
  return async (sfv: Matrix): Promise<Matrix> =>
    algebra.transposedTimes(vectors, scaleRows(await algebra.times(vectors, sfv), inverse));
}

/** cov(u - A^T f, v - B^T f) for any weights A and B: with a ridge they are not the best, and a Schur complement would be wrong. */
async function residual(
  algebra: Algebra,
  s: { readonly uv: Matrix; readonly fu: Matrix; readonly fv: Matrix; readonly ff: Matrix },
  a: Matrix,
  b: Matrix,
): Promise<Matrix> {
  const excess = plus(s.fv, await algebra.times(s.ff, b), -1);
  const out = plus(s.uv, await algebra.transposedTimes(a, excess), -1);
  return plus(out, await algebra.transposedTimes(s.fu, b), -1);
}

/** Moments of one split, h = map o: of o, and of r, a, x' side by side. */
async function splitOf(
  algebra: Algebra,
  moments: Float64Array,
  v: Variables,
  exogenousDim: number,
  onNext: Matrix | null,
  onNow: Matrix,
): Promise<{ oo: Matrix; ov: Matrix; vv: Matrix }> {
  const { observation: o, observationNext: next, observationDim: d, action, actionDim } = v.layout;
  const s = matrix(v.width, v.width, moments);
  const rest = [
    ...(action < 0 ? [] : [[action, actionDim] as const]),
    [v.exogenousNext, exogenousDim] as const,
  ];
  const rowsWith = (first: number): Matrix =>
    [[next, d] as const, ...rest].reduce(
      (row, [left, cols]) => hstack([row, block(s, first, d, left, cols)]),
      block(s, first, d, o, d),
    );
  // r = onNext o' - onNow o with [o o' a x'].
  const [fromNext, fromNow] = [rowsWith(next), rowsWith(o)];
  const r = plus(
    onNext ? await algebra.times(onNext, fromNext) : fromNext,
    await algebra.times(onNow, fromNow),
    -1,
  );
  const m = r.rows;
  const onN = block(r, 0, m, d, d);
  const rr = plus(
    onNext ? await algebra.timesTransposed(onN, onNext) : onN,
    await algebra.timesTransposed(block(r, 0, m, 0, d), onNow),
    -1,
  );
  const width = r.cols - 2 * d;
  const vv = matrix(m + width, m + width);
  const others = rest.flatMap(([first, cols]) => Array.from({ length: cols }, (_, j) => first + j));
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < m; j++) vv.data[i * vv.cols + j] = rr.data[i * m + j];
    for (let j = 0; j < width; j++) {
      const value = r.data[i * r.cols + 2 * d + j];
      vv.data[i * vv.cols + m + j] = value;
      vv.data[(m + j) * vv.cols + i] = value;
    }
  }
  others.forEach((a, i) => {
    others.forEach((b, j) => {
      vv.data[(m + i) * vv.cols + m + j] = s.data[a * v.width + b];
    });
  });
  const ov = hstack([transpose(block(r, 0, m, 0, d)), block(fromNow, 0, d, 2 * d, width)]);
  return { oo: block(s, o, d, o, d), ov, vv };
}

/** cov(o' - o2' given o - o2) in h, from training moments. */
async function movesOf(
  algebra: Algebra,
  s: Matrix,
  v: Variables,
  map: Matrix | null,
  ridge: number,
): Promise<Matrix | null> {
  const { observation, observationNext, pairObservation, pairObservationNext, observationDim: d } = v.layout;
  if (pairObservation < 0 || pairObservationNext < 0) return null;
  const now = [observation, pairObservation] as const;
  const next = [observationNext, pairObservationNext] as const;
  const between = async (a: readonly [number, number], b: readonly [number, number]): Promise<Matrix> => {
    const same = plus(block(s, a[0], d, b[0], d), block(s, a[1], d, b[1], d));
    const move = plus(plus(same, block(s, a[0], d, b[1], d), -1), block(s, a[1], d, b[0], d), -1);
    return map ? algebra.timesTransposed(await algebra.times(map, move), map) : move;
  };
  const [ff, fv, uv] = [await between(now, now), await between(now, next), await between(next, next)];
  const weights = await (await regressionOn(algebra, ff, ridge))(fv);
  return residual(algebra, { uv, fu: fv, fv, ff }, weights, weights);
}

/** The innovation of h = map o (o itself without a map) on the moments of both splits; x' must be among the variables. */
export async function innovationOf(
  algebra: Algebra,
  { train, heldOut }: { readonly train: Float64Array; readonly heldOut: Float64Array },
  v: Variables,
  exogenousDim: number,
  map: Matrix | null,
  ridge: number,
): Promise<Innovation> {
  const { observation: o, observationNext: next, observationDim: d, action, actionDim } = v.layout;
  const s = matrix(v.width, v.width, train);
  const seen = async (first: number, left: number): Promise<Matrix> => {
    const own = block(s, first, d, left, d);
    return map ? algebra.timesTransposed(await algebra.times(map, own), map) : own;
  };
  const [hh, hNext] = [await seen(o, o), await seen(o, next)];
  const onH = await regressionOn(algebra, hh, ridge);
  const gamma = await onH(hNext);
  const dim = gamma.cols;
  const onNow = map ? await algebra.transposedTimes(gamma, map) : transpose(gamma);

  const own = await splitOf(algebra, train, v, exogenousDim, map, onNow);
  const other = await splitOf(algebra, heldOut, v, exogenousDim, map, onNow);
  // Probes on o, fitted on the training split and applied to both.
  const onO = map ? await regressionOn(algebra, own.oo, ridge) : onH;
  const probes = await onO(own.ov);
  /** Of r with everything, and the variance that each column of [r a x'] is left. */
  const given = async ({ oo, ov, vv }: typeof own) => {
    const all = await algebra.times(oo, probes);
    const of = block(probes, 0, d, 0, dim);
    const rv = plus(block(vv, 0, dim, 0, vv.cols), await algebra.transposedTimes(of, plus(ov, all, -1)), -1);
    const left = new Float64Array(vv.cols);
    for (let j = 0; j < left.length; j++) {
      left[j] = vv.data[j * vv.cols + j];
      for (let i = 0; i < d; i++) {
        const at = i * left.length + j;
        left[j] = left[j] + probes.data[at] * (all.data[at] - 2 * ov.data[at]);
      }
    }
    return { rv: plus(rv, await algebra.transposedTimes(block(ov, 0, d, 0, dim), probes), -1), left };
  };
  const [inside, outside] = [await given(own), await given(other)];

  const da = action < 0 ? 0 : actionDim;
  const atX = dim + da;
  const targetOf = (name: Target['name'], first: number, width: number): Target => {
    const total = trace(block(other.vv, first, width, first, width));
    const left = outside.left.subarray(first, first + width).reduce((sum, v) => sum + v, 0);
    return { name, first, width, left: left > VOID_PROBE * total ? left : Number.NaN };
  };
  const onX = block(probes, 0, d, atX, exogenousDim);
  const ox = block(own.ov, 0, d, atX, exogenousDim);
  const xx = { uv: block(own.vv, atX, exogenousDim, atX, exogenousDim), fu: ox, fv: ox, ff: own.oo };
  const rh = block(own.ov, 0, d, 0, dim); // cov(o, r)
  const hr = map ? await algebra.times(map, rh) : rh;
  const actionGiven = async (withAction: Matrix): Promise<Matrix> => {
    const [ha, hNextA] = [block(withAction, 0, dim, 0, da), block(withAction, dim, dim, 0, da)];
    const ra = plus(hNextA, await algebra.transposedTimes(gamma, ha), -1);
    return plus(ra, await algebra.transposedTimes(hr, await onH(ha)), -1);
  };
  const withAction = async (): Promise<Matrix> => {
    const [oa, nextA] = [block(s, o, d, action, da), block(s, next, d, action, da)];
    const [ha, hNextA] = map ? [await algebra.times(map, oa), await algebra.times(map, nextA)] : [oa, nextA];
    const all = matrix(2 * dim, da);
    all.data.set(ha.data);
    all.data.set(hNextA.data, ha.data.length);
    return all;
  };
  return {
    dim,
    rr: symmetric(block(own.vv, 0, dim, 0, dim)),
    ra: da > 0 ? await actionGiven(await withAction()) : null,
    moves: await movesOf(algebra, s, v, map, ridge),
    rx: block(inside.rv, 0, dim, atX, exogenousDim),
    xx: symmetric(await residual(algebra, xx, onX, onX)),
    actionGiven,
    map,
    targets: [targetOf('exogenousNext', atX, exogenousDim), ...(da > 0 ? [targetOf('action', dim, da)] : [])],
    judged: hstack([inside.rv, outside.rv]),
    ridge,
  };
}

/** Held-out shares of theory.md section 4 of one set of latents; NaN where the target leaves nothing to explain. */
export interface Judgement {
  readonly futureLeakage: number;
  readonly actionError: number;
}

/** Judges latents z = G r given o, each G (k, dim), by ridge probes as the backend's. */
export async function judge(
  algebra: Algebra,
  latents: readonly Matrix[],
  { dim, targets, judged, ridge }: Innovation,
): Promise<Judgement[]> {
  const k = latents[0]?.rows ?? 0;
  const half = judged.cols / 2;
  const seen = await algebra.times(vstack(latents, dim), judged);
  const cross = latents.map((g, i) => {
    const of = (left: number, cols: number) => block(seen, i * k, k, left, cols);
    const [zz, zzOut] = [symmetric(multiplyTransposed(of(0, dim), g)), multiplyTransposed(of(half, dim), g)];
    // Latents of unit variance: their own scales say nothing. A constant one explains nothing.
    const scale = Float64Array.from({ length: k }, (_, j) => {
      const variance = zz.data[j * (k + 1)];
      return variance > 0 ? 1 / Math.sqrt(variance) : 0;
    });
    const correlation = scaleColumns(scaleRows(zz, scale), scale);
    for (let j = 0; j < k; j++) correlation.data[j * (k + 1)] = 1;
    return { of, correlation, zzOut, scale };
  });
  const spectra = await algebra.eigenOfMany(cross.length, k, (i, into) => {
    into.set(cross[i].correlation.data);
  });
  return cross.map(({ of, zzOut, scale }, i) => {
    const { values, vectors } = spectra[i];
    const largest = values[0] + ridge;
    const inverse = values.map((v) => (v + ridge > RELATIVE_TOLERANCE * largest ? 1 / (v + ridge) : 0));
    const turned = scaleRows(transpose(vectors), scale);
    const solve = multiplyTransposed(scaleColumns(turned, inverse), turned);
    /** E|t - W^T z|^2 / E|t|^2 on held-out moments, W = solve S_zt of the training split: all that is wide is summed first. */
    const errorOf = (name: Target['name']): number => {
      const target = targets.find((t) => t.name === name);
      if (!target) return Number.NaN;
      const [zt, out] = [of(target.first, target.width), of(half + target.first, target.width)];
      const gain = multiplyTransposed(zt, out);
      const spent = multiply(multiply(zzOut, solve), multiplyTransposed(zt, zt));
      let error = target.left;
      for (let a = 0; a < k; a++)
        for (let b = 0; b < k; b++)
          error += solve.data[a * k + b] * (spent.data[b * k + a] - 2 * gain.data[b * k + a]);
      return error / target.left;
    };
    return { futureLeakage: 1 - errorOf('exogenousNext'), actionError: errorOf('action') };
  });
}

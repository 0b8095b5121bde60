import { FLAT, LEVEL, VOID_MOMENTS } from '../../base/conventions.js';
import {
  choleskyInPlace,
  choleskySolveInPlace,
  dot,
  multiply,
  multiplyTransposed,
} from '../../linalg/dense.js';
import { eigen, NotConverged, whitener } from '../../linalg/eigen.js';
import {
  addScaled,
  copy,
  type Matrix,
  matrix,
  plus,
  scale,
  scaleRows,
  symmetric,
  transpose,
} from '../../linalg/matrix.js';
import { normals } from '../../random/philox.js';
import type { DescentMethod } from '../descent-requests.js';
import { STATUS } from '../requests.js';
import { lbfgs } from './lbfgs.js';
import { fixSigns } from './regression.js';
import { rowOf } from './rows.js';

/** One squared error, given what its decoder sees freely, of y ~ B G e: tr cov(y), cov(y, e) and cov(e). */
export interface SquaredError {
  readonly total: number;
  readonly x: Matrix;
  readonly e: Matrix;
}

/** G (latents, width of e), and B of each error (width of its y, latents). */
export interface State {
  readonly g: Matrix;
  readonly b: readonly Matrix[];
}

export interface DescentOptions {
  readonly method: DescentMethod;
  readonly steps: number;
  readonly rate: number;
  readonly starts: number;
  readonly seed: number;
  readonly tolerance: number;
  readonly rest: () => Promise<void>;
}

export interface Descended extends State {
  readonly status: number;
  readonly gradient: number;
  readonly step: number;
}

const emptyLoss = (errors: readonly SquaredError[]) => errors.reduce((sum, { total }) => sum + total, 0);

/** B^T that is best for z = G e: (G E G^T)^-1 G X^T; null where z has dependent rows. */
function bestDecoder({ x, e }: SquaredError, g: Matrix): Matrix | null {
  const variance = multiplyTransposed(multiply(g, e), g);
  if (!(choleskyInPlace(variance.data, 0, g.rows) > 0)) return null;
  const b = multiplyTransposed(g, x);
  choleskySolveInPlace(variance.data, 0, g.rows, b.data, 0, b.cols);
  return b;
}

/** The loss with every B at its best, and its gradient in G: -2 (B^T X - B^T B G E), summed over errors. */
export function reducedLoss(errors: readonly SquaredError[], g: Matrix) {
  const gradient = matrix(g.rows, g.cols);
  let value = emptyLoss(errors);
  for (const error of errors) {
    const b = bestDecoder(error, g);
    if (!b) return { value: Number.NaN, gradient: gradient.data };
    value -= dot(b.data, multiplyTransposed(g, error.x).data);
    addScaled(gradient, -2, multiply(b, error.x));
    addScaled(gradient, 2, multiply(multiplyTransposed(b, b), multiply(g, error.e)));
  }
  return { value, gradient: gradient.data };
}

/** The gradient in G and every B at once. */
export function slopeOf(errors: readonly SquaredError[], { g, b }: State): State {
  const inG = matrix(g.rows, g.cols);
  const inB = errors.map(({ x, e }, t) => {
    const ge = multiply(g, e);
    const back = transpose(b[t]);
    addScaled(inG, -2, multiply(back, x));
    addScaled(inG, 2, multiply(multiply(back, b[t]), ge));
    return scale(2, plus(multiply(b[t], multiplyTransposed(ge, g)), multiplyTransposed(x, g), -1));
  });
  return { g: inG, b: inB };
}

const ahead = (from: State, factor: number, by: State): State => ({
  g: plus(from.g, by.g, factor),
  b: from.b.map((one, t) => plus(one, by.b[t], factor)),
});

function norm({ g, b }: State): number {
  return Math.sqrt([g, ...b].reduce((sum, { data }) => sum + dot(data, data), 0));
}

async function stepped(
  errors: readonly SquaredError[],
  from: State,
  options: DescentOptions,
): Promise<Descended> {
  const { method, steps, rate, rest } = options;
  const empty = emptyLoss(errors);
  let at = from;
  for (let step = 0; ; step++) {
    await rest();
    const first = slopeOf(errors, at);
    const gradient = (norm(first) * norm(at)) / empty;
    if (!Number.isFinite(gradient)) return { ...at, status: STATUS.nonFinite, gradient, step };
    if (step === steps) return { ...at, status: STATUS.ok, gradient, step };
    if (method === 'gradient-descent') {
      at = ahead(at, -rate, first);
      continue;
    }
    // Runge and Kutta's classical step along minus the gradient.
    const second = slopeOf(errors, ahead(at, -rate / 2, first));
    const third = slopeOf(errors, ahead(at, -rate / 2, second));
    const fourth = slopeOf(errors, ahead(at, -rate, third));
    at = ahead(
      ahead(ahead(ahead(at, -rate / 6, first), -rate / 3, second), -rate / 3, third),
      -rate / 6,
      fourth,
    );
  }
}

/** In coordinates e = whiten e that all errors together see at unit variance. */
function whitened(errors: readonly SquaredError[], tolerance: number) {
  const pooled = errors.map(({ e }) => e).reduce((sum, e) => plus(sum, e));
  const pairs = eigen(symmetric(pooled));
  const whiten = whitener(pairs, tolerance * Math.max(pairs.values[0] ?? 0, 0));
  const seen = errors.map(({ total, x, e }) => {
    const inside = symmetric(multiplyTransposed(multiply(whiten, e), whiten));
    // One error alone may see nothing of a direction that another one sees.
    for (let i = 0; errors.length > 1 && i < inside.rows; i++)
      inside.data[i * (inside.rows + 1)] += VOID_MOMENTS;
    return { total, x: multiplyTransposed(x, whiten), e: inside };
  });
  return { whiten, seen };
}

/**
 * The loss knows z up to its basis only. What closed forms have: B^T B = I over all errors, latents in the order of what they
 * explain, those that explain nothing zero. `b`: of each error, transposed.
 */
function canonical(
  errors: readonly SquaredError[],
  g: Matrix,
  tolerance: number,
): { g: Matrix; b: Matrix[] } {
  const white = multiply(whitener(eigen(symmetric(multiplyTransposed(g, g))), 0), g);
  if (white.rows < g.rows) throw new NotConverged();
  const best = errors.map((error) => {
    const found = bestDecoder(error, white);
    if (!found) throw new NotConverged();
    return found;
  });
  const explained = best.map((b) => multiplyTransposed(b, b)).reduce((sum, one) => plus(sum, one));
  const { values, vectors } = eigen(symmetric(explained));
  const roots = values.map((value) => (value > tolerance * values[0] ? Math.sqrt(value) : 0));
  const inverse = roots.map((root) => (root > 0 ? 1 / root : 0));
  return {
    g: scaleRows(multiply(vectors, white), roots),
    b: best.map((b) => scaleRows(multiply(vectors, b), inverse)),
  };
}

/** Rows of `part` at the head of a matrix of so many rows. */
function padded(part: Matrix, rows: number): Matrix {
  const out = matrix(rows, part.cols);
  out.data.set(part.data);
  return out;
}

async function quasiNewton(
  errors: readonly SquaredError[],
  like: State,
  options: DescentOptions,
): Promise<Descended> {
  const empty = emptyLoss(errors);
  const nothing = { ...like, status: STATUS.nonFinite, gradient: 0, step: 0 };
  if (!Number.isFinite(empty)) return nothing;
  const { whiten, seen } = whitened(errors, options.tolerance);
  const latents = Math.min(like.g.rows, whiten.rows);
  const zero = { g: matrix(like.g.rows, like.g.cols), b: like.b.map((b) => matrix(b.rows, b.cols)) };
  if (latents === 0) return { ...zero, status: STATUS.ok, gradient: 0, step: 0 };
  let best: Awaited<ReturnType<typeof lbfgs>> | undefined;
  for (let start = 0; start < options.starts; start++) {
    const found = await lbfgs(
      (x) => reducedLoss(seen, matrix(latents, whiten.rows, x)),
      normals(options.seed, start, 0, latents * whiten.rows),
      { iterations: options.steps, tolerance: FLAT, scale: empty, rows: latents, rest: options.rest },
    );
    if (found.status === STATUS.nonFinite) continue;
    // Of two as low as each other the one that has arrived.
    const level = LEVEL * empty;
    const isLower =
      !best ||
      found.value < best.value - level ||
      (found.value < best.value + level && found.status < best.status);
    if (isLower) best = found;
  }
  if (!best) return nothing;
  const inside = canonical(seen, matrix(latents, whiten.rows, best.x), options.tolerance);
  const unsigned = multiply(inside.g, whiten);
  const g = copy(unsigned);
  fixSigns(g);
  const signs = Float64Array.from({ length: latents }, (_, i) =>
    dot(rowOf(g, i), rowOf(unsigned, i)) < 0 ? -1 : 1,
  );
  const b = inside.b.map((one) => transpose(padded(scaleRows(one, signs), like.g.rows)));
  return {
    g: padded(g, like.g.rows),
    b,
    status: best.status,
    gradient: best.gradient,
    step: best.iterations,
  };
}

/** Gradient training of docs/theory.md, "Training on second moments": from `state`, of lbfgs from random starts. */
export function descend(
  errors: readonly SquaredError[],
  state: State,
  options: DescentOptions,
): Promise<Descended> {
  const own = { g: copy(state.g), b: state.b.map(copy) };
  return options.method === 'lbfgs' ? quasiNewton(errors, own, options) : stepped(errors, own, options);
}

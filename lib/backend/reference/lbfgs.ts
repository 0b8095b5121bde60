import { LEVEL, SKEWED, SUFFICIENT_DECREASE } from '../../base/conventions.js';
import { dot, multiply, multiplyTransposed } from '../../linalg/dense.js';
import { eigen, whitener } from '../../linalg/eigen.js';
import { matrix, symmetric } from '../../linalg/matrix.js';
import { STATUS } from '../requests.js';

/** Pairs of steps and gradient changes that the inverse Hessian is made of. */
const MEMORY = 12;
/** Wolfe's second condition: what may be left of the slope. */
const CURVATURE = 0.9;
const MOST_TRIALS = 40;

export interface Evaluated {
  readonly value: number;
  readonly gradient: Float64Array;
}
interface Point extends Evaluated {
  readonly x: Float64Array;
}
interface Pair {
  readonly step: Float64Array;
  readonly change: Float64Array;
  readonly curvature: number;
}

const norm = (v: Float64Array) => Math.sqrt(dot(v, v));
const along = (x: Float64Array, factor: number, y: Float64Array) => x.map((v, i) => v + factor * y[i]);

/** The two-loop recursion: minus the inverse Hessian's estimate times the gradient. */
function directionOf(pairs: readonly Pair[], gradient: Float64Array): Float64Array {
  let d = gradient.slice();
  const shares = pairs.map(() => 0);
  for (let i = pairs.length - 1; i >= 0; i--) {
    const { step, change, curvature } = pairs[i];
    shares[i] = dot(step, d) / curvature;
    d = along(d, -shares[i], change);
  }
  const last = pairs[pairs.length - 1];
  if (last) d = d.map((v) => (v * last.curvature) / dot(last.change, last.change));
  pairs.forEach(({ step, change, curvature }, i) => {
    d = along(d, shares[i] - dot(change, d) / curvature, step);
  });
  return d.map((v) => -v);
}

/** A step along `direction` that meets Wolfe's conditions, or null. */
function search(
  f: (x: Float64Array) => Evaluated,
  at: Point,
  direction: Float64Array,
  first: number,
  scale: number,
) {
  const slope = dot(direction, at.gradient);
  let low = 0;
  let high = Infinity;
  let step = first;
  for (let trial = 0; trial < MOST_TRIALS; trial++) {
    const x = along(at.x, step, direction);
    const { value, gradient } = f(x);
    const after = dot(direction, gradient);
    const level = Math.abs(value - at.value) <= LEVEL * scale;
    const lower =
      value <= at.value + SUFFICIENT_DECREASE * step * slope ||
      (level && after <= (2 * SUFFICIENT_DECREASE - 1) * slope);
    if (lower && after >= CURVATURE * slope) return { x, value, gradient };
    if (lower) low = step;
    else high = step;
    step = Number.isFinite(high) ? 0.5 * (low + high) : 2 * step;
  }
  return null;
}

/**
 * Rows of x that are orthonormal again where they have drifted together: x and every step are multiplied by W, gradients by W^-T, so
 * that slopes stay as they are.
 */
function balanced(at: Point, pairs: readonly Pair[], rows: number): { at: Point; pairs: Pair[] } {
  const asMatrix = (v: Float64Array) => matrix(rows, v.length / rows, v);
  const gram = symmetric(multiplyTransposed(asMatrix(at.x), asMatrix(at.x)));
  const skew = gram.data.reduce(
    (most, v, i) => Math.max(most, Math.abs(v - Number(i % (rows + 1) === 0))),
    0,
  );
  const kept = { at, pairs: [...pairs] };
  if (!(skew > SKEWED)) return kept;
  const W = whitener(eigen(gram), 0);
  if (W.rows < rows) return kept;
  const back = multiply(W, gram);
  const turned = (v: Float64Array) => multiply(W, asMatrix(v)).data;
  const turnedBack = (v: Float64Array) => multiply(back, asMatrix(v)).data;
  return {
    at: { x: turned(at.x), value: at.value, gradient: turnedBack(at.gradient) },
    pairs: pairs.map(({ step, change, curvature }) => ({
      ...{ step: turned(step), change: turnedBack(change), curvature },
    })),
  };
}

export interface LbfgsOptions {
  /** Iterations, at most. */
  readonly iterations: number;
  /** Has converged where |gradient| |x| is at most this share of `scale`, the size of the function's terms. */
  readonly tolerance: number;
  readonly scale: number;
  /** Rows of x as a matrix where the function knows their span alone: they are kept near to orthonormal. */
  readonly rows?: number | undefined;
  /** Awaited before every iteration. */
  readonly rest: () => Promise<void>;
}

/** Minimises a smooth function by L-BFGS from `start`. Not converged: the best point found. */
export async function lbfgs(f: (x: Float64Array) => Evaluated, start: Float64Array, options: LbfgsOptions) {
  const { tolerance, scale } = options;
  const { rows } = options;
  const nothing = { x: start, value: 0, gradient: start };
  const { x: from } = rows === undefined ? nothing : balanced(nothing, [], rows).at;
  let at: Point = { x: from, ...f(from) };
  let pairs: Pair[] = [];
  for (let iterations = 0; ; iterations++) {
    await options.rest();
    const gradient = (norm(at.gradient) * norm(at.x)) / scale;
    const settle = (status: number) => ({ x: at.x, value: at.value, gradient, iterations, status });
    if (!Number.isFinite(at.value) || !Number.isFinite(gradient)) return settle(STATUS.nonFinite);
    if (gradient <= tolerance) return settle(STATUS.ok);
    if (iterations >= options.iterations) return settle(STATUS.notConverged);
    let direction = directionOf(pairs, at.gradient);
    if (!(dot(direction, at.gradient) < 0)) {
      pairs = [];
      direction = directionOf(pairs, at.gradient);
    }
    // Without a memory the first step changes x by a tenth of its size.
    const first = pairs.length === 0 ? (0.1 * norm(at.x)) / norm(direction) : 1;
    const next = search(f, at, direction, first, scale);
    if (!next) {
      // A stale memory may point where nothing decreases; steepest descent gets one try.
      if (pairs.length === 0) return settle(STATUS.notConverged);
      pairs = [];
      continue;
    }
    const step = along(next.x, -1, at.x);
    const change = along(next.gradient, -1, at.gradient);
    const curvature = dot(step, change);
    if (curvature > 0) pairs.push({ step, change, curvature });
    if (pairs.length > MEMORY) pairs.shift();
    at = next;
    if (rows !== undefined) ({ at, pairs } = balanced(at, pairs, rows));
  }
}

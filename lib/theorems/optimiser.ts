// biome-ignore-all lint/style/noNonNullAssertion: every index is inside by construction

import { dot, multiply, orthonormalise } from '../linalg/dense.js';
import { hstack, type Matrix, matrix, minus, transpose } from '../linalg/matrix.js';
import { variance } from '../world/equations.js';
import type { Random } from './random.js';

/** Steps remembered for the curvature. */
const MEMORY = 20;
/** Steps after which descent stops unless they have lowered the loss. */
const PATIENCE = 50;

export interface Descent {
  readonly loss: number;
  readonly iterations: number;
  readonly converged: boolean;
}

/**
 * Minimises E|o' - A o - B (C o + D o')|^2 from a random start by quasi-Newton descent (L-BFGS): over A, B, C, D with a free
 * decoder, over B, C, D with A = I. It knows no eigenvectors and no spectrum; A, C and D act on whitened inputs, which is a
 * change of variables. Along a line the loss is a quartic of the step, so that every step is the best one.
 */
export function descend(
  observation: Matrix,
  observationNext: Matrix,
  latentDim: number,
  isFree: boolean,
  random: Random,
  { starts = 6, iterations = 1500, tolerance = 1e-10 } = {},
): Descent {
  let best: Descent = { loss: Number.POSITIVE_INFINITY, iterations: 0, converged: false };
  const whitened = whiten(observation, observationNext, isFree);
  // A start whose descent still creeps along a valley when its steps are used up is given up for another one.
  for (let start = 0; start < starts && !best.converged; start++) {
    const found = descendOnce(whitened, latentDim, random, iterations, tolerance);
    if (found.loss < best.loss) best = found;
  }
  return best;
}

interface Whitened {
  /** (rows, width): what is to be reconstructed on the inputs, which are orthonormal. */
  readonly target: Matrix;
  /** The inputs that A sees are the first `free`. */
  readonly free: number;
}

function whiten(observation: Matrix, observationNext: Matrix, isFree: boolean): Whitened {
  const now = transpose(observation);
  const { basis } = orthonormalise(hstack([now, transpose(observationNext)]));
  if (!isFree) return { target: multiply(minus(observationNext, observation), basis), free: 0 };
  return { target: multiply(observationNext, basis), free: orthonormalise(now).basis.cols };
}

function descendOnce(
  { target, free }: Whitened,
  latentDim: number,
  random: Random,
  iterations: number,
  tolerance: number,
): Descent {
  const { rows: d, cols: w } = target;
  const k = latentDim;
  const total = variance(target);

  // Parameters side by side: A (d, free), B (d, k), [C D] (k, w).
  const [atB, atE] = [d * free, d * free + d * k];
  const size = atE + k * w;
  let x: Float64Array = Float64Array.from({ length: size }, () => 0.1 * random.normal());

  /** A on its inputs, added to `t`. */
  const addA = (t: Float64Array, v: Float64Array): Float64Array => {
    for (let i = 0; i < d; i++) for (let j = 0; j < free; j++) t[i * w + j]! += v[i * free + j]!;
    return t;
  };
  /** The target less A and B E: (d, w). */
  const rest = (v: Float64Array): Float64Array => {
    const t = addA(product(v.subarray(atB, atE), v.subarray(atE), d, k, w), v);
    return t.map((value, i) => target.data[i]! - value);
  };
  const gradientOf = (v: Float64Array, error: Float64Array): Float64Array => {
    const g = new Float64Array(size);
    for (let i = 0; i < d; i++) for (let j = 0; j < free; j++) g[i * free + j] = -2 * error[i * w + j]!;
    const b = v.subarray(atB, atE);
    const e = v.subarray(atE);
    for (let i = 0; i < d; i++)
      for (let l = 0; l < k; l++) {
        const bil = b[i * k + l]!;
        let sum = 0;
        for (let j = 0; j < w; j++) {
          const r = error[i * w + j]!;
          sum += r * e[l * w + j]!;
          g[atE + l * w + j]! -= 2 * bil * r;
        }
        g[atB + i * k + l] = -2 * sum;
      }
    return g;
  };

  let error = rest(x);
  let loss = dot(error, error);
  let before = loss;
  let gradient: Float64Array = gradientOf(x, error);
  const steps: Float64Array[] = [];
  const changes: Float64Array[] = [];
  let iteration = 0;
  let converged = false;
  for (; iteration < iterations; iteration++) {
    if (iteration % PATIENCE === 0 && iteration > 0) {
      converged = before - loss <= tolerance * Math.max(loss, 1e-6 * total);
      if (converged) break;
      before = loss;
    }
    let direction: Float64Array = quasiNewton(gradient, steps, changes);
    if (!(dot(direction, gradient) < 0)) {
      steps.length = 0;
      changes.length = 0;
      direction = gradient.map((v) => -v);
    }
    // error(t) = error - t first - t^2 second
    const second = product(direction.subarray(atB, atE), direction.subarray(atE), d, k, w);
    const first = product(direction.subarray(atB, atE), x.subarray(atE), d, k, w);
    const other = product(x.subarray(atB, atE), direction.subarray(atE), d, k, w);
    for (let i = 0; i < first.length; i++) first[i]! += other[i]!;
    addA(first, direction);
    const t = bestStep([
      -2 * dot(first, error),
      dot(first, first) - 2 * dot(second, error),
      2 * dot(first, second),
      dot(second, second),
    ]);
    converged = t === 0;
    if (converged) break;
    const step = direction.map((v) => t * v);
    x = x.map((v, i) => v + step[i]);
    error = rest(x);
    loss = dot(error, error);
    const next = gradientOf(x, error);
    const change = next.map((v, i) => v - gradient[i]!);
    gradient = next;
    // Rounding near the minimum must not pass for curvature.
    if (!(dot(step, change) > 1e-14 * Math.sqrt(dot(step, step) * dot(change, change)))) continue;
    steps.push(step);
    changes.push(change);
    if (steps.length > MEMORY) {
      steps.shift();
      changes.shift();
    }
  }
  return { loss, iterations: iteration, converged };
}

/** -H gradient, H the inverse curvature that the remembered steps suggest (two-loop recursion). */
function quasiNewton(
  gradient: Float64Array,
  steps: readonly Float64Array[],
  changes: readonly Float64Array[],
) {
  const q = gradient.map((v) => -v);
  const shares = new Float64Array(steps.length);
  for (let m = steps.length - 1; m >= 0; m--) {
    shares[m] = dot(steps[m]!, q) / dot(steps[m]!, changes[m]!);
    for (let i = 0; i < q.length; i++) q[i]! -= shares[m]! * changes[m]![i]!;
  }
  const last = steps.length - 1;
  const scale = last < 0 ? 1 : dot(steps[last]!, changes[last]!) / dot(changes[last]!, changes[last]!);
  for (let i = 0; i < q.length; i++) q[i]! *= scale;
  for (let m = 0; m < steps.length; m++) {
    const share = shares[m]! - dot(changes[m]!, q) / dot(steps[m]!, changes[m]!);
    for (let i = 0; i < q.length; i++) q[i]! += share * steps[m]![i]!;
  }
  return q;
}

/** The t that makes c1 t + c2 t^2 + c3 t^3 + c4 t^4 least: the best root of its derivative. */
function bestStep([c1, c2, c3, c4]: readonly [number, number, number, number]): number {
  const value = (t: number) => t * (c1 + t * (c2 + t * (c3 + t * c4)));
  // One Newton step mends what cancellation takes from the closed form.
  const polished = (t: number) => {
    const bend = 2 * c2 + t * (6 * c3 + t * 12 * c4);
    return bend > 0 ? t - (c1 + t * (2 * c2 + t * (3 * c3 + t * 4 * c4))) / bend : t;
  };
  const candidates = [...cubicRoots(4 * c4, 3 * c3, 2 * c2, c1), c2 > 0 ? -c1 / (2 * c2) : 0];
  let best = 0;
  for (const t of candidates.flatMap((root) => [root, polished(root), polished(polished(root))]))
    if (value(t) < value(best)) best = t;
  return best;
}

/** Real roots of a t^3 + b t^2 + c t + d, a > 0. */
function cubicRoots(a: number, b: number, c: number, d: number): number[] {
  const shift = b / (3 * a);
  const p = c / a / 3 - shift * shift;
  const q = shift ** 3 - (shift * c) / (2 * a) + d / (2 * a);
  const discriminant = q * q + p ** 3;
  if (discriminant >= 0) {
    const u = Math.cbrt(-q - Math.sign(q || 1) * Math.sqrt(discriminant));
    return [u === 0 ? -shift : u - p / u - shift];
  }
  const angle = Math.acos(Math.min(1, Math.max(-1, -q / Math.sqrt(-(p ** 3)))));
  const radius = 2 * Math.sqrt(-p);
  return [0, 2, 4].map((turn) => radius * Math.cos((angle + turn * Math.PI) / 3) - shift);
}

/** B E of the parameters' blocks b (d, k) and e (k, w). */
function product(b: Float64Array, e: Float64Array, d: number, k: number, w: number): Float64Array {
  return multiply(matrix(d, k, b), matrix(k, w, e)).data;
}

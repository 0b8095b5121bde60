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

/** |T - A - B E|^2 as a function of the parameters side by side: A (d, free), B (d, k), E = [C D] (k, w). */
class Loss {
  readonly size: number;
  private readonly d: number;
  private readonly w: number;
  private readonly beginB: number;
  private readonly beginE: number;

  constructor(
    private readonly target: Matrix,
    private readonly free: number,
    private readonly k: number,
  ) {
    this.d = target.rows;
    this.w = target.cols;
    this.beginB = this.d * free;
    this.beginE = this.beginB + this.d * k;
    this.size = this.beginE + k * this.w;
  }

  /** T - A - B E, (d, w). */
  error(v: Float64Array): Float64Array {
    const predicted = this.addA(this.product(v, v), v);
    return predicted.map((value, i) => this.target.data[i]! - value);
  }

  gradient(v: Float64Array, error: Float64Array): Float64Array {
    const { d, w, k, free, beginB, beginE } = this;
    const g = new Float64Array(this.size);
    for (let i = 0; i < d; i++) for (let j = 0; j < free; j++) g[i * free + j] = -2 * error[i * w + j]!;
    const b = v.subarray(beginB, beginE);
    const e = v.subarray(beginE);
    for (let i = 0; i < d; i++)
      for (let l = 0; l < k; l++) {
        const bil = b[i * k + l]!;
        let sum = 0;
        for (let j = 0; j < w; j++) {
          const r = error[i * w + j]!;
          sum += r * e[l * w + j]!;
          g[beginE + l * w + j]! -= 2 * bil * r;
        }
        g[beginB + i * k + l] = -2 * sum;
      }
    return g;
  }

  /** The t at which the loss along x + t direction is least: there the error is error - t first - t^2 second. */
  bestStep(x: Float64Array, direction: Float64Array, error: Float64Array): number {
    const second = this.product(direction, direction);
    const first = this.product(direction, x);
    const other = this.product(x, direction);
    for (let i = 0; i < first.length; i++) first[i]! += other[i]!;
    this.addA(first, direction);
    return leastOfQuartic([
      -2 * dot(first, error),
      dot(first, first) - 2 * dot(second, error),
      2 * dot(first, second),
      dot(second, second),
    ]);
  }

  /** B of one set of parameters times E of another. */
  private product(b: Float64Array, e: Float64Array): Float64Array {
    const { d, w, k, beginB, beginE } = this;
    return multiply(matrix(d, k, b.subarray(beginB, beginE)), matrix(k, w, e.subarray(beginE))).data;
  }

  /** A on its inputs, added to `t`. */
  private addA(t: Float64Array, v: Float64Array): Float64Array {
    const { d, w, free } = this;
    for (let i = 0; i < d; i++) for (let j = 0; j < free; j++) t[i * w + j]! += v[i * free + j]!;
    return t;
  }
}

function descendOnce(
  { target, free }: Whitened,
  latentDim: number,
  random: Random,
  iterations: number,
  tolerance: number,
): Descent {
  const total = variance(target);
  const objective = new Loss(target, free, latentDim);
  let x: Float64Array = Float64Array.from({ length: objective.size }, () => 0.1 * random.normal());
  let error = objective.error(x);
  let loss = dot(error, error);
  let before = loss;
  let gradient = objective.gradient(x, error);
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
    const t = objective.bestStep(x, direction, error);
    converged = t === 0;
    if (converged) break;
    const step = direction.map((v) => t * v);
    x = x.map((v, i) => v + step[i]!);
    error = objective.error(x);
    loss = dot(error, error);
    const next = objective.gradient(x, error);
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

/** The direction of a step, -H gradient, H the inverse curvature that the remembered steps suggest (two-loop recursion). */
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
function leastOfQuartic([c1, c2, c3, c4]: readonly [number, number, number, number]): number {
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

import { RELATIVE_TOLERANCE, VOID_LOADINGS } from '../base/conventions.js';
import { requireMemory } from '../base/memory.js';
import { dot, gram, multiply, multiplyTransposed, orthonormalise } from '../linalg/dense.js';
import { countAbove, eigen } from '../linalg/eigen.js';
import {
  firstRows,
  hstack,
  type Matrix,
  matrix,
  minus,
  plus,
  sumOfSquares,
  toRows,
  transpose,
} from '../linalg/matrix.js';
import type { PopulationMetric } from '../solve/population.js';
import { type Equations, equations } from '../world/equations.js';
import { createWorld, fullMixing, type World } from '../world/world.js';

/** z = C o + D o', (latentDim, observationDim) each. */
export interface EncoderMatrices {
  readonly C: Matrix;
  readonly D: Matrix;
}

/** A world as loadings in the coordinates of `basis`, whatever the encoder. */
interface WorldView {
  readonly world: World;
  readonly equations: Equations;
  /** (observationDim, coordinates): orthonormal columns, outside of which o and o' are sensor noise that the encoder is blind to. */
  readonly basis: Matrix;
  readonly targets: Targets;
}

/** What an encoder sees of a world. */
export interface SeenWorld extends WorldView {
  /** C and D in the coordinates of `basis`. */
  readonly encoder: EncoderMatrices;
  /** How many coordinates are left out, and the variance of each in o and in o'. */
  readonly outside: { readonly coordinates: number; readonly variance: number };
}

/** A variable that is looked for in z: what is given leaves of it, and an orthonormal basis of that. */
interface Target {
  readonly left: Matrix;
  readonly whole: Matrix;
  readonly directions: Matrix;
}

/** What the metrics ask of a world. */
interface Targets {
  /** o' given o, and given (o, x). */
  readonly next: Matrix;
  readonly nextGivenBoth: Matrix;
  /** a and x' given o, and x' given (o, x). */
  readonly action: Target;
  readonly exogenous: Target;
  readonly innovation: Target;
}

/** Of worlds without sensor noise, in which every encoder sees the same: many are judged in one. */
const views = new WeakMap<World, WorldView>();

/**
 * The world in a basis of what carries states or is encoded. A rotation of o changes no metric, and sensor noise is the same in
 * every direction, so that the rest is independent of everything: the cost does not grow with observationDim cubed.
 */
export function seenBy({ C, D }: EncoderMatrices, world: World): SeenWorld {
  const { sensorNoise, observationDim } = world.spec;
  const span = world.basis();
  let view = views.get(world);
  if (sensorNoise !== 0)
    view = viewOf(world, orthonormalise(hstack([span, transpose(C), transpose(D)])).basis);
  else if (!view) {
    view = viewOf(world, span);
    views.set(world, view);
  }
  const { basis } = view as WorldView;
  return {
    ...(view as WorldView),
    encoder: { C: multiply(C, basis), D: multiply(D, basis) },
    outside: { coordinates: observationDim - basis.cols, variance: sensorNoise ** 2 },
  };
}

function viewOf(world: World, basis: Matrix): WorldView {
  const { spec } = world;
  const turned = multiply(transpose(basis), fullMixing(world));
  const { endogenousDim: ds, exogenousDim: dx } = spec;
  requireMemory(
    16 * 8 * basis.cols * (2 * ds + 4 * dx + spec.actionDim + 4 * basis.cols),
    `the variables of ${basis.cols} coordinates`,
  );
  const rows = toRows(turned);
  const narrow = createWorld({
    ...spec,
    observationDim: basis.cols,
    matrices: {
      endogenousMixing: rows.map((row) => row.slice(0, ds)),
      exogenousMixing: rows.map((row) => row.slice(ds)),
      actionEffect: toRows(world.actionEffect),
      stateFeedback: toRows(world.stateFeedback),
      exogenousFeedback: toRows(world.exogenousFeedback),
    },
  });
  const known = equations(narrow);
  return { world: narrow, equations: known, basis, targets: targetsOf(known) };
}

function targetsOf({ observation, observationNext, action, exogenous, exogenousNext }: Equations): Targets {
  const onO = regressorBasis(observation);
  const onX = regressorBasis(exogenous);
  const oGivenX = regressorBasis(beyond(observation, onX));
  const givenBoth = (v: Matrix) => beyond(beyond(v, onX), oGivenX);
  const target = (left: Matrix, whole: Matrix): Target => ({
    ...{ left, whole },
    directions: directions(left, whole),
  });
  return {
    next: beyond(observationNext, onO),
    nextGivenBoth: givenBoth(observationNext),
    action: target(beyond(action, onO), action),
    exogenous: target(beyond(exogenousNext, onO), exogenousNext),
    innovation: target(givenBoth(exogenousNext), exogenousNext),
  };
}

/** theory.md section 4 on a population, for one encoder; what is not defined there is absent. */
export function populationMetrics(seen: SeenWorld): Partial<Record<PopulationMetric, number>> {
  const { observation, observationNext, action, exogenousNext } = seen.equations;
  const { C, D } = seen.encoder;
  const { targets } = seen;
  const whole = plus(multiply(C, observation), multiply(D, observationNext));
  const outsideVariance = seen.outside.coordinates * seen.outside.variance;

  // z given o is D (o' given o): the part that o determines is never there to cancel.
  const zGivenO = directions(multiply(D, targets.next), whole);
  const raw = directions(whole, whole);
  const zGivenBoth = directions(multiply(D, targets.nextGivenBoth), whole);
  const share = (of: Target) => sumOfSquares(multiplyTransposed(zGivenBoth, of.directions)) / zGivenBoth.rows;

  const found: Record<PopulationMetric, number> = {
    actionError: errorOf(targets.action, zGivenO),
    futureLeakage: 1 - errorOf(targets.exogenous, zGivenO),
    actionInformation: information(targets.action, zGivenO),
    futureInformation: information(targets.exogenous, zGivenO),
    consistencyError: redrawn(seen) / sumOfSquares(whole),
    rawActionError: errorOf({ left: action, whole: action }, raw),
    rawExogenousNextError: errorOf({ left: exogenousNext, whole: exogenousNext }, raw),
    rawObservationError:
      (sumOfSquares(beyond(observation, raw)) + outsideVariance) /
      (sumOfSquares(observation) + outsideVariance),
    innovationLeakage: 1 - errorOf(targets.innovation, zGivenBoth),
    'latentShare.exogenous': share(targets.innovation),
    'latentShare.action': share(targets.action),
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => !Number.isNaN(value)));
}

/** A decoder of P o', or of o' where P is null, from o and z; `paired`: of the other view, as cross-exogenous has it. */
export interface DecoderMatrices {
  readonly A: Matrix;
  readonly B: Matrix;
  readonly projection: Matrix | null;
  readonly paired: boolean;
}

/** E|P o' - A o - B z|^2, of variables of mean zero. */
export function populationLoss(seen: SeenWorld, { A, B, projection, paired }: DecoderMatrices): number {
  const { equations: e, basis, encoder, outside } = seen;
  const z = plus(multiply(encoder.C, e.observation), multiply(encoder.D, e.observationNext));
  const target = projection ? multiply(projection, basis) : basis;
  const free = multiply(A, basis);
  const error = minus(
    multiply(target, paired ? e.pairObservationNext : e.observationNext),
    plus(multiply(free, paired ? e.pairObservation : e.observation), multiply(B, z)),
  );
  const targetOutside = projection ? sumOfSquares(projection) - sumOfSquares(target) : outside.coordinates;
  const freeOutside = sumOfSquares(A) - sumOfSquares(free);
  return sumOfSquares(error) + outside.variance * Math.max(0, targetOutside + freeOutside);
}

/** E|z - z~|^2 / 2 where z~ redraws (x, w_x): what C x + D x' moves it by, s, action and noise held. */
function redrawn({ world, encoder: { C, D } }: SeenWorld): number {
  const { spec } = world;
  const mixing = fullMixing(world);
  const ex = matrix(mixing.rows, spec.exogenousDim);
  for (let i = 0; i < ex.rows; i++)
    ex.data.set(
      mixing.data.subarray(i * mixing.cols + spec.endogenousDim, (i + 1) * mixing.cols),
      i * ex.cols,
    );
  const byStep = multiply(D, ex);
  const byState = multiply(C, ex);
  return (
    spec.exogenousInitialScale ** 2 * sumOfSquares(plus(byState, byStep, spec.exogenousDecay)) +
    spec.exogenousScale ** 2 * sumOfSquares(byStep)
  );
}

/** v less its regression on orthonormal rows. */
function beyond(v: Matrix, onto: Matrix): Matrix {
  return onto.rows === 0 ? v : minus(v, multiply(multiplyTransposed(v, onto), onto));
}

/** Orthonormal rows that span a regressor, without the directions that a pseudo-inverse cuts. */
function regressorBasis(v: Matrix): Matrix {
  const { values, vectors } = eigen(gram(v));
  const kept = countAbove(values, RELATIVE_TOLERANCE * Math.max(values[0] ?? 0, 0));
  return transpose(orthonormalise(transpose(multiply(firstRows(vectors, kept), v))).basis);
}

/** What is orthogonal to the rows before it, of rows taken to unit length: a share of length below rounding's is none. */
function orthogonal(v: Matrix): { readonly rows: Float64Array[]; readonly left: number[] } {
  const rows: Float64Array[] = [];
  const left: number[] = [];
  for (let i = 0; i < v.rows; i++) {
    const row = v.data.slice(i * v.cols, (i + 1) * v.cols);
    for (let pass = 0; pass < 2; pass++)
      for (const q of rows) {
        const along = dot(q, row);
        for (let j = 0; j < row.length; j++) row[j] -= along * q[j];
      }
    const square = dot(row, row);
    left.push(square);
    if (square > VOID_LOADINGS) rows.push(row.map((x) => x / Math.sqrt(square)));
  }
  return { rows, left };
}

/** An orthonormal basis of the rows of v, each first at unit length; one that is rounding beside its row of `whole` is none. */
function directions(v: Matrix, whole: Matrix): Matrix {
  const square = (m: Matrix, i: number) => {
    const row = m.data.subarray(i * m.cols, (i + 1) * m.cols);
    return dot(row, row);
  };
  const held = Array.from({ length: v.rows }, (_, i) => i).filter(
    (i) => square(v, i) > VOID_LOADINGS * square(whole, i),
  );
  const units = matrix(held.length, v.cols);
  held.forEach((from, to) => {
    const length = Math.sqrt(square(v, from));
    for (let j = 0; j < v.cols; j++) units.data[to * v.cols + j] = v.data[from * v.cols + j] / length;
  });
  return rowsOf(orthogonal(units).rows, v.cols);
}

function rowsOf(rows: readonly Float64Array[], cols: number): Matrix {
  const out = matrix(rows.length, cols);
  rows.forEach((row, i) => {
    out.data.set(row, i * cols);
  });
  return out;
}

/** Is anything left of a target, beside rounding of the whole? */
const isThere = ({ left, whole }: Pick<Target, 'left' | 'whole'>) =>
  sumOfSquares(left) > VOID_LOADINGS * sumOfSquares(whole);

/** tr cov(t given z) / tr cov(t) of what is left of a target; NaN where nothing is left of the whole. */
function errorOf(target: Pick<Target, 'left' | 'whole'>, z: Matrix): number {
  return isThere(target) ? sumOfSquares(beyond(target.left, z)) / sumOfSquares(target.left) : Number.NaN;
}

/** I(t; z) = -1/2 log det of what t leaves of orthonormal z. Infinity where it leaves nothing of a direction. */
function information(target: Target, z: Matrix): number {
  if (!isThere(target)) return Number.NaN;
  const { left } = orthogonal(beyond(z, target.directions));
  return left.reduce(
    (total, share) => (share > VOID_LOADINGS ? total - 0.5 * Math.log(Math.min(share, 1)) : Infinity),
    0,
  );
}

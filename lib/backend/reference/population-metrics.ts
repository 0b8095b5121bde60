import { VOID_LOADINGS } from '../../base/conventions.js';
import { gram, multiply, multiplyTransposed } from '../../linalg/dense.js';
import { addScaled, copy, firstRows, type Matrix, matrix } from '../../linalg/matrix.js';
import { LEAST_FAVOURABLE, POPULATION_METRICS } from '../requests.js';
import { type Given, given, residual } from './conditioning.js';
import type { World } from './loadings.js';
import type { Encoder } from './objective.js';
import type { Choice } from './order.js';
import { besideBasis, inner, inOrder, leftAfter, rowOf, singularSquares, unitRows } from './rows.js';
import { extremeMeans, extremeRatios, extremeSums, type Form, type Range } from './ties.js';

export type PopulationMetric = (typeof POPULATION_METRICS)[number];

/** A latent of the complement: z = c n + d n' on each of its coordinates. */
export interface ComplementLatent {
  readonly c: number;
  readonly d: number;
}

/** Each metric's least and most favourable value, in POPULATION_METRICS' order: the same where the minimiser is unique. */
export interface Judged {
  readonly least: number[];
  readonly most: number[];
}

/** Latents given something, each orthonormal to those before it; one that holds nothing more is zero. */
interface Latents {
  readonly basis: Matrix;
  readonly holds: readonly boolean[];
}

/** Variances of a variable's coordinates that nothing sees, given what latents are given, and given nothing. */
interface Unseen {
  readonly left: number;
  readonly whole: number;
}

/** A variable that latents are asked about, given what they are given. */
class Target {
  /** tr cov of what the first 0, 1, .. latents leave of it. */
  readonly left: Float64Array;
  readonly isVoid: boolean;

  constructor(
    readonly loadings: Matrix,
    whole: Matrix,
    readonly latents: Latents,
    unseen: Unseen = { left: 0, whole: 0 },
  ) {
    this.left = leftAfter(loadings, latents.basis).map((value) => value + unseen.left);
    this.isVoid = !(this.left[0] > VOID_LOADINGS * (squares(whole) + unseen.whole));
  }

  /** tr cov(t | z), its extremes over a tie; `each`: what a coordinate of the complement explains of it. */
  error(choice: Choice, each = 0): Range {
    const tied = tiedRows(this.latents.basis, choice);
    const values = singularSquares(multiplyTransposed(tied, this.loadings)).slice(0, tied.rows);
    while (values.length < tied.rows) values.push(0);
    const [low, high] = extremeSums([...values, ...copies(choice, each)], choice.chosen);
    const before = this.left[choice.fixedRows] - choice.fixedPicks * each;
    return [before - high, before - low];
  }
}

function squares(a: Matrix): number {
  return inner(a.data, a.data);
}

function tiedRows(a: Matrix, { fixedRows, tiedRows: n }: Choice): Matrix {
  return matrix(n, a.cols, a.data.subarray(fixedRows * a.cols, (fixedRows + n) * a.cols));
}

/** One value for each of the complement's coordinates that can be chosen. */
function copies({ tiedPicks, chosen }: Choice, each: number): number[] {
  return new Array<number>(Math.min(tiedPicks, chosen)).fill(each);
}

/** theory.md section 4 on a population. */
export class PopulationMetrics {
  private readonly whole: Matrix;
  private readonly seen: Latents;
  private readonly action: Target;
  private readonly exogenousNext: Target;
  private readonly raw: Readonly<Record<'action' | 'exogenousNext' | 'observation', Target>>;
  /** x' given (o, x), and bases of what it and the action given o can explain. */
  private readonly innovation: Target;
  private readonly innovationBasis: Matrix;
  private readonly actionBasis: Matrix;
  private readonly moved: Matrix;

  constructor(
    private readonly world: World,
    givenObservation: Given,
    encoder: Encoder,
    private readonly complement: ComplementLatent,
    tolerance: number,
  ) {
    const { action, observation, observationNext } = world.loadings as Required<World['loadings']>;
    const { exogenousNext } = world;
    this.whole = multiply(encoder.c, observation);
    addScaled(this.whole, 1, multiply(encoder.d, observationNext));
    // z given o is D (o' given o): the part that o determines is never there to cancel.
    const latents = (left: Matrix): Latents => {
      const { basis } = inOrder(unitRows(left, VOID_LOADINGS, this.whole), VOID_LOADINGS);
      return {
        basis,
        holds: Array.from({ length: basis.rows }, (_, i) => rowOf(basis, i).some((v) => v !== 0)),
      };
    };
    const left = (v: Matrix) => residual(v, givenObservation).loadings;
    const givenO = latents(multiply(encoder.d, left(observationNext)));
    this.action = new Target(left(action), action, givenO);
    const { hiddenExogenousDim, exogenousScale, exogenousDecay, exogenousInitialScale } = world.parameter;
    const isNew = hiddenExogenousDim * exogenousScale ** 2;
    const whole = isNew + hiddenExogenousDim * (exogenousDecay * exogenousInitialScale) ** 2;
    this.exogenousNext = new Target(left(exogenousNext), exogenousNext, givenO, { left: whole, whole });
    const nothing = latents(this.whole);
    this.raw = {
      action: new Target(action, action, nothing),
      exogenousNext: new Target(exogenousNext, exogenousNext, nothing, { left: whole, whole }),
      observation: new Target(observation, observation, nothing),
    };
    // Given x, its own sources are gone from everything; then given what o still tells.
    const beyond = (v: Matrix) => withoutExogenous(v, world);
    const givenBoth = given(beyond(observation), tolerance);
    const leftOfBoth = (v: Matrix) => residual(beyond(v), givenBoth).loadings;
    this.seen = latents(multiply(encoder.d, leftOfBoth(observationNext)));
    this.innovation = new Target(leftOfBoth(exogenousNext), exogenousNext, this.seen, {
      left: isNew,
      whole,
    });
    this.innovationBasis = basisOf(this.innovation.loadings, exogenousNext);
    this.actionBasis = basisOf(this.action.loadings, action);
    this.moved = this.movedByRedraw(encoder);
  }

  judge(choice: Choice): Judged {
    const { sensorNoise: eta, complementDim } = this.world.parameter;
    const { c, d } = this.complement;
    const share = ({ loadings, isVoid, left }: Target, [low, high]: Range): Range => {
      const total = isVoid ? Number.NaN : left[0];
      return loadings.rows === 0 ? [Number.NaN, Number.NaN] : [low / total, high / total];
    };
    const flipped = ([low, high]: Range): Range => [1 - high, 1 - low];
    const { action, observation, exogenousNext } = this.raw;
    const outside = complementDim * eta * eta;
    const [rawLow, rawHigh] = observation.error(choice, c === 0 ? 0 : (eta * eta * c * c) / (c * c + d * d));
    const ranges: Record<PopulationMetric, Range> = {
      actionError: share(this.action, this.action.error(choice)),
      futureLeakage: flipped(share(this.exogenousNext, this.exogenousNext.error(choice))),
      actionInformation: this.information(this.action, this.actionBasis, choice),
      futureInformation: this.information(
        this.exogenousNext,
        basisOf(this.exogenousNext.loadings, this.world.exogenousNext),
        choice,
      ),
      consistencyError: this.consistencyError(choice),
      rawActionError: share(action, action.error(choice)),
      rawExogenousNextError: share(exogenousNext, exogenousNext.error(choice)),
      rawObservationError: [
        (rawLow + outside) / (observation.left[0] + outside),
        (rawHigh + outside) / (observation.left[0] + outside),
      ],
      innovationLeakage: flipped(share(this.innovation, this.innovation.error(choice))),
      'latentShare.exogenous': this.latentShare(this.innovationBasis, choice),
      'latentShare.action': this.latentShare(this.actionBasis, choice),
    };
    const end = (name: PopulationMetric, which: 'high' | 'low') => ranges[name][which === 'low' ? 0 : 1];
    return {
      least: POPULATION_METRICS.map((name) => end(name, LEAST_FAVOURABLE[name])),
      most: POPULATION_METRICS.map((name) => end(name, LEAST_FAVOURABLE[name] === 'low' ? 'high' : 'low')),
    };
  }

  /** I(t; z | o) = -1/2 sum log of what t leaves of each latent beside those before it. */
  private information(target: Target, basis: Matrix, choice: Choice): Range {
    if (target.isVoid) return [Number.NaN, Number.NaN];
    const { latents } = target;
    const nats = (left: number) => (left > VOID_LOADINGS ? -0.5 * Math.log(Math.min(left, 1)) : Infinity);
    const fixed = besideBasis(firstRows(latents.basis, choice.fixedRows), basis);
    const own = inOrder(fixed, VOID_LOADINGS);
    let known = 0;
    own.left.forEach((left, i) => {
      if (latents.holds[i]) known += nats(left);
    });
    // Of the tied latents what t does not tell, with t and the latents before them given.
    const tied = besideBasis(besideBasis(tiedRows(latents.basis, choice), basis), own.basis);
    const held = holding(tied, latents.holds, choice);
    const values = singularSquares(held).map(nats);
    while (values.length < tied.rows) values.push(0);
    const [low, high] = extremeSums([...values, ...copies(choice, 0)], choice.chosen);
    return [known + low, known + high];
  }

  private latentShare(basis: Matrix, choice: Choice): Range {
    const { seen, complement } = this;
    const { fixedRows, fixedPicks, chosen } = choice;
    const fixed = multiplyTransposed(firstRows(seen.basis, fixedRows), basis);
    const inside = seen.holds.slice(0, fixedRows).filter(Boolean).length;
    const tied = holding(tiedRows(seen.basis, choice), seen.holds, choice);
    const explained = multiplyTransposed(tied, basis);
    const values = singularSquares(explained).slice(0, tied.rows);
    while (values.length < tied.rows) values.push(0);
    // On the complement's coordinates a latent is sensor noise: new if it looks at o' at all, and explained by nothing.
    const [isNew, isOld] = complement.d === 0 ? [0, 1] : [1, 0];
    const outside = copies(choice, 0);
    const empty = choice.tiedRows - tied.rows + isOld * outside.length;
    if (isNew) values.push(...outside);
    return extremeMeans(squares(fixed), inside + isNew * fixedPicks, values, empty, chosen);
  }

  /** What a redraw of (x, w_x) moves each latent by: (C + rho_x D) Ex x, exogenousScale D Ex w_x. */
  private movedByRedraw({ c, d }: Encoder): Matrix {
    const { exogenousMixing: ex, parameter } = this.world;
    const byStep = multiply(d, ex);
    const byState = multiply(c, ex);
    addScaled(byState, parameter.exogenousDecay, byStep);
    const moved = matrix(d.rows, 2 * ex.cols);
    for (let i = 0; i < d.rows; i++)
      for (let j = 0; j < ex.cols; j++) {
        moved.data[i * moved.cols + j] = parameter.exogenousInitialScale * byState.data[i * ex.cols + j];
        moved.data[i * moved.cols + ex.cols + j] = parameter.exogenousScale * byStep.data[i * ex.cols + j];
      }
    return moved;
  }

  private consistencyError(choice: Choice): Range {
    const { sensorNoise: eta } = this.world.parameter;
    const { c, d } = this.complement;
    const noise = eta * eta * (c * c + d * d);
    const form = (rows: Matrix, each: number): Form => ({
      fixed: squares(firstRows(rows, choice.fixedRows)) + choice.fixedPicks * each,
      tied: gram(tiedRows(rows, choice)),
      each,
    });
    const outside = Math.min(choice.tiedPicks, choice.chosen);
    return extremeRatios(form(this.moved, 0), form(this.whole, noise), outside, choice.chosen);
  }
}

/** The tied rows that hold something. */
function holding(tied: Matrix, holds: readonly boolean[], { fixedRows }: Choice): Matrix {
  const kept = Array.from({ length: tied.rows }, (_, i) => i).filter((i) => holds[fixedRows + i]);
  const out = matrix(kept.length, tied.cols);
  kept.forEach((from, to) => {
    rowOf(out, to).set(rowOf(tied, from));
  });
  return out;
}

/** An orthonormal basis of what a target's coordinates span; one of which nothing is left of `whole` adds nothing. */
function basisOf(loadings: Matrix, whole: Matrix): Matrix {
  return inOrder(unitRows(loadings, VOID_LOADINGS, whole), VOID_LOADINGS).basis;
}

function withoutExogenous(v: Matrix, { exogenous: begin, exogenousMixing: { cols: dx } }: World): Matrix {
  const out = copy(v);
  for (let i = 0; i < v.rows; i++) out.data.fill(0, i * v.cols + begin, i * v.cols + begin + dx);
  return out;
}

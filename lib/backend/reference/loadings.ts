import { addProduct, multiply } from '../../linalg/dense.js';
import { columns, copy, type Matrix, matrix } from '../../linalg/matrix.js';
import { type ObjectiveRows, PARAMETERS, type PopulationRequest, type Variable } from '../requests.js';
import {
  blockWidth,
  factorOf,
  isAction,
  isProjected,
  mentions,
  type Stack,
  stackWidth,
  type Widths,
} from './objective.js';

/**
 * Source loadings (theory.md section 1): a variable is V e with independent e ~ N(0, I), one row of V a coordinate, one column a
 * source, so that cov(v, w) = V W^T.
 */
export interface Variables {
  readonly widths: Widths;
  readonly sources: number;
  readonly loadings: Readonly<Partial<Record<Variable, Matrix>>>;
  readonly projection: Matrix;
  /** First source of n1 and n2, by the width of what they are added to. */
  readonly noise: Readonly<Record<'encoderNoise' | 'decoderNoise', ReadonlyMap<number, number>>>;
}

/** What the metrics need beside what an objective may refer to. */
export interface World extends Variables {
  readonly parameter: Readonly<Record<(typeof PARAMETERS)[number], number>>;
  readonly exogenousNext: Matrix;
  /** Ex, (basis, exogenousDim) */
  readonly exogenousMixing: Matrix;
  /** First source of x. */
  readonly exogenous: number;
}

/** What sensor noise adds to, in the order of its sources. */
const VIEWS = ['observation', 'observationNext', 'pairObservation', 'pairObservationNext'] as const;

function slice(stacked: Float64Array, index: number, rows: number, cols: number): Matrix {
  return matrix(rows, cols, stacked.subarray(index * rows * cols, (index + 1) * rows * cols));
}

/** value on the diagonal of the block that begins at column `begin`. */
function setDiagonal(a: Matrix, begin: number, value: number): void {
  const n = Math.min(a.rows, a.cols - begin);
  for (let i = 0; i < n; i++) a.data[i * a.cols + begin + i] += value;
}

/** scale x block placed with its first column at `begin`. */
function place(a: Matrix, begin: number, scale: number, block: Matrix): void {
  for (let i = 0; i < block.rows; i++)
    for (let j = 0; j < block.cols; j++)
      a.data[i * a.cols + begin + j] += scale * block.data[i * block.cols + j];
}

/** Hands out sources one after another. */
class Sources {
  count = 0;
  take(n: number): number {
    this.count += n;
    return this.count - n;
  }
}

/** Fresh sources for augmentation noise, one set for every width that it is added to. */
function noiseSources(rows: ObjectiveRows, widths: Widths, sources: Sources): Variables['noise'] {
  const noise = { encoderNoise: new Map<number, number>(), decoderNoise: new Map<number, number>() };
  for (const block of [
    ...rows.y,
    ...rows.f,
    ...rows.e,
    ...rows.penalties.flatMap((p) => [...p.of, ...p.given]),
  ])
    for (const { variable } of block.terms) {
      if (variable !== 'encoderNoise' && variable !== 'decoderNoise') continue;
      const width = blockWidth(block, widths);
      if (!noise[variable].has(width)) noise[variable].set(width, sources.take(width));
    }
  return noise;
}

function mentionsPair(rows: ObjectiveRows): boolean {
  return mentions(rows, (t) => t.variable === 'pairObservation' || t.variable === 'pairObservationNext');
}

/** The loadings of every variable of one problem. Sources that move nothing are left out. */
export function worldOf(request: PopulationRequest, problem: number): World {
  const { basis: q, endogenousDim: ds, exogenousDim: dx, actionDim: da } = request;
  const widths: Widths = { observation: q, action: da, projection: request.projectionDim };
  const parameter = {} as Record<(typeof PARAMETERS)[number], number>;
  PARAMETERS.forEach((name, i) => {
    parameter[name] = request.parameters[i * request.count + problem];
  });
  const m = request.matrixIndex[problem];
  const mixing = slice(request.mixing, m, q, ds + dx);
  const [pair, initial] = [mentionsPair(request.objective), parameter.exogenousInitialScale];

  const sources = new Sources();
  const s = sources.take(ds);
  const x = sources.take(dx);
  const u = sources.take(da);
  const ws = sources.take(parameter.processNoise === 0 ? 0 : ds);
  const wx = sources.take(dx);
  const x2 = sources.take(pair ? dx : 0);
  const w2 = sources.take(pair ? dx : 0);
  const sensor = parameter.sensorNoise === 0 ? 0 : q;
  const sensors = sources.take((pair ? 4 : 2) * sensor);
  const noise = noiseSources(request.objective, widths, sources);
  const p = sources.count;

  const action = matrix(da, p);
  setDiagonal(action, u, parameter.policyNoise);
  place(action, s, parameter.stateFeedback, slice(request.stateFeedback, m, da, ds));
  place(action, x, initial * parameter.exogenousFeedback, slice(request.exogenousFeedback, m, da, dx));

  const endogenousNext = multiply(slice(request.actionEffect, m, ds, da), action);
  for (let i = 0; i < endogenousNext.data.length; i++) endogenousNext.data[i] *= parameter.actionScale;
  setDiagonal(endogenousNext, s, parameter.endogenousDecay);
  if (parameter.processNoise !== 0) setDiagonal(endogenousNext, ws, parameter.processNoise);

  // w_x keeps unit variance per coordinate: coordinate i < da shares `actionExogenousCorrelation` of u_i.
  const exogenousNext = matrix(dx, p);
  const share = parameter.actionExogenousCorrelation;
  for (let i = 0; i < dx; i++) {
    const shared = i < da ? share : 0;
    exogenousNext.data[i * p + x + i] = initial * parameter.exogenousDecay;
    if (i < da) exogenousNext.data[i * p + u + i] += parameter.exogenousScale * shared;
    exogenousNext.data[i * p + wx + i] = parameter.exogenousScale * Math.sqrt(1 - shared * shared);
  }

  const es = columns(mixing, 0, ds);
  const ex = columns(mixing, ds, ds + dx);
  const observation = matrix(q, p);
  place(observation, s, 1, es);
  place(observation, x, initial, ex);
  const fromEndogenous = multiply(es, endogenousNext);
  const observationNext = copy(fromEndogenous);
  addProduct(ex, exogenousNext, 1, observationNext);
  const loadings: Partial<Record<Variable, Matrix>> = { action, observation, observationNext };
  if (pair) {
    // The pair's exogenous step is a redraw: independent of the action.
    const pairObservation = matrix(q, p);
    place(pairObservation, s, 1, es);
    place(pairObservation, x2, initial, ex);
    const pairObservationNext = fromEndogenous;
    place(pairObservationNext, x2, initial * parameter.exogenousDecay, ex);
    place(pairObservationNext, w2, parameter.exogenousScale, ex);
    Object.assign(loadings, { pairObservation, pairObservationNext });
  }
  if (sensor > 0)
    VIEWS.forEach((view, i) => {
      const variable = loadings[view];
      if (variable) setDiagonal(variable, sensors + i * q, parameter.sensorNoise);
    });
  return {
    widths,
    sources: p,
    loadings,
    projection: slice(request.projection, m, request.projectionDim, q),
    noise,
    parameter,
    exogenousNext,
    exogenousMixing: ex,
    exogenous: x,
  };
}

/**
 * One coordinate outside the reduced basis: sensor and augmentation noise alone. Blocks that see none of it are those that
 * `complementRows` leaves out.
 */
export function complementOf(world: World, rows: ObjectiveRows): Variables {
  const widths: Widths = { observation: 1, action: 0, projection: 0 };
  const sources = new Sources();
  sources.take(4);
  const noise = noiseSources(complementRows(rows), widths, sources);
  const loadings: Partial<Record<Variable, Matrix>> = {};
  VIEWS.forEach((view, i) => {
    const v = matrix(1, sources.count);
    v.data[i] = world.parameter.sensorNoise;
    loadings[view] = v;
  });
  return { widths, sources: sources.count, loadings, projection: matrix(0, 1), noise };
}

/** The blocks of an objective that reach outside the reduced basis: no actions, nothing seen through P. */
export function complementRows(rows: ObjectiveRows): ObjectiveRows {
  const reaches = (block: Stack[number]): boolean => !isAction(block) && !isProjected(block);
  return {
    ...rows,
    y: rows.y.filter(reaches),
    f: rows.f.filter(reaches),
    e: rows.e.filter(reaches),
    penalties: rows.penalties.map((p) => ({
      ...p,
      of: p.of.filter(reaches),
      given: p.given.filter(reaches),
    })),
  };
}

/** The loadings of a stack of blocks, one block above the other. */
export function compose(stack: Stack, variables: Variables, coefficients: Float64Array): Matrix {
  const { widths, sources: p } = variables;
  const out = matrix(stackWidth(stack, widths), p);
  let begin = 0;
  for (const block of stack) {
    const width = blockWidth(block, widths);
    const rows = matrix(width, p, out.data.subarray(begin * p, (begin + width) * p));
    for (const term of block.terms) {
      const factor = factorOf(term, coefficients);
      if (term.variable === 'encoderNoise' || term.variable === 'decoderNoise') {
        setDiagonal(rows, variables.noise[term.variable].get(width)!, factor);
        continue;
      }
      const loadings = variables.loadings[term.variable]!;
      if (isProjected(block)) addProduct(variables.projection, loadings, factor, rows);
      else for (let i = 0; i < rows.data.length; i++) rows.data[i] += factor * loadings.data[i];
    }
    begin += width;
  }
  return out;
}

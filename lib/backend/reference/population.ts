import { EIGENVALUE_TIE, VOID_LOADINGS } from '../../base/conventions.js';
import { ExolamError } from '../../base/errors.js';
import { gram, multiply, multiplyTransposed } from '../../linalg/dense.js';
import { countAbove, type Eigen, eigen, NotConverged } from '../../linalg/eigen.js';
import { addScaled, firstRows, type Matrix, matrix, sumOfSquares } from '../../linalg/matrix.js';
import {
  type Control,
  type ObjectiveRows,
  type PopulationAnswer,
  type PopulationRequest,
  populationArrays,
  STATUS,
} from '../requests.js';
import { type Given, given, givenOnSides, largestOf, type Residual, residual } from './conditioning.js';
import { complementOf, complementRows, compose, type Variables, worldOf } from './loadings.js';
import { addToEncoder, coefficientsOf, type Encoder, reconstructs, sameStack } from './objective.js';
import { Pace } from './pace.js';
import { PopulationMetrics } from './population-metrics.js';
import { fixSigns, type Latents, latentsOf, latentsOfItself } from './regression.js';

/** The problem on one set of coordinates (those of the reduced basis, or one that stands for the complement) given f. */
interface Part {
  readonly rows: ObjectiveRows;
  readonly variables: Variables;
  readonly givenF: Given;
  readonly e: Residual;
  readonly variance: number;
  readonly trace: number;
  readonly sye: Matrix;
  /** Eigenpairs of S_ee + P. */
  readonly bottleneck: Eigen;
}

interface Side {
  readonly rows: ObjectiveRows;
  readonly variables: Variables;
}

function partsOf(sides: readonly Side[], coefficients: Float64Array, tolerance: number): Part[] {
  const f = givenOnSides(
    sides.map(({ rows, variables }) => compose(rows.f, variables, coefficients)),
    tolerance,
  );
  const parts = sides.map(({ rows, variables }, i) => {
    const target = compose(rows.y, variables, coefficients);
    const y = residual(target, f[i]);
    const e = sameStack(rows.y, rows.e) ? y : residual(compose(rows.e, variables, coefficients), f[i]);
    return { rows, variables, givenF: f[i], target, y, e, see: gram(e.loadings) };
  });
  parts[0].rows.penalties.forEach(({ weight }, p) => {
    const on = givenOnSides(
      parts.map(({ rows, variables }) => compose(rows.penalties[p].given, variables, coefficients)),
      tolerance,
    );
    parts.forEach(({ rows, variables, see }, i) => {
      const penalised = residual(compose(rows.penalties[p].of, variables, coefficients), on[i]);
      addScaled(see, coefficients[weight], gram(penalised.loadings));
    });
  });
  return parts.map(({ rows, variables, givenF, target, y, e, see }) => ({
    rows,
    variables,
    givenF,
    e,
    variance: sumOfSquares(target),
    trace: sumOfSquares(y.loadings),
    sye: multiplyTransposed(y.loadings, e.loadings),
    bottleneck: eigen(see),
  }));
}

/** z = G (e - E[e | f]) or z = G e as C and D. */
function encoderOf(
  weights: Matrix,
  part: Part,
  gauge: ObjectiveRows['gauge'],
  coefficients: Float64Array,
): Encoder {
  const { rows, variables, givenF, e } = part;
  const { widths, projection } = variables;
  const encoder = {
    c: matrix(weights.rows, widths.observation),
    d: matrix(weights.rows, widths.observation),
  };
  addToEncoder(encoder, 1, weights, rows.e, widths, coefficients, projection);
  if (gauge === 'innovation' && rows.f.length > 0) {
    const onF = multiply(multiply(weights, e.onBasis), givenF.whiten);
    addToEncoder(encoder, -1, onF, rows.f, widths, coefficients, projection);
  }
  return encoder;
}

/** What one latent is: a row of the reduced basis, a coordinate of the complement, or nothing. */
interface Merged {
  readonly spectrum: Float64Array;
  /** Reduced rows and complement coordinates among the first i + 1 latents. */
  readonly reducedUpTo: Int32Array;
  readonly picksUpTo: Int32Array;
  readonly rank: number;
}

/**
 * Both spectra in descending order: the complement's eigenvalue comes as often as it has coordinates, after reduced ones that
 * equal it. Latents whose value is up to `cut` are
 * nothing.
 */
function merge(
  reduced: Float64Array,
  complement: number,
  multiplicity: number,
  cut: number,
  slots: number,
  tie: number,
): Merged {
  const reducedRank = countAbove(reduced, cut);
  const copies = complement > cut ? multiplicity : 0;
  const spectrum = new Float64Array(slots);
  const reducedUpTo = new Int32Array(slots);
  const picksUpTo = new Int32Array(slots);
  let rows = 0;
  let picks = 0;
  let last = Number.POSITIVE_INFINITY;
  for (let i = 0; i < slots; i++) {
    if (rows < reducedRank && (picks === copies || reduced[rows] >= complement - tie))
      last = Math.min(last, reduced[rows++]);
    else if (picks < copies) {
      last = Math.min(last, complement);
      picks++;
    } else last = Math.min(last, Math.max(reduced[i - picks] ?? 0, 0));
    spectrum[i] = last;
    reducedUpTo[i] = rows;
    picksUpTo[i] = picks;
  }
  return { spectrum, reducedUpTo, picksUpTo, rank: reducedRank + copies };
}

/** Solves every problem of a batch; one problem after another, so none can disturb its neighbours. */
export async function solvePopulation(
  request: PopulationRequest,
  control?: Control,
  into?: PopulationAnswer,
): Promise<PopulationAnswer> {
  const { count } = request;
  const slots = request.latentDims[request.latentDims.length - 1] ?? 0;
  const answer = populationArrays(request, into);
  const pace = new Pace(control, count);
  for (let problem = 0; problem < count; problem++) {
    try {
      answer.status[problem] = solveOne(request, problem, slots, answer);
    } catch (error) {
      if (!(error instanceof NotConverged)) throw error;
      answer.status[problem] = STATUS.notConverged;
    }
    await pace.advance();
  }
  pace.finish();
  return answer;
}

function solveOne(
  request: PopulationRequest,
  problem: number,
  slots: number,
  answer: PopulationAnswer,
): number {
  const { objective, relativeTolerance: tolerance } = request;
  const coefficients = coefficientsOf(request.coefficients, request.count, problem);
  const world = worldOf(request, problem);
  const outside = { rows: complementRows(objective), variables: complementOf(world, objective) };
  const multiplicity = world.parameter.complementDim;
  const sides: Side[] = [{ rows: objective, variables: world }, ...(multiplicity > 0 ? [outside] : [])];
  const [inside, coordinate] = partsOf(sides, coefficients, tolerance) as [Part, Part | undefined];

  const cut =
    tolerance * Math.max(largestOf(inside.bottleneck), coordinate ? largestOf(coordinate.bottleneck) : 0);
  const solvePart = (part: Part): Latents =>
    reconstructs(part.rows)
      ? latentsOfItself(part.bottleneck, cut)
      : latentsOf(part.sye, part.bottleneck, cut);
  const latents = solvePart(inside);
  const outer = coordinate ? solvePart(coordinate) : null;

  const complementValue = Math.max(outer?.values[0] ?? 0, 0);
  const largest = Math.max(latents.values[0] ?? 0, complementValue);
  const variance = inside.variance + multiplicity * (coordinate?.variance ?? 0);
  const isEmpty = !(largest > VOID_LOADINGS * variance);
  const rankCut = isEmpty ? Number.POSITIVE_INFINITY : tolerance * largest;
  if ((outer?.values[1] ?? 0) > rankCut) {
    throw new ExolamError(
      'unsupported',
      'solvePopulation: expected an objective with one latent per coordinate of pure sensor noise but this one has more',
    );
  }
  const merged = merge(
    latents.values,
    complementValue,
    multiplicity,
    rankCut,
    slots,
    EIGENVALUE_TIE * largest,
  );

  const rows = slots > 0 ? merged.reducedUpTo[slots - 1] : 0;
  const weights = firstRows(latents.weights, rows);
  fixSigns(weights);
  const encoder = encoderOf(weights, inside, objective.gauge, coefficients);
  const noise = { c: 0, d: 0 };
  if (coordinate && outer && slots > 0 && merged.picksUpTo[slots - 1] > 0) {
    const row = firstRows(outer.weights, 1);
    fixSigns(row);
    const { c, d } = encoderOf(row, coordinate, objective.gauge, coefficients);
    noise.c = c.data[0];
    noise.d = d.data[0];
  }

  const givenO = sameStack(objective.f, OBSERVATION)
    ? inside.givenF
    : given(world.loadings.observation!, tolerance);
  const metrics = new PopulationMetrics(world, givenO, encoder, tolerance);
  const trace = inside.trace + multiplicity * (coordinate?.trace ?? 0);
  return report(request, problem, slots, answer, { merged, encoder, noise, metrics, trace, isEmpty });
}

const OBSERVATION = [{ terms: [{ variable: 'observation', coefficient: null }], projected: false }] as const;

interface Found {
  readonly merged: Merged;
  readonly encoder: Encoder;
  readonly noise: { readonly c: number; readonly d: number };
  readonly metrics: PopulationMetrics;
  readonly trace: number;
  readonly isEmpty: boolean;
}

/** Writes one problem's share of the answer and returns its status. */
function report(
  request: PopulationRequest,
  problem: number,
  slots: number,
  answer: PopulationAnswer,
  found: Found,
): number {
  const { count, basis, latentDims } = request;
  const { merged, encoder, noise } = found;
  answer.rank[problem] = merged.rank;
  answer.spectrum.set(merged.spectrum, problem * slots);
  answer.complementEncoder[2 * problem] = noise.c;
  answer.complementEncoder[2 * problem + 1] = noise.d;
  let row = 0;
  for (let i = 0; i < slots; i++) {
    const at = problem * slots + i;
    if (merged.picksUpTo[i] > (i > 0 ? merged.picksUpTo[i - 1] : 0)) answer.complement[at] = 1;
    if (merged.reducedUpTo[i] === row) continue;
    if (request.encoder) {
      answer.encoderC.set(encoder.c.data.subarray(row * basis, (row + 1) * basis), at * basis);
      answer.encoderD.set(encoder.d.data.subarray(row * basis, (row + 1) * basis), at * basis);
    }
    row++;
  }
  const stride = count * latentDims.length;
  let finite = true;
  let explained = 0;
  let slot = 0;
  latentDims.forEach((k, m) => {
    for (; slot < k; slot++) explained += merged.spectrum[slot];
    const at = problem * latentDims.length + m;
    const loss = found.trace - explained;
    answer.loss[at] = loss;
    finite &&= Number.isFinite(loss);
    const picked = k > 0 ? merged.picksUpTo[k - 1] : 0;
    const values = found.metrics.of(k > 0 ? merged.reducedUpTo[k - 1] : 0, { picked, ...noise });
    values.forEach((value, metric) => {
      answer.metrics[metric * stride + at] = value;
    });
  });
  if (!finite) return STATUS.nonFinite;
  return found.isEmpty ? STATUS.emptyProblem : STATUS.ok;
}

import { VOID_LOADINGS } from '../../base/conventions.js';
import { ExolamError } from '../../base/errors.js';
import { multiply } from '../../linalg/dense.js';
import { firstRows, type Matrix, matrix, sumOfSquares } from '../../linalg/matrix.js';
import { Pace } from '../pace.js';
import {
  type Control,
  type ObjectiveRows,
  type PopulationAnswer,
  type PopulationRequest,
  populationArrays,
  STATUS,
} from '../requests.js';
import { type Given, given, givenOnSides, type Residual, residual } from './conditioning.js';
import { eachProblem } from './each-problem.js';
import { type Latents, latentsOf, type Problem, withPenalty } from './latents.js';
import { complementOf, complementRows, compose, type Variables, worldOf } from './loadings.js';
import { addToEncoder, coefficientsOf, type Encoder, sameStack } from './objective.js';
import { isUnique, Order } from './order.js';
import { type ComplementLatent, PopulationMetrics } from './population-metrics.js';
import { fixSigns } from './regression.js';

/** The problem on one set of coordinates (those of the reduced basis, or one that stands for the complement) given f. */
interface Part {
  readonly rows: ObjectiveRows;
  readonly variables: Variables;
  readonly givenF: Given;
  readonly e: Residual;
  /** tr cov(y) */
  readonly variance: number;
  readonly latents: Latents;
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
  const targets = sides.map(({ rows, variables }) => compose(rows.y, variables, coefficients));
  const bottlenecks = sides.map(({ rows, variables }, i) =>
    residual(compose(rows.e, variables, coefficients), f[i]),
  );
  let problems: Problem[] = targets.map((target, i) => ({
    y: residual(target, f[i]).loadings,
    e: bottlenecks[i].loadings,
  }));
  sides[0].rows.penalties.forEach(({ weight }, p) => {
    const on = givenOnSides(
      sides.map(({ rows, variables }) => compose(rows.penalties[p].given, variables, coefficients)),
      tolerance,
    );
    problems = problems.map((problem, i) => {
      const { rows, variables } = sides[i];
      const left = residual(compose(rows.penalties[p].of, variables, coefficients), on[i]);
      return withPenalty(problem, coefficients[weight], left.loadings);
    });
  });
  const latents = latentsOf(problems, tolerance);
  return sides.map(({ rows, variables }, i) => ({
    rows,
    variables,
    givenF: f[i],
    e: bottlenecks[i],
    variance: sumOfSquares(targets[i]),
    latents: latents[i],
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

/** Solves every problem of a batch. */
export async function solvePopulation(
  request: PopulationRequest,
  control?: Control,
  into?: PopulationAnswer,
): Promise<PopulationAnswer> {
  const { count } = request;
  const slots = request.latentDims[request.latentDims.length - 1] ?? 0;
  const answer = populationArrays(request, into);
  const pace = new Pace(control, count);
  await eachProblem(answer.status, pace, (problem) => {
    answer.status[problem] = solveOne(request, problem, slots, answer);
  });
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

  const { latents } = inside;
  const complementValue = coordinate?.latents.values[0] ?? 0;
  const largest = Math.max(latents.values[0] ?? 0, complementValue);
  const variance = inside.variance + multiplicity * (coordinate?.variance ?? 0);
  const isEmpty = !(largest > VOID_LOADINGS * variance);
  const rankCut = isEmpty ? Number.POSITIVE_INFINITY : tolerance * largest;
  if ((coordinate?.latents.values[1] ?? 0) > rankCut) {
    throw new ExolamError(
      'unsupported',
      'solvePopulation: expected an objective with one latent per coordinate of pure sensor noise but this one has more',
    );
  }
  const order = new Order(latents.values, complementValue, multiplicity, rankCut);

  const weights = firstRows(latents.weights, order.rowsUpTo(order.rank));
  fixSigns(weights);
  const encoder = encoderOf(weights, inside, objective.gauge, coefficients);
  const noise = { c: 0, d: 0 };
  if (coordinate && order.picksUpTo(order.rank) > 0) {
    const row = firstRows(coordinate.latents.weights, 1);
    fixSigns(row);
    const { c, d } = encoderOf(row, coordinate, objective.gauge, coefficients);
    noise.c = c.data[0];
    noise.d = d.data[0];
  }

  const givenO = sameStack(objective.f, OBSERVATION)
    ? inside.givenF
    : given(world.loadings.observation!, tolerance);
  const metrics = new PopulationMetrics(world, givenO, encoder, noise, tolerance);
  return report(request, problem, slots, answer, {
    order,
    encoder,
    noise,
    metrics,
    remaining: (k) => remaining(inside, coordinate, multiplicity, order, k),
    isEmpty,
  });
}

/** The loss of k latents: the eigenvalues after them and what none could explain, summed from the least. */
function remaining(
  inside: Part,
  coordinate: Part | undefined,
  multiplicity: number,
  order: Order,
  k: number,
): number {
  let sum = inside.latents.unexplained;
  if (coordinate) {
    sum += multiplicity * coordinate.latents.unexplained;
    const [first = 0, ...others] = coordinate.latents.values;
    sum += (multiplicity - order.picksUpTo(k)) * first;
    for (const value of others) sum += multiplicity * value;
  }
  const { values } = inside.latents;
  for (let i = values.length - 1; i >= order.rowsUpTo(k); i--) sum += values[i];
  return sum;
}

const OBSERVATION = [{ terms: [{ variable: 'observation', coefficient: null }], projected: false }] as const;

interface Found {
  readonly order: Order;
  readonly encoder: Encoder;
  readonly noise: ComplementLatent;
  readonly metrics: PopulationMetrics;
  readonly remaining: (latentDim: number) => number;
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
  const { order, encoder, noise } = found;
  answer.rank[problem] = order.rank;
  answer.complementEncoder[2 * problem] = noise.c;
  answer.complementEncoder[2 * problem + 1] = noise.d;
  for (let i = 0; i < slots; i++) {
    const at = problem * slots + i;
    answer.spectrum[at] = order.value(i);
    if (order.picksUpTo(i + 1) > order.picksUpTo(i)) answer.complement[at] = 1;
    const row = order.rowsUpTo(i);
    if (order.rowsUpTo(i + 1) === row || !request.encoder) continue;
    answer.encoderC.set(encoder.c.data.subarray(row * basis, (row + 1) * basis), at * basis);
    answer.encoderD.set(encoder.d.data.subarray(row * basis, (row + 1) * basis), at * basis);
  }
  const stride = count * latentDims.length;
  let finite = true;
  latentDims.forEach((k, m) => {
    const at = problem * latentDims.length + m;
    answer.loss[at] = found.remaining(k);
    finite &&= Number.isFinite(answer.loss[at]);
    answer.next[at] = order.value(k);
    const choice = order.choice(k);
    answer.unique[at] = isUnique(choice) ? 1 : 0;
    const { least, most } = found.metrics.judge(choice);
    for (let metric = 0; metric < least.length; metric++) {
      answer.metrics[metric * stride + at] = least[metric];
      if (!isUnique(choice)) answer.favourable[metric * stride + at] = most[metric];
    }
  });
  if (!finite) return STATUS.nonFinite;
  return found.isEmpty ? STATUS.emptyProblem : STATUS.ok;
}

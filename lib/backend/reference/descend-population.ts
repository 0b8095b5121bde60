import { multiply, multiplyTransposed } from '../../linalg/dense.js';
import { addScaled, type Matrix, matrix, minus, sumOfSquares, vstack } from '../../linalg/matrix.js';
import type { DescentAnswer, DescentSettings } from '../descent-requests.js';
import { Pace } from '../pace.js';
import {
  type Control,
  type PopulationDescentRequest,
  type PopulationRequest,
  populationDescentArrays,
  STATUS,
} from '../requests.js';
import { type Given, given, residual } from './conditioning.js';
import { type Descended, descend, type SquaredError, type State } from './descent.js';
import { eachProblem } from './each-problem.js';
import { type Problem, withPenalty } from './latents.js';
import { complementOf, complementRows, compose, type World, worldOf } from './loadings.js';
import { addToEncoder, coefficientsOf } from './objective.js';
import { PopulationMetrics } from './population-metrics.js';

/** The state of one problem, its B cut into those of each error. */
export function stateOf(r: DescentSettings, problem: number, ne: number, widths: readonly number[]): State {
  const k = r.latentDim;
  const n = widths.reduce((sum, width) => sum + width, 0);
  let at = problem * n * k;
  const b = widths.map((width) => {
    at += width * k;
    return matrix(width, k, r.decoderState.slice(at - width * k, at));
  });
  return { g: matrix(k, ne, r.encoderState.slice(problem * k * ne, (problem + 1) * k * ne)), b };
}

/** What descending found, but for the losses and the maps of o and o'. */
export function storeState(answer: DescentAnswer, problem: number, found: Descended): void {
  const b = vstack(found.b);
  answer.status[problem] = found.status;
  answer.gradient[problem] = found.gradient;
  answer.step[problem] = found.step;
  answer.encoderState.set(found.g.data, problem * found.g.data.length);
  answer.decoderState.set(b.data, problem * b.data.length);
}

/** Each error's y and e as loadings given what its decoder sees, the penalty as something independent that e holds besides. */
function conditioned(r: PopulationDescentRequest, world: World, coefficients: Float64Array) {
  const { objective, relativeTolerance: tolerance, head } = r;
  const all = (stack: typeof objective.y) => compose(stack, world, coefficients);
  const onF = given(all(objective.f), tolerance);
  const [y, e] = [residual(all(objective.y), onF), residual(all(objective.e), onF)];
  let errors: Problem[] = [{ y: y.loadings, e: e.loadings }];
  if (head >= 0) {
    const action = matrix(r.actionDim, world.sources);
    addScaled(action, coefficients[head], world.loadings.action as Matrix);
    errors.push({ y: action, e: all(objective.e) });
  }
  for (const { of, given: on, weight } of objective.penalties) {
    const moved = residual(all(of), given(all(on), tolerance)).loadings;
    errors = errors.map((error) => withPenalty(error, coefficients[weight], moved));
  }
  return { errors, onF, y: y.onBasis, e: e.onBasis };
}

/** Of one coordinate outside the basis: what it adds to the loss, and what its f tells of its y. */
function complementError(world: World, r: PopulationDescentRequest, coefficients: Float64Array) {
  const rows = complementRows(r.objective);
  if (rows.y.length === 0) return { left: 0, factor: 0 };
  const variables = complementOf(world, r.objective);
  const y = compose(rows.y, variables, coefficients);
  const f = compose(rows.f, variables, coefficients);
  const square = sumOfSquares(f);
  const factor = square > 0 ? multiplyTransposed(y, f).data[0] / square : 0;
  return {
    left: sumOfSquares(
      factor === 0
        ? y
        : minus(
            y,
            matrix(
              1,
              f.cols,
              f.data.map((v) => factor * v),
            ),
          ),
    ),
    factor,
  };
}

/** C, D and what the decoder adds of f. */
function mapsOf(
  r: PopulationDescentRequest,
  world: World,
  coefficients: Float64Array,
  { g, b }: State,
  { onF, y, e }: { onF: Given; y: Matrix; e: Matrix },
) {
  const { objective } = r;
  const { widths, projection } = world;
  const encoder = { c: matrix(g.rows, widths.observation), d: matrix(g.rows, widths.observation) };
  addToEncoder(encoder, 1, g, objective.e, widths, coefficients, projection);
  if (objective.f.length === 0) return { encoder, onF: matrix(y.rows, 0) };
  const along = multiply(g, e);
  const isInnovation = objective.gauge === 'innovation';
  if (isInnovation)
    addToEncoder(encoder, -1, multiply(along, onF.whiten), objective.f, widths, coefficients, projection);
  return { encoder, onF: multiply(isInnovation ? y : minus(y, multiply(b[0], along)), onF.whiten) };
}

async function descendOne(r: PopulationDescentRequest, problem: number, answer: DescentAnswer, pace: Pace) {
  const coefficients = coefficientsOf(r.coefficients, r.count, problem);
  const world = worldOf(
    { ...r, latentDims: new Int32Array(0), encoder: false } satisfies PopulationRequest,
    problem,
  );
  const parts = conditioned(r, world, coefficients);
  const errors = parts.errors.map(
    ({ y, e }): SquaredError => ({
      total: sumOfSquares(y),
      x: multiplyTransposed(y, e),
      e: multiplyTransposed(e, e),
    }),
  );
  const [{ e }] = parts.errors;
  const state = stateOf(
    r,
    problem,
    e.rows,
    parts.errors.map(({ y }) => y.rows),
  );
  const { method, steps, starts, relativeTolerance: tolerance } = r;
  const rest = () => pace.rest();
  const found = await descend(errors, state, {
    ...{ method, steps, starts, tolerance, rest },
    rate: r.rate[problem],
    seed: r.seed[problem],
  });
  storeState(answer, problem, found);
  if (found.status === STATUS.nonFinite) return;
  // Summed from what is left, not by subtraction.
  const left = parts.errors.map(({ y, e: seen }, t) =>
    sumOfSquares(minus(y, multiply(multiply(found.b[t], found.g), seen))),
  );
  const outside = complementError(world, r, coefficients);
  answer.reconstruction[problem] = left[0] + world.parameter.complementDim * outside.left;
  answer.supervision[problem] = left[1] ?? 0;
  answer.loss[problem] = answer.reconstruction[problem] + answer.supervision[problem];
  answer.outside[problem] = outside.factor;
  const { encoder, onF } = mapsOf(r, world, coefficients, found, parts);
  answer.encoderC.set(encoder.c.data, problem * encoder.c.data.length);
  answer.encoderD.set(encoder.d.data, problem * encoder.d.data.length);
  answer.decoderF.set(onF.data, problem * onF.data.length);
  const givenO = given(world.loadings.observation as Matrix, tolerance);
  const judged = new PopulationMetrics(world, givenO, encoder, { c: 0, d: 0 }, tolerance).judge({
    fixedRows: found.g.rows,
    ...{ fixedPicks: 0, tiedRows: 0, tiedPicks: 0, chosen: 0 },
  });
  judged.least.forEach((value, m) => {
    answer.metrics[m * r.count + problem] = value;
  });
}

/** Gradient training of worlds, one after another. */
export async function descendPopulation(
  r: PopulationDescentRequest,
  control?: Control,
): Promise<DescentAnswer> {
  const answer = populationDescentArrays(r);
  const pace = new Pace(control, r.count);
  await eachProblem(answer.status, pace, (problem) => descendOne(r, problem, answer, pace));
  return answer;
}

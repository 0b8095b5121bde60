import { FLAT, LATENT_RIDGE, VOID_MOMENTS } from '../../base/conventions.js';
import { multiply, multiplyTransposed, solveSemidefinite } from '../../linalg/dense.js';
import { countAbove, type Eigen, eigen, NotConverged, whitener } from '../../linalg/eigen.js';
import {
  block,
  firstRows,
  type Matrix,
  matrix,
  scaleColumns,
  symmetric,
  trace,
  transpose,
} from '../../linalg/matrix.js';
import { normals } from '../../random/philox.js';
import { Pace } from '../pace.js';
import {
  type Control,
  STATUS,
  type TrainMomentsAnswer,
  type TrainMomentsRequest,
  trainMomentsArrays,
} from '../requests.js';
import { eachProblem } from './each-problem.js';
import { lbfgs } from './lbfgs.js';
import { regress, residualCovariance } from './moments.js';
import { emptyLoss, type Innovations, type Labels, partlyLabelledLoss, termsOf } from './partly-labelled.js';
import { fixSigns } from './regression.js';

interface Whitened extends Innovations {
  readonly gamma: Matrix;
  /** w = whiten (o' - gamma^T o) */
  readonly whiten: Matrix;
}

/** Blocks of one joint moment matrix, and regressions on o. */
function given(r: TrainMomentsRequest, s: Matrix) {
  const { observation, observationNext, action, observationDim: d, actionDim: da } = r;
  const oo = block(s, observation, d, observation, d);
  const on = (begin: number, width: number) =>
    regress(oo, block(s, observation, d, begin, width), r.ridge, r.relativeTolerance);
  const next = on(observationNext, d);
  const whole = block(s, observationNext, d, observationNext, d);
  return {
    gamma: next.weights,
    total: trace(whole),
    next: symmetric(residualCovariance(whole, next, next)),
    actions: () => {
      const acts = on(action, da);
      return {
        cross: residualCovariance(block(s, observationNext, d, action, da), next, acts),
        action: residualCovariance(block(s, action, da, action, da), acts, acts),
      };
    },
  };
}

/** The innovation over all rows, or why there is none. */
function innovationsOf(r: TrainMomentsRequest, s: Matrix): Whitened | number {
  const { gamma, next, total } = given(r, s);
  if (!Number.isFinite(trace(next))) return STATUS.nonFinite;
  const pairs = eigen(next);
  const [largest] = pairs.values;
  if (!(largest > VOID_MOMENTS * total)) return STATUS.emptyProblem;
  const cut = r.relativeTolerance * largest;
  const kept = countAbove(pairs.values, cut);
  const whiten = whitener(pairs, cut);
  fixSigns(whiten);
  return {
    gamma,
    whiten,
    variance: pairs.values.slice(0, kept),
    left: pairs.values.slice(kept).reduce((sum, v) => sum + Math.max(v, 0), 0),
  };
}

/** The labelled moments of w and a given o. The labelled rows' own regression on o is what C fits to them. */
function labelsOf(r: TrainMomentsRequest, all: Whitened, s: Matrix, weight: number): Labels {
  const { next, actions } = given(r, s);
  const { cross, action } = actions();
  const n = symmetric(multiplyTransposed(multiply(all.whiten, next), all.whiten));
  // Few labels leave directions of w without variance; there the head has nothing to fit.
  for (let i = 0; i < n.rows; i++) n.data[i * (n.rows + 1)] += LATENT_RIDGE;
  return { n, p: multiply(all.whiten, cross), q: Math.max(0, trace(action)), weight };
}

/** The eigenpairs of L + weight r r^T. */
function supervised(variance: Float64Array, weight: number, r: Matrix): Eigen {
  const s = multiplyTransposed(r, r);
  for (let i = 0; i < s.data.length; i++) s.data[i] *= weight;
  for (let i = 0; i < s.rows; i++) s.data[i * (s.rows + 1)] += variance[i];
  return eigen(symmetric(s));
}

/**
 * Where to begin: supervision as if the labelled moments were those of all rows, reconstruction alone, the labels' regression of
 * the action on w in the place of its covariance, and random ones.
 */
function startsOf(r: TrainMomentsRequest, all: Whitened, labels: Labels, latents: number): Float64Array[] {
  const regression = solveSemidefinite(labels.n, labels.p, r.relativeTolerance);
  const closed = [
    supervised(all.variance, labels.weight, labels.p),
    supervised(all.variance, 0, labels.p),
    supervised(all.variance, labels.weight, regression),
  ].map(({ vectors }) => firstRows(vectors, latents).data.slice());
  const random = Array.from({ length: r.starts }, (_, i) =>
    normals(r.seed, closed.length + i, 0, latents * all.variance.length),
  );
  return [...closed, ...random];
}

/** z at unit variance given o, in the order of what its latents explain. */
function canonical(all: Innovations, d: Matrix): Matrix {
  const white = multiply(whitener(eigen(symmetric(multiplyTransposed(d, d))), 0), d);
  const explained = multiplyTransposed(scaleColumns(white, all.variance), white);
  return multiply(eigen(symmetric(explained)).vectors, white);
}

async function trainOne(
  r: TrainMomentsRequest,
  all: Whitened,
  problem: number,
  answer: TrainMomentsAnswer,
  pace: Pace,
): Promise<number> {
  const size = r.width * r.width;
  const labelled = matrix(r.width, r.width, r.labelled.subarray(problem * size, (problem + 1) * size));
  const labels = labelsOf(r, all, labelled, r.weight[problem]);
  if (!Number.isFinite(trace(labels.n)) || !Number.isFinite(labels.q)) return STATUS.nonFinite;
  const m = all.variance.length;
  const latents = Math.min(r.latentDim, m);
  const f = (x: Float64Array) => partlyLabelledLoss(all, labels, matrix(latents, m, x));
  const options = {
    iterations: r.iterations,
    tolerance: FLAT,
    scale: emptyLoss(all, labels),
    rows: latents,
    rest: () => pace.rest(),
  };
  let best: Awaited<ReturnType<typeof lbfgs>> | undefined;
  for (const start of startsOf(r, all, labels, latents)) {
    const found = await lbfgs(f, start, options);
    if (found.status !== STATUS.nonFinite && !(found.value >= (best?.value ?? Infinity))) best = found;
  }
  if (!best) return STATUS.nonFinite;
  const d = canonical(all, matrix(latents, m, best.x));
  const terms = termsOf(all, labels, d);
  if (!terms) return STATUS.notConverged;
  answer.reconstruction[problem] = terms.reconstruction;
  answer.head[problem] = terms.head;
  answer.loss[problem] = terms.reconstruction + labels.weight * terms.head;
  answer.gradient[problem] = best.gradient;
  answer.steps[problem] = best.iterations;
  const next = multiply(d, all.whiten);
  fixSigns(next);
  const at = problem * r.latentDim * r.observationDim;
  answer.encoderD.set(next.data, at);
  answer.encoderC.set(
    multiply(next, transpose(all.gamma)).data.map((v) => -v),
    at,
  );
  return best.status;
}

function settled<T>(work: () => T): T | number {
  try {
    return work();
  } catch (error) {
    if (error instanceof NotConverged) return STATUS.notConverged;
    throw error;
  }
}

export async function trainMoments(r: TrainMomentsRequest, control?: Control): Promise<TrainMomentsAnswer> {
  const answer = trainMomentsArrays(r);
  const pace = new Pace(control, r.sets + r.count);
  const size = r.width * r.width;
  const sets: (Whitened | number)[] = [];
  for (let set = 0; set < r.sets; set++) {
    const moments = matrix(r.width, r.width, r.moments.subarray(set * size, (set + 1) * size));
    sets.push(settled(() => innovationsOf(r, moments)));
    await pace.advance();
  }
  await eachProblem(answer.status, pace, async (problem) => {
    const all = sets[r.set[problem]];
    answer.status[problem] = typeof all === 'number' ? all : await trainOne(r, all, problem, answer, pace);
  });
  return answer;
}

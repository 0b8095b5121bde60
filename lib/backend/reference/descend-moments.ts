import { dot, multiply, multiplyTransposed } from '../../linalg/dense.js';
import { addScaled, matrix, minus, scale, symmetric, trace, transpose } from '../../linalg/matrix.js';
import type { DescentAnswer } from '../descent-requests.js';
import { Pace } from '../pace.js';
import { type Control, type MomentsDescentRequest, momentsDescentArrays, STATUS } from '../requests.js';
import { stateOf, storeState } from './descend-population.js';
import { descend, type SquaredError } from './descent.js';
import { eachProblem } from './each-problem.js';
import { Moments, regress, residualCovariance, withRidge } from './moments.js';
import { addToEncoder } from './objective.js';

const ACTION = [{ terms: [{ variable: 'action', coefficient: null }], projected: false }] as const;

/** The errors as covariances, and the regressions of y and e on f. */
function errorsOf(r: MomentsDescentRequest, problem: number) {
  const { objective, ridge, relativeTolerance: tolerance, head } = r;
  const { y, f, e, penalties } = objective;
  const moments = new Moments(r, problem);
  const sff = moments.covariance(f, f);
  const [yOnF, eOnF] = [y, e].map((stack) => regress(sff, moments.covariance(f, stack), ridge, tolerance));
  const errors: SquaredError[] = [
    {
      total: trace(residualCovariance(moments.covariance(y, y), yOnF, yOnF)),
      x: residualCovariance(moments.covariance(y, e), yOnF, eOnF),
      e: symmetric(residualCovariance(moments.covariance(e, e), eOnF, eOnF)),
    },
  ];
  if (head >= 0) {
    const own = new Moments({ ...r, moments: r.labelled }, problem);
    const factor = moments.coefficients[head];
    errors.push({
      total: factor ** 2 * trace(own.covariance(ACTION, ACTION)),
      x: scale(factor, own.covariance(ACTION, e)),
      e: withRidge(symmetric(own.covariance(e, e)), ridge),
    });
  }
  for (const { of, given, weight } of penalties) {
    const regression = regress(
      moments.covariance(given, given),
      moments.covariance(given, of),
      ridge,
      tolerance,
    );
    const moved = symmetric(residualCovariance(moments.covariance(of, of), regression, regression));
    for (const error of errors) addScaled(error.e, moments.coefficients[weight], moved);
  }
  return { errors, moments, yOnF: yOnF.weights, eOnF: eOnF.weights };
}

async function descendOne(r: MomentsDescentRequest, problem: number, answer: DescentAnswer, pace: Pace) {
  const { objective, method, steps, starts, relativeTolerance: tolerance } = r;
  const { errors, moments, yOnF, eOnF } = errorsOf(r, problem);
  const state = stateOf(
    r,
    problem,
    errors[0].e.rows,
    errors.map(({ x }) => x.rows),
  );
  const rest = () => pace.rest();
  const found = await descend(errors, state, {
    ...{ method, steps, starts, tolerance, rest },
    rate: r.rate[problem],
    seed: r.seed[problem],
  });
  storeState(answer, problem, found);
  if (found.status === STATUS.nonFinite) return;
  const { g, b } = found;
  const left = errors.map(({ total, x, e }, t) => {
    const bg = multiply(b[t], g);
    return Math.max(0, total + dot(bg.data, multiply(bg, e).data) - 2 * dot(bg.data, x.data));
  });
  answer.reconstruction[problem] = left[0];
  answer.supervision[problem] = left[1] ?? 0;
  answer.loss[problem] = left[0] + answer.supervision[problem];
  const { widths, projection, coefficients } = moments;
  const encoder = { c: matrix(g.rows, widths.observation), d: matrix(g.rows, widths.observation) };
  addToEncoder(encoder, 1, g, objective.e, widths, coefficients, projection);
  const isInnovation = objective.gauge === 'innovation';
  const zOnF = multiplyTransposed(g, eOnF);
  if (isInnovation) addToEncoder(encoder, -1, zOnF, objective.f, widths, coefficients, projection);
  const onF = transpose(yOnF);
  const decoder = isInnovation ? onF : minus(onF, multiply(b[0], zOnF));
  answer.encoderC.set(encoder.c.data, problem * encoder.c.data.length);
  answer.encoderD.set(encoder.d.data, problem * encoder.d.data.length);
  answer.decoderF.set(decoder.data, problem * decoder.data.length);
}

/** Gradient training on moments of data, one problem after another. */
export async function descendMoments(r: MomentsDescentRequest, control?: Control): Promise<DescentAnswer> {
  const answer = momentsDescentArrays(r);
  const pace = new Pace(control, r.count);
  await eachProblem(answer.status, pace, (problem) => descendOne(r, problem, answer, pace));
  return answer;
}

import { ExolamError } from '../base/errors.js';
import { STATUS } from './requests.js';

const SENTENCES: Record<number, string> = {
  [STATUS.nonFinite]:
    'the solution is not finite although the input is: the scales of the problem are too far apart for f64; rescale them',
  [STATUS.notConverged]: 'an eigenproblem did not converge; rescale the data or add a ridge',
  [STATUS.emptyProblem]:
    'nothing is left to encode: the next observation follows exactly from the current one',
};

/** Throws the sentence of a status that is not ok. */
export function requireOk(status: number, what: string): void {
  if (status === STATUS.ok) return;
  throw new ExolamError('numerical', `${what}: ${SENTENCES[status] ?? `status ${status}`}`);
}

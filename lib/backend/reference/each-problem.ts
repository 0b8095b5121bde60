import { NotConverged } from '../../linalg/eigen.js';
import type { Pace } from '../pace.js';
import { STATUS } from '../requests.js';

/**
 * The problems of a batch, one after another, so that none can disturb its neighbours: of one that does not converge, its status
 * says so.
 */
export async function eachProblem(
  status: { [problem: number]: number; readonly length: number },
  pace: Pace,
  solve: (problem: number) => void | Promise<void>,
): Promise<void> {
  for (let problem = 0; problem < status.length; problem++) {
    try {
      await solve(problem);
    } catch (error) {
      if (!(error instanceof NotConverged)) throw error;
      status[problem] = STATUS.notConverged;
    }
    await pace.advance();
  }
  pace.finish();
}

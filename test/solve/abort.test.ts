import { expect, it } from 'vitest';

import { type Case, solve } from '../../lib/solve/population.js';
import { native } from '../support/backends.js';

/** Of seconds, all in one lane. */
const WIDE: Case = {
  world: { observationDim: 400, exogenousDim: 300, sensorNoise: 0.1 },
  objective: {
    kind: 'composition',
    parts: [{ kind: 'reconstruction' }, { kind: 'exogenous-robust', weight: 0.3 }],
  },
  latentDim: 2,
};
/** Of seconds too, after the covariances have not settled it. */
const TIED: Case = {
  world: { observationDim: 300, endogenousDim: 130, exogenousDim: 130, actionDim: 130, exogenousScale: 1 },
  objective: { kind: 'cross-exogenous' },
  latentDim: 2,
};

// What a stage works on when it is told to stop depends on the machine: several moments.
it.each([
  ['covariances', WIDE, 30],
  ['covariances', WIDE, 300],
  ['loadings', TIED, 500],
])('one wide problem ends soon after an abort, in its %s', async (_, question, after) => {
  const stop = new AbortController();
  let aborted = process.cpuUsage();
  setTimeout(() => {
    aborted = process.cpuUsage();
    stop.abort();
  }, after);
  await expect(solve(question, { backend: native, signal: stop.signal })).rejects.toMatchObject({
    kind: 'cancelled',
  });
  // Of the processor: others may be at work too.
  const { user, system } = process.cpuUsage(aborted);
  expect((user + system) / 1000).toBeLessThan(250);
});

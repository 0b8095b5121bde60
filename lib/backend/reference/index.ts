/**
 * The backend in plain TypeScript, written from docs/theory.md: what the native core is tested against, the pure-JavaScript side
 * of the benchmarks, and the fallback where the addon cannot load.
 */

import { normals, normalsF32 } from '../../random/philox.js';
import type { Backend } from '../requests.js';
import { solveMoments } from './decoder.js';
import { accumulate, choleskySolve, multiply, symmetricEigen } from './dense.js';
import { descendMoments } from './descend-moments.js';
import { descendPopulation } from './descend-population.js';
import { estimate, rowCovariance } from './estimates.js';
import { featureMoments, nestedErrors } from './judging.js';
import { conditionMoments } from './moments.js';
import { solvePopulation } from './population.js';
import { probe } from './probe.js';
import { sample, sampleF32 } from './sampling.js';
import { applyNetwork, drawRows, trainBatch, trainLoss, trainSteps } from './train/index.js';
import { trainMoments } from './train-moments.js';
import { wishart } from './wishart.js';

export const referenceBackend: Backend = {
  info: () => ({ name: 'reference', isa: 'javascript', isas: ['javascript'], threads: 1 }),
  solvePopulation,
  solveMoments,
  conditionMoments,
  probe,
  estimate,
  featureMoments,
  nestedErrors,
  rowCovariance,
  trainMoments,
  trainSteps,
  trainBatch,
  trainLoss,
  applyNetwork,
  drawRows,
  descendPopulation,
  descendMoments,
  accumulate,
  multiply,
  sample: async (request) => sample(request),
  sampleF32: async (request) => sampleF32(request),
  wishart: async (request) => wishart(request),
  normals,
  normalsF32,
  symmetricEigen,
  choleskySolve,
};

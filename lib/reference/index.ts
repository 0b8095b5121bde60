/**
 * The backend in plain TypeScript, written from docs/theory.md: what the native core is tested against, the pure-JavaScript side
 * of the benchmarks, and the fallback where the addon cannot load.
 */
import type { Backend } from '../backend.js';
import { accumulate, choleskySolve, multiply, symmetricEigen } from './dense.js';
import { solveMoments } from './moments.js';
import { solvePopulation } from './population.js';
import { probe } from './probe.js';
import { normals } from './random.js';
import { sample } from './sampling.js';

export const referenceBackend: Backend = {
  info: () => ({ name: 'reference', isa: 'javascript', isas: ['javascript'], threads: 1 }),
  solvePopulation,
  solveMoments,
  probe,
  accumulate,
  multiply,
  sample: async (request) => sample(request),
  normals,
  symmetricEigen,
  choleskySolve,
};

import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/**
 * Tests that look at the clock, or that end other processes and wait for them: one after another, when all others have ended.
 * `test/tree.test.ts` finds those that measure time and are not here.
 */
export const ALONE = [
  'test/backend/train.test.ts',
  'test/backend/wasm.test.ts',
  'test/bench.test.ts',
  'test/bundlers.test.ts',
  'test/cli/signals.test.ts',
  'test/cli/solve-output.test.ts',
  'test/cli/train.test.ts',
  'test/data/formats/parquet.test.ts',
  'test/data/lerobot/frames.test.ts',
  'test/lam/responsive.test.ts',
  'test/sweep/run.test.ts',
  'test/sweep/slurm.test.ts',
  'test/train/data-run.test.ts',
  'test/train/exact-worlds.test.ts',
  'test/train/train-moments.test.ts',
  'test/workers.test.ts',
];

// By itself vitest leaves one core free: of two, half.
const together = { maxWorkers: availableParallelism(), sequence: { groupOrder: 0 } };
const alone = { maxWorkers: 1, sequence: { groupOrder: 1 } };

export default defineConfig({
  test: {
    // Solving and decoding take all cores by themselves; a loaded machine must not turn that into a failure.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    projects: [
      {
        extends: true,
        test: { name: 'together', include: ['test/**/*.test.ts'], exclude: ALONE, ...together },
      },
      { extends: true, test: { name: 'alone', include: ALONE, ...alone } },
    ],
  },
});

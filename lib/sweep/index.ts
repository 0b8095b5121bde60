/**
 * Many configurations at once, in memory or as Parquet parts.
 * @module exolam/sweep
 */

export { type ErrorKind, ExolamError } from '../base/errors.js';
export { type RunSweepOptions, runSweep, type SweepRun } from './run.js';
export type { Shard } from './shard.js';
export type { SweepSpec } from './spec.js';
export { type SweepBatch, type SweepOptions, sweep } from './sweep.js';

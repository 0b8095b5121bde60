/**
 * Exact answers about latent action models in the presence of exogenous state. Names follow docs/theory.md.
 * @module exolam
 */

export * from './browser.js';
export { type DataOptions, openData, openScan, type ScanDataOptions } from './data/open.js';
export { writeSamples } from './data/write/samples.js';
export {
  type ClaimVerdict,
  type ReproduceData,
  type ReproduceOptions,
  type Reproduction,
  reproduce,
  writeReproduction,
} from './reproduce/index.js';
export { type RunSweepOptions, runSweep, type SweepRun } from './sweep/run.js';
export type { Shard } from './sweep/shard.js';
export type { SweepSpec } from './sweep/spec.js';
export { type SweepBatch, type SweepOptions, sweep } from './sweep/sweep.js';
export type { CheckContext, CheckResult, CheckRow, Claim, Theorem } from './theorems/check.js';
export { theorems } from './theorems/index.js';
export { type Verification, type VerifyOptions, verify } from './theorems/verify.js';

/** exolam: exact answers about latent action models in the presence of exogenous state. Names follow docs/theory.md. */
export { type Analysis, type AnalyzeOptions, analyze, type DataMetrics, type LatentRow } from './analyze.js';
export type { Backend, BackendInfo, Control } from './backend.js';
export {
  type ColumnName,
  type ColumnsOptions,
  type ColumnsSolution,
  type Configurations,
  solveColumns,
  type WorldParameter,
} from './columns.js';
export {
  type Critical,
  type CriticalOptions,
  criticalConsistencyWeight,
  criticalGain,
  criticalWeight,
} from './critical.js';
export { type DataOptions, openData } from './data/open.js';
export type { Transitions } from './data/transitions.js';
export { type DrawMomentsOptions, type DrawnMoments, drawMoments } from './draw-moments.js';
export { type ErrorKind, ExolamError } from './errors.js';
export { type DataCase, type FitLinearLamOptions, fitLinearLam } from './fit-linear-lam.js';
export { type GenerateOptions, type SampleBatch, sampleTransitions, writeSamples } from './generate.js';
export { type Batch, type FitSource, LinearLam, type StateGauge } from './linear-lam.js';
export type { Matrix } from './matrix.js';
export { type ObjectiveSpec, objectiveSchema } from './objectives.js';
export { referenceBackend } from './reference/index.js';
export type { Remedy, RemedyMetrics } from './remedies.js';
export { type ReproduceOptions, type Reproduction, reproduce, writeReproduction } from './reproduce/index.js';
export { defaultBackend } from './select-backend.js';
export {
  type Case,
  type PopulationMetric,
  type Solution,
  type SolveOptions,
  solve,
  solveBatch,
} from './solve.js';
export type { CheckContext, CheckResult, CheckRow, Claim, Theorem } from './theorems/check.js';
export { theorems } from './theorems/index.js';
export { type Verification, type VerifyOptions, verify } from './theorems/verify.js';
export { version } from './version.js';
export { type WorldSpec, worldSchema } from './world.js';

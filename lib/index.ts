/** exolam: exact answers about latent action models in the presence of exogenous state. Names follow docs/theory.md. */

export { referenceBackend } from './backend/reference/index.js';
export type { Backend, BackendInfo, Control } from './backend/requests.js';
export { guardedBackend as defaultBackend } from './backend/select.js';
export { type ErrorKind, ExolamError } from './base/errors.js';
export { version } from './base/version.js';
export { type DataOptions, openData } from './data/open.js';
export type { Transitions } from './data/transitions.js';
export { writeSamples } from './data/write/samples.js';
export { type DataCase, type FitLinearLamOptions, fitLinearLam } from './lam/fit.js';
export { type Batch, LinearLam } from './lam/linear-lam.js';
export type { FitSource, StateGauge } from './lam/parts.js';
export type { Matrix } from './linalg/matrix.js';
export type { DataMetrics } from './metrics/probes.js';
export { type DrawMomentsOptions, type DrawnMoments, drawMoments } from './moments/drawn.js';
export { type ReproduceOptions, type Reproduction, reproduce, writeReproduction } from './reproduce/index.js';
export {
  type ColumnName,
  type ColumnsOptions,
  type ColumnsSolution,
  type Configurations,
  solveColumns,
  type WorldParameter,
} from './solve/columns.js';
export {
  type CriticalOptions,
  criticalConsistencyWeight,
  criticalGain,
  criticalWeight,
} from './solve/critical.js';
export { type ObjectiveSpec, objectiveSchema } from './solve/objectives.js';
export {
  type Case,
  type Failure,
  type MultiCase,
  type PopulationMetric,
  type Solution,
  type SolveOptions,
  solve,
  solveBatch,
} from './solve/population.js';
export type { Critical } from './solve/strength-search.js';
export type { CheckContext, CheckResult, CheckRow, Claim, Theorem } from './theorems/check.js';
export { theorems } from './theorems/index.js';
export { type Verification, type VerifyOptions, verify } from './theorems/verify.js';
export type { Analysis, LatentRow } from './verdict/analysis.js';
export { type AnalyzeOptions, analyze } from './verdict/analyze.js';
export type { Remedy, RemedyMetrics } from './verdict/remedies.js';
export { type GenerateOptions, type SampleBatch, sampleTransitions } from './world/sample.js';
export { type WorldSpec, worldSchema } from './world/world.js';

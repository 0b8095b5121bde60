/**
 * exolam where there is no Node: worlds, objectives and their exact solutions, the analysis of arrays and linear LAMs, on the
 * core as WebAssembly. What reads or writes files is in index.ts alone.
 */

export { referenceBackend } from './backend/reference/index.js';
export type { Backend, BackendInfo, Control } from './backend/requests.js';
export { guardedBackend as defaultBackend } from './backend/select.js';
export { type ErrorKind, ExolamError } from './base/errors.js';
export { version } from './base/version.js';
export { type Counts, type Rows, type TransitionArrays, transitions } from './data/from-arrays.js';
export type { EpisodeCount, Transitions } from './data/transitions.js';
export { type DataCase, type FitLinearLamOptions, fitLinearLam, type MomentsCase } from './lam/fit.js';
export { type Batch, LinearLam } from './lam/linear-lam.js';
export type { FitSource, StateGauge } from './lam/parts.js';
export type { Matrix } from './linalg/matrix.js';
export { type ChosenStrength, chooseStrength, type StrengthOptions } from './metrics/choose-strength.js';
export {
  type DifferenceEstimates,
  type Estimate,
  type EstimateOptions,
  type Estimates,
  type EstimateTable,
  estimate,
} from './metrics/estimates.js';
export {
  type JudgedLatents,
  type JudgeOptions,
  judgeLatents,
  LatentJudge,
  type LatentJudgement,
  NONLINEAR_METRICS,
  type NonlinearMetric,
} from './metrics/judge.js';
export type { JudgedRows } from './metrics/judged-rows.js';
export type { EncoderMatrices } from './metrics/loadings.js';
export {
  type Judge,
  type LinearEncoder,
  type Score,
  type ScoredLam,
  type ScoreOptions,
  score,
} from './metrics/score.js';
export type { ModelMeans, SampleMetrics } from './metrics/second-moments.js';
export { type DrawMomentsOptions, type DrawnMoments, drawMoments } from './moments/drawn.js';
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
export {
  type ActionSupervised,
  type Augmented,
  type Composition,
  type CrossExogenous,
  type ExogenousRobust,
  type ObjectivePart,
  type ObjectiveSpec,
  objectiveSchema,
  type Reconstruction,
  type Representation,
} from './solve/objectives.js';
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
export type { Analysis, LatentRow } from './verdict/analysis.js';
export { type AnalyzeOptions, analyze } from './verdict/analyze.js';
export {
  type LabelCurve,
  type LabelCurveOptions,
  type LabelPoint,
  labelCurve,
  type Spread,
} from './verdict/label-curve.js';
export type { Remedy } from './verdict/remedies.js';
export type { Verdict } from './verdict/sentence.js';
export type { AnyWorldSpec } from './world/any-world.js';
export { type MlpWorldSpec, mlpWorldSchema } from './world/nonlinear.js';
export { type GenerateOptions, type SampleBatch, sampleTransitions } from './world/sample.js';
export { type SpriteWorldSpec, spriteWorldSchema } from './world/sprites.js';
export { type WorldMatrices, type WorldSpec, worldSchema } from './world/world.js';

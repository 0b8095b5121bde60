/**
 * exolam where there is no Node: worlds, objectives and their exact solutions, the analysis of arrays and linear LAMs, on the
 * core as WebAssembly. What reads or writes files is in index.ts alone.
 * @module exolam/browser
 */

import type { Schema } from './base/validate.js';
import { type ObjectiveSpec, objectiveSchema as ofObjectives } from './solve/objectives.js';
import { type MlpWorldSpec, mlpWorldSchema as ofMlpWorlds } from './world/nonlinear.js';
import { spriteWorldSchema as ofSpriteWorlds, type SpriteWorldSpec } from './world/sprites.js';
import { worldSchema as ofWorlds, type WorldSpec } from './world/world.js';

export { referenceBackend } from './backend/reference/index.js';
export type { Backend, BackendInfo, Control } from './backend/requests.js';
export { guardedBackend as defaultBackend } from './backend/select.js';
export { type ErrorKind, ExolamError } from './base/errors.js';
export type { Schema } from './base/validate.js';
export { version } from './base/version.js';
export {
  type Counts,
  type Rows,
  type ScanArrays,
  scanTransitions,
  type TransitionArrays,
  transitions,
} from './data/from-arrays.js';
export type { ScanAxes, TransitionScan } from './data/scan.js';
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
export type {
  ActionSupervised,
  Augmented,
  Composition,
  CrossExogenous,
  ExogenousRobust,
  ObjectivePart,
  ObjectiveSpec,
  Reconstruction,
  Representation,
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
export { analyzeScan } from './verdict/scan.js';
export type { Alignment, ScanAnalysis, ScanMetric, ScanRow } from './verdict/scan-rows.js';
export type { Verdict } from './verdict/sentence.js';
export type { AnyWorldSpec } from './world/any-world.js';
export type { MlpWorldSpec } from './world/nonlinear.js';
export { type GenerateOptions, type SampleBatch, sampleTransitions } from './world/sample.js';
export type { SpriteWorldSpec } from './world/sprites.js';
export type { WorldMatrices, WorldSpec } from './world/world.js';

/** What {@link WorldSpec} says, checked: its parse fills in the defaults. */
export const worldSchema: Schema<WorldSpec> = ofWorlds;
/** What {@link MlpWorldSpec} says, checked. */
export const mlpWorldSchema: Schema<MlpWorldSpec> = ofMlpWorlds;
/** What {@link SpriteWorldSpec} says, checked. */
export const spriteWorldSchema: Schema<SpriteWorldSpec> = ofSpriteWorlds;
/** What {@link ObjectiveSpec} says, checked. */
export const objectiveSchema: Schema<ObjectiveSpec> = ofObjectives;

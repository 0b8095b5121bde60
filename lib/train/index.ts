/**
 * Training of latent action models by gradient steps: docs/train.md.
 * @module exolam/train
 */

export { guardedBackend as defaultBackend } from '../backend/select.js';
export { LinearLam } from '../lam/linear-lam.js';
export { MlpLam, type MlpLamOptions } from '../lam/mlp-lam.js';
export type {
  TrainCodebook,
  TrainConfig,
  TrainData,
  TrainModel,
  TrainOptimizer,
  TrainStopping,
} from './config.js';
export type { Evaluation } from './evaluate.js';
export type { ExactFigures } from './exact-figures.js';
export type { CodebookUse, Estimated } from './judges.js';
export type { Ending } from './run.js';
export {
  type TrainBatchOptions,
  type Trained,
  type TrainOptions,
  type TrainResult,
  train,
  trainBatch,
} from './train.js';

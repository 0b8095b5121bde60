/**
 * What latent actions of data would hold.
 * @module exolam/verdict
 */

export { type ErrorKind, ExolamError } from '../base/errors.js';
export type { Analysis, LatentRow } from './analysis.js';
export { type AnalyzeOptions, analyze } from './analyze.js';
export {
  type LabelCurve,
  type LabelCurveOptions,
  type LabelPoint,
  labelCurve,
  type Spread,
} from './label-curve.js';
export type { Remedy } from './remedies.js';
export { analyzeScan } from './scan.js';
export type { Alignment, ScanAnalysis, ScanMetric, ScanRow } from './scan-rows.js';
export type { Verdict } from './sentence.js';

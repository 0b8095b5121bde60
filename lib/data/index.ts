/**
 * A user's data, from files or arrays, as transitions.
 * @module exolam/data
 */

export { type ErrorKind, ExolamError } from '../base/errors.js';
export {
  type Counts,
  type Rows,
  type ScanArrays,
  scanTransitions,
  type TransitionArrays,
  transitions,
} from './from-arrays.js';
export { type DataOptions, openData, openScan, type ScanDataOptions } from './open.js';
export type { ScanAxes, TransitionScan } from './scan.js';
export type { EpisodeCount, Transitions } from './transitions.js';
export { writeSamples } from './write/samples.js';

/**
 * Worlds, objectives and their exact solutions, and nothing that reads files.
 * @module exolam/solve
 */

export type { Backend, BackendInfo, Control } from '../backend/requests.js';
export { guardedBackend as defaultBackend } from '../backend/select.js';
export { type ErrorKind, ExolamError } from '../base/errors.js';
export type { WorldSpec } from '../world/world.js';
export {
  type ColumnName,
  type ColumnsOptions,
  type ColumnsSolution,
  type Configurations,
  solveColumns,
  type WorldParameter,
} from './columns.js';
export { type CriticalOptions, criticalConsistencyWeight, criticalGain, criticalWeight } from './critical.js';
export type { ObjectiveSpec } from './objectives.js';
export {
  type Case,
  type Failure,
  type MultiCase,
  type PopulationMetric,
  type Solution,
  type SolveOptions,
  solve,
  solveBatch,
} from './population.js';
export type { Critical } from './strength-search.js';

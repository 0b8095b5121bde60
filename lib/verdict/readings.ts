import type { EstimatedMetric } from '../backend/requests.js';
import type { MadeOf } from '../metrics/made-of.js';

/** Metrics in the order of a reader's questions, as tables and pages call them, and what they say. */
export const READINGS: readonly (readonly [metric: EstimatedMetric, name: string, reading: string])[] = [
  ['innovationLeakage', 'innovation leakage', 'share of what is new in the exogenous state that z carries'],
  [
    'futureLeakage',
    'future leakage',
    'share of the next exogenous state, beyond what the present observation tells of it, that z carries',
  ],
  ['latentShare.exogenous', 'z: exogenous', 'share of z that the exogenous state explains'],
  ['latentShare.action', 'z: action', 'share of z that the action explains'],
  ['actionError', 'action error', 'share of the action that z leaves unexplained'],
  ['endogenousError', 'endogenous error', 'share of what is new in the clean observation that z misses'],
  [
    'consistencyError',
    'consistency error',
    'how far z moves when the exogenous state is drawn again, of its own variance',
  ],
];

/** Metrics that depend on the state gauge: in the JSON alone. */
export const NAME_OF: ReadonlyMap<string, string> = new Map(READINGS.map(([metric, name]) => [metric, name]));

/** What z is made of, in the order of a reader's questions. */
export const PARTS: readonly (readonly [part: keyof MadeOf, name: string, reading: string])[] = [
  ['exogenous', 'exogenous', 'share of z that what is new in the exogenous state explains'],
  ['action', 'action', 'share of z that the action explains'],
  ['both', 'both', 'share that either of the two explains, because they go together'],
  ['neither', 'neither', 'share that none of the two explains'],
];

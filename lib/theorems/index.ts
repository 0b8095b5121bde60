import type { Theorem } from './check.js';
import { t1 } from './t1-reconstruction-loss.js';
import { t2 } from './t2-largest-innovations.js';
import { t3 } from './t3-endogenous-representation.js';
import { t4 } from './t4-action-supervision.js';
import { t5 } from './t5-cross-exogenous.js';
import { t6 } from './t6-consistency-penalty.js';
import { t7 } from './t7-deterministic-policy.js';
import { t8 } from './t8-over-capacity.js';
import { t9 } from './t9-noise-augmentation.js';
import { t10 } from './t10-finite-samples.js';
import { t11 } from './t11-learning-order.js';

/** The statements of theory.md section 5, each with its check. */
export const theorems: readonly Theorem[] = [t1, t2, t3, t4, t5, t6, t7, t8, t9, t10, t11];

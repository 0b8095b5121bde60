import type { Theorem } from './check.js';
import { t1 } from './t1.js';
import { t2 } from './t2.js';
import { t3 } from './t3.js';
import { t4 } from './t4.js';
import { t5 } from './t5.js';
import { t6 } from './t6.js';
import { t7 } from './t7.js';
import { t8 } from './t8.js';
import { t9 } from './t9.js';
import { t10 } from './t10.js';
import { t11 } from './t11.js';

/** The statements of theory.md section 5, each with its check. */
export const theorems: readonly Theorem[] = [t1, t2, t3, t4, t5, t6, t7, t8, t9, t10, t11];

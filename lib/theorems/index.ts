export { t1 } from './t1.js';
export { t2 } from './t2.js';
export { t3 } from './t3.js';
export { t4 } from './t4.js';
export { t5 } from './t5.js';
export { t6 } from './t6.js';
export { t7 } from './t7.js';
export { t8 } from './t8.js';

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { ROOT } from './paths.mjs';

/** native/sources.gypi: the lists of C++ files and flags that both builds read. */
export function sources() {
  return JSON.parse(readFileSync(join(ROOT, 'native', 'sources.gypi'), 'utf8')).variables;
}

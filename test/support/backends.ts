import type { Backend } from '../../lib/backend.js';
import { loadAddon } from '../../lib/native.js';
import { nativeBackend } from '../../lib/native-backend.js';
import { referenceBackend } from '../../lib/reference/index.js';

export const native: Backend = nativeBackend(loadAddon());
export const reference: Backend = referenceBackend;
/** Both implementations of the backend: every answer is checked on each. */
export const backends: [name: string, backend: Backend][] = [
  ['native', native],
  ['reference', reference],
];

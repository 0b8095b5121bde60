import { loadAddon } from '../../lib/backend/load-addon.js';
import { nativeBackend } from '../../lib/backend/native.js';
import { referenceBackend } from '../../lib/backend/reference/index.js';
import type { Backend } from '../../lib/backend/requests.js';

export const native: Backend = nativeBackend(loadAddon());
export const reference: Backend = referenceBackend;
/** Both implementations of the backend: every answer is checked on each. */
export const backends: [name: string, backend: Backend][] = [
  ['native', native],
  ['reference', reference],
];

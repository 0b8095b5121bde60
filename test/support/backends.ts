import { loadAddon } from '../../lib/backend/load-addon.js';
import { nativeBackend } from '../../lib/backend/native.js';
import { referenceBackend } from '../../lib/backend/reference/index.js';
import type { Backend } from '../../lib/backend/requests.js';
import { hasWasm, wasmBackend } from '../../lib/backend/wasm/index.js';

export const native: Backend = nativeBackend(loadAddon());
export const reference: Backend = referenceBackend;
/** There after npm run build:wasm of these sources; CI has it (scripts/material.mjs looks). */
export const wasm: Backend | undefined = hasWasm() ? wasmBackend() : undefined;
/** Every implementation of the backend: each answer is checked on each. */
export const backends: [name: string, backend: Backend][] = [
  ['native', native],
  ...(wasm ? [['wasm', wasm] satisfies [string, Backend]] : []),
  ['reference', reference],
];

import { ExolamError } from '../base/errors.js';
import { loadAddon } from './load-addon.js';
import { nativeBackend } from './native.js';
import { referenceBackend } from './reference/index.js';
import type { Backend } from './requests.js';
import { hasWasm, wasmBackend } from './wasm/index.js';

const ACCEPTED = ['native', 'wasm', 'reference'] as const;

/** The backend of Node: the addon; where it cannot load, the same core as WebAssembly; where that is not there, the reference. */
export function chooseBackend(): Backend {
  const forced = process.env['EXOLAM_BACKEND'] ?? '';
  if (forced === 'reference') return referenceBackend;
  if (forced === 'wasm') return wasmBackend();
  if (forced !== '' && forced !== 'native') {
    throw new ExolamError(
      'input',
      `EXOLAM_BACKEND: expected ${ACCEPTED.slice(0, -1).join(', ')} or ${ACCEPTED.at(-1)} but received "${forced}"`,
    );
  }
  try {
    return nativeBackend(loadAddon());
  } catch (error) {
    if ((error as Error).message.startsWith('EXOLAM_ISA')) {
      throw new ExolamError('input', (error as Error).message, { cause: error });
    }
    // Only a binary that is absent or refused is a reason to go on without it.
    if (forced === 'native' || !(error instanceof ExolamError && error.kind === 'unsupported')) throw error;
    const instead = hasWasm() ? 'WebAssembly' : 'plain JavaScript';
    process.stderr.write(`exolam: the native addon did not load, using ${instead}. ${error.message}\n`);
    return hasWasm() ? wasmBackend() : referenceBackend;
  }
}

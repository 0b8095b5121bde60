import { ExolamError } from '../base/errors.js';
import { guarded } from './guarded.js';
import { loadAddon } from './load-addon.js';
import { nativeBackend } from './native.js';
import { referenceBackend } from './reference/index.js';
import type { Backend } from './requests.js';

let chosen: Backend | undefined;

/**
 * The backend that everything uses unless told otherwise: the addon, or, where it cannot load, the plain-TypeScript reference,
 * said aloud once. EXOLAM_BACKEND=native or reference forces one.
 */
export function defaultBackend(): Backend {
  chosen ??= choose();
  return chosen;
}

let guardedChoice: Backend | undefined;

/** The same for callers outside of exolam: it works on copies of their arrays. */
export function guardedBackend(): Backend {
  guardedChoice ??= guarded(defaultBackend());
  return guardedChoice;
}

function choose(): Backend {
  const forced = process.env['EXOLAM_BACKEND'] ?? '';
  if (forced === 'reference') return referenceBackend;
  if (forced !== '' && forced !== 'native') {
    throw new ExolamError('input', `EXOLAM_BACKEND: expected native or reference but received "${forced}"`);
  }
  try {
    return nativeBackend(loadAddon());
  } catch (error) {
    if ((error as Error).message.startsWith('EXOLAM_ISA')) {
      throw new ExolamError('input', (error as Error).message, { cause: error });
    }
    // Only a binary that is absent or refused is a reason to go on without it.
    if (forced === 'native' || !(error instanceof ExolamError && error.kind === 'unsupported')) throw error;
    process.stderr.write(
      `exolam: the native addon did not load, using plain JavaScript. ${(error as Error).message}\n`,
    );
    return referenceBackend;
  }
}

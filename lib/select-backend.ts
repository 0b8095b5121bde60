import type { Backend } from './backend.js';
import { ExolamError } from './errors.js';
import { loadAddon } from './native.js';
import { nativeBackend } from './native-backend.js';
import { referenceBackend } from './reference/index.js';

let chosen: Backend | undefined;

/**
 * The backend that everything uses unless told otherwise: the addon, or, where it cannot load, the plain-TypeScript reference,
 * said aloud once. EXOLAM_BACKEND=native or reference forces one.
 */
export function defaultBackend(): Backend {
  chosen ??= choose();
  return chosen;
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
    if (forced === 'native' || (error as Error).message.includes('EXOLAM_ISA')) {
      throw new ExolamError('unsupported', (error as Error).message, { cause: error });
    }
    process.stderr.write(
      `exolam: the native addon did not load, using plain JavaScript. ${(error as Error).message}\n`,
    );
    return referenceBackend;
  }
}

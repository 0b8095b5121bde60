import { ExolamError } from '../base/errors.js';
import { loadAddon } from './load-addon.js';
import { nativeBackend } from './native.js';
import { referenceBackend } from './reference/index.js';
import type { Backend } from './requests.js';

/** The backend of Node: the addon, or the reference where it cannot load. */
export function chooseBackend(): Backend {
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

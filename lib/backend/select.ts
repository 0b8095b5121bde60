import { chooseBackend } from '#choose-backend';
import type { Backend } from './requests.js';

let chosen: Backend | undefined;

/**
 * The backend that everything uses unless told otherwise: the addon, or, where it cannot load, the plain-TypeScript reference,
 * said aloud once. EXOLAM_BACKEND=native or reference forces one. In a browser: the reference.
 */
export function defaultBackend(): Backend {
  chosen ??= chooseBackend();
  return chosen;
}

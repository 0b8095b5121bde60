import { chooseBackend } from '#choose-backend';
import { guarded } from './guarded.js';
import type { Backend } from './requests.js';

let chosen: Backend | undefined;

/**
 * The backend that everything uses unless told otherwise: the addon; where it cannot load, the same core as WebAssembly, said aloud
 * once; where that cannot run either, the plain-TypeScript reference. EXOLAM_BACKEND=native, wasm or reference forces one. In a
 * browser: WebAssembly.
 */
export function defaultBackend(): Backend {
  chosen ??= chooseBackend();
  return chosen;
}

let guardedChoice: Backend | undefined;

/** The same for callers outside of exolam: it works on copies of their arrays. */
export function guardedBackend(): Backend {
  guardedChoice ??= guarded(defaultBackend());
  return guardedChoice;
}

import { referenceBackend } from './reference/index.js';
import type { Backend } from './requests.js';

/** The backend of a browser, which loads no addon. */
export function chooseBackend(): Backend {
  return referenceBackend;
}

import { referenceBackend } from './reference/index.js';
import type { Backend } from './requests.js';
import { hasWasm, wasmBackend } from './wasm/index.js';

/** The backend of a page: WebAssembly; the reference where the page's policy or its engine has none, said once. */
export function chooseBackend(): Backend {
  try {
    if (hasWasm()) return wasmBackend();
  } catch (error) {
    const { console } = globalThis as unknown as { console?: { warn(text: string): void } };
    console?.warn(`exolam: WebAssembly did not start, using plain JavaScript. ${(error as Error).message}`);
  }
  return referenceBackend;
}

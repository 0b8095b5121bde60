import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../base/package-root.js';

const file = join(packageRoot(), 'build', 'wasm', 'exolam.wasm');

/** The WebAssembly module in base64, where npm run build:wasm has made it; else empty. A bundle holds build/wasm/bytes.mjs instead. */
export const WASM = existsSync(file) ? readFileSync(file, 'base64') : '';

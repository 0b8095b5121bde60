import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { filesBelow, ROOT } from './paths.mjs';
import { commandOf, runLogged } from './run.mjs';
import { fingerprint, readStamp, writeStamp } from './stamp.mjs';

/** Makes sure that dist/ holds what lib/ says. */
export function ensureDist({ force = false } = {}) {
  const made = existsSync(join(ROOT, 'dist', 'index.mjs')) && existsSync(join(ROOT, 'dist', 'cli.mjs'));
  const now = fingerprint([
    ...filesBelow('lib', /\.ts$/),
    'build/wasm/bytes.mjs',
    'package.json',
    'tsconfig.json',
    'tsdown.config.ts',
  ]);
  if (!force && made && readStamp('dist').fingerprint === now) return;
  process.stderr.write('exolam: bundling lib/ into dist/\n');
  runLogged('dist', process.execPath, [commandOf('tsdown'), '--log-level', 'warn']);
  writeStamp('dist', { fingerprint: now });
}

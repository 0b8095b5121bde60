#!/usr/bin/env node
// Builds what is missing or out of date, and nothing else: the addon, the WebAssembly module (where emcc is here) and dist/.
//   node scripts/ensure-built.mjs [--addon | --dist] [--force] [--optional]
// --optional: where the addon cannot be built (no compiler, say), goes on without it, as the library does.
import { pathToFileURL } from 'node:url';

import { ensureAddon } from './build-addon.mjs';
import { ensureDist } from './build-dist.mjs';
import { ensureWasm } from './build-wasm.mjs';
import { locked } from './lock.mjs';

export function ensureBuilt({ addon = true, dist = true, force = false, optional = false } = {}) {
  return locked(() => {
    if (addon) {
      try {
        ensureAddon({ force });
      } catch (error) {
        if (!optional) throw error;
        process.stderr.write(
          'exolam: the addon could not be built (why: build/addon.log); going on without\n',
        );
      }
    }
    ensureWasm({ optional: true });
    if (dist) ensureDist({ force });
  });
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const args = process.argv.slice(2);
  const unknown = args.find((arg) => !['--addon', '--dist', '--force', '--optional'].includes(arg));
  if (unknown !== undefined) {
    process.stderr.write(
      `ensure-built: expected --addon, --dist, --force or --optional but received ${unknown}\n`,
    );
    process.exit(2);
  }
  const all = !args.includes('--addon') && !args.includes('--dist');
  try {
    await ensureBuilt({
      addon: all || args.includes('--addon'),
      dist: all || args.includes('--dist'),
      force: args.includes('--force'),
      optional: args.includes('--optional'),
    });
  } catch (error) {
    process.stderr.write(`exolam: the build failed\n${error.message}\n`);
    process.exit(1);
  }
}

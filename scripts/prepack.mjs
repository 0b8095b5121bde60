// Before npm packs: what the release names must be there, of these very sources.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { addonFingerprint } from './build-addon.mjs';
import { ensureDist } from './build-dist.mjs';
import { wasmIsFresh } from './build-wasm.mjs';
import { locked } from './lock.mjs';
import { ROOT } from './paths.mjs';
import { readStamp } from './stamp.mjs';

/** Platforms whose binaries a release holds; all others run on WebAssembly. */
const RELEASED = ['linux-x64', 'linux-arm64'];

/** A sentence for each thing that is missing. */
function missing() {
  const faults = [];
  for (const name of RELEASED) {
    const folder = join(ROOT, 'prebuilds', name);
    const has = existsSync(folder) && readdirSync(folder).some((file) => file.endsWith('.glibc.node'));
    if (!has) faults.push(`prebuilds/${name} is missing: npm run build:prebuilds`);
    else if (
      !process.env.CI &&
      readStamp(`prebuild-${name.split('-')[1]}`).fingerprint !== addonFingerprint('cmake')
    )
      faults.push(`prebuilds/${name} is of other sources: npm run build:prebuilds`);
  }
  if (!wasmIsFresh())
    faults.push('the WebAssembly module is missing or of other sources: npm run build:wasm');
  return faults;
}

const faults = missing();
if (faults.length > 0) {
  for (const fault of faults) process.stderr.write(`prepack: ${fault}\n`);
  process.exit(1);
}
await locked(() => ensureDist());

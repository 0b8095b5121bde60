import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';

import { addonOf, buildTargets } from './native-tree.mjs';
import { filesBelow, ROOT } from './paths.mjs';
import { commandOf, hasCMake, runLogged } from './run.mjs';
import { fingerprint, readStamp, writeStamp } from './stamp.mjs';

// The product is build/Release/exolam.node, the one .node file there, whichever builder made it: the loader takes the
// first that it finds. cmake-js works in a folder that the native tests share, and its result is copied; node-gyp can only work
// in build/.
const PRODUCT = join(ROOT, 'build', 'Release', 'exolam.node');
const JOBS = String(availableParallelism());

const BUILDERS = {
  cmake: {
    name: 'cmake-js',
    recipe: 'CMakeLists.txt',
    build() {
      buildTargets('release', ['exolam'], 'addon');
      const fresh = `${PRODUCT}.${process.pid}`;
      mkdirSync(dirname(PRODUCT), { recursive: true });
      copyFileSync(join(ROOT, addonOf('release')), fresh);
      renameSync(fresh, PRODUCT); // not over the old file: a process may have it loaded
    },
  },
  gyp: {
    name: 'node-gyp',
    recipe: 'binding.gyp',
    build() {
      rmSync(PRODUCT, { force: true }); // make would take one that cmake-js left for its own
      const args = ['configure', 'build', '--release', '--jobs', JOBS, ...nodeHeaders()];
      runLogged('addon', process.execPath, [commandOf('node-gyp'), ...args]);
    },
  },
};

/** The headers that came with this Node, so that node-gyp need not fetch any. */
function nodeHeaders() {
  const prefix = dirname(dirname(process.execPath));
  return existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? [`--nodedir=${prefix}`] : [];
}

/** Makes sure that an addon of the present sources is there. Says in one line on stderr what it builds and why. */
export function ensureAddon({ force = false } = {}) {
  const wanted = process.env.EXOLAM_BUILDER || undefined;
  if (wanted !== undefined && !Object.hasOwn(BUILDERS, wanted)) {
    throw new Error(`EXOLAM_BUILDER: expected cmake or gyp but received "${wanted}"`);
  }
  const reason = force ? 'asked for' : reasonToBuild(wanted);
  if (reason === undefined) return;
  const builder = wanted ?? (hasCMake() ? 'cmake' : 'gyp');
  const { name, build } = BUILDERS[builder];
  process.stderr.write(`exolam: building the native addon with ${name} (${reason}), about a minute\n`);
  build();
  for (const file of readdirSync(dirname(PRODUCT))) {
    if (file.endsWith('.node') && join(dirname(PRODUCT), file) !== PRODUCT)
      rmSync(join(dirname(PRODUCT), file));
  }
  writeStamp('addon', { builder, fingerprint: addonFingerprint(builder) });
}

function reasonToBuild(wanted) {
  if (!existsSync(PRODUCT)) {
    return wanted === undefined && hasPrebuild() ? undefined : 'none is here yet';
  }
  const stamp = readStamp('addon');
  if (wanted !== undefined && stamp.builder !== wanted) return 'EXOLAM_BUILDER names another builder';
  if (stamp.builder === undefined || stamp.fingerprint !== addonFingerprint(stamp.builder))
    return 'its sources have changed';
  return undefined;
}

function hasPrebuild() {
  try {
    createRequire(import.meta.url)('node-gyp-build').resolve(ROOT);
    return true;
  } catch {
    return false;
  }
}

/** Of what a builder's addon is made from. */
export function addonFingerprint(builder) {
  return fingerprint([...filesBelow('native', /\.(h|cc|gypi)$/), BUILDERS[builder].recipe]);
}

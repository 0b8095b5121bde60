import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

import { ROOT } from './paths.mjs';
import { commandOf, runLogged } from './run.mjs';

// The addon and the native tests of one configuration are made in one folder, from the same objects: kernels and core, which take
// most of a build, are compiled once. The configurations are those of CMakePresets.json; cmake-js adds what the addon needs.

/** Where the files of a preset are made: build/native-PRESET, beside what `cmake --preset` makes without Node. */
export const treeOf = (preset) => join('build', `native-${preset}`);

/** The addon of a preset, from the root, when it has been built. */
export const addonOf = (preset) => join(treeOf(preset), configOf(preset), 'exolam.node');

/** Builds some targets of a preset; what is said goes to build/<log>.log. Warnings are errors in CI. */
export function buildTargets(preset, targets, log) {
  const { CMAKE_BUILD_TYPE: config, ...others } = variablesOf(preset);
  const strict = process.env.CI ? 'ON' : 'OFF';
  const defines = Object.entries({ ...others, EXOLAM_TESTS: 'ON', EXOLAM_STRICT: strict });
  runLogged(log, process.execPath, [
    commandOf('cmake-js'),
    'configure',
    ...['--out', treeOf(preset), '--config', config],
    ...defines.map(([name, value]) => `--CD${name}=${value}`),
  ]);
  const jobs = String(availableParallelism());
  runLogged(log, 'cmake', [
    '--build',
    treeOf(preset),
    '--config',
    config,
    '--parallel',
    jobs,
    '--target',
    ...targets,
  ]);
}

const configOf = (preset) => variablesOf(preset).CMAKE_BUILD_TYPE;

function variablesOf(preset) {
  const { configurePresets } = JSON.parse(readFileSync(join(ROOT, 'CMakePresets.json'), 'utf8'));
  const found = configurePresets.find(({ name }) => name === preset);
  if (!found) throw new Error(`expected a preset of CMakePresets.json but received ${preset}`);
  return found.cacheVariables;
}

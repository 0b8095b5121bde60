import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { ROOT } from './paths.mjs';

/** Runs a program in the root, its output on ours; returns its exit code. */
export function run(program, args, options = {}) {
  const { status, error } = spawnSync(program, args, { cwd: ROOT, stdio: 'inherit', ...options });
  if (error) throw error;
  return status ?? 1;
}

/** Runs a program with its output in build/<name>.log; throws an error with the end of that log if it fails. */
export function runLogged(name, program, args, options = {}) {
  mkdirSync(join(ROOT, 'build'), { recursive: true });
  const log = join(ROOT, 'build', `${name}.log`);
  const descriptor = openSync(log, 'w');
  const status = run(program, args, { ...options, stdio: ['ignore', descriptor, descriptor] });
  closeSync(descriptor);
  if (status !== 0) {
    const end = readFileSync(log, 'utf8').trimEnd().split('\n').slice(-40).join('\n');
    throw new Error(`${end}\n(all of it: build/${name}.log)`);
  }
}

/** The script behind a command of an installed package, to be run by this very Node. */
export function commandOf(name, command = name) {
  const folder = join(ROOT, 'node_modules', name);
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return join(folder, typeof bin === 'string' ? bin : bin[command]);
}

/** Whether a CMake is here that can read our CMakeLists.txt. */
export function hasCMake() {
  const { stdout } = spawnSync('cmake', ['--version'], { encoding: 'utf8' });
  const [, major, minor] = /version (\d+)\.(\d+)/.exec(stdout ?? '') ?? [0, 0, 0];
  return Number(major) > 3 || (Number(major) === 3 && Number(minor) >= 20);
}

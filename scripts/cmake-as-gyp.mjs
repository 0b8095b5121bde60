#!/usr/bin/env node
// What prebuildify calls in place of node-gyp (scripts/prebuild.mjs): cmake-js, which downloads no headers. Called in a folder of
// build/ as: rebuild --target=... --devdir=... --arch=... --release
import { copyFileSync, mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

import { ROOT } from './paths.mjs';
import { commandOf, run } from './run.mjs';

const given = Object.fromEntries(
  process.argv.slice(3).map((arg) => {
    const [key, value = true] = arg.replace(/^--/, '').split('=');
    return [key, value];
  }),
);
const COMPILERS = {
  'linux-arm64': { system: 'Linux', processor: 'aarch64', compiler: 'aarch64-linux-gnu-g++' },
};
const cross = given.arch === process.arch ? undefined : COMPILERS[`${process.platform}-${given.arch}`];
const definitions =
  cross === undefined
    ? []
    : [
        `--CDCMAKE_SYSTEM_NAME=${cross.system}`,
        `--CDCMAKE_SYSTEM_PROCESSOR=${cross.processor}`,
        `--CDCMAKE_CXX_COMPILER=${cross.compiler}`,
      ];
const out = join(process.cwd(), 'cmake');
const args = ['build', '--directory', ROOT, '--out', out, '--arch', given.arch, ...definitions];
const status = run(process.execPath, [
  commandOf('cmake-js'),
  ...args,
  '--parallel',
  String(availableParallelism()),
]);
if (status === 0) {
  // Where prebuildify looks.
  const folder = join(process.cwd(), 'build', 'Release');
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(out, 'Release', 'exolam.node'), join(folder, 'exolam.node'));
}
process.exit(status);

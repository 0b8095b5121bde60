// The binaries of a release, by prebuildify driving cmake-js: prebuilds/PLATFORM-ARCH/exolam.LIBC.node.
//   node scripts/prebuild.mjs [ARCH...]     default: on x64 Linux x64 and arm64 (g++-aarch64-linux-gnu); elsewhere this machine's
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { arch, platform } from 'node:os';
import { join } from 'node:path';
import { addonFingerprint } from './build-addon.mjs';
import { glibcFaults } from './glibc.mjs';
import { locked } from './lock.mjs';
import { ROOT } from './paths.mjs';
import { commandOf, runLogged } from './run.mjs';
import { writeStamp } from './stamp.mjs';

const isLinuxX64 = platform() === 'linux' && arch() === 'x64';
const named = process.argv.slice(2);
const wanted = named.length > 0 ? named : isLinuxX64 ? ['x64', 'arm64'] : [arch()];
const CROSS = { arm64: 'aarch64-linux-gnu-' };

for (const target of wanted) {
  const prefix = target === arch() ? '' : (isLinuxX64 && CROSS[target]) || undefined;
  if (prefix === undefined) {
    process.stderr.write(
      `prebuild: expected ${isLinuxX64 ? 'x64 or arm64' : arch()} but received ${target}\n`,
    );
    process.exit(2);
  }
  if (prefix !== '' && spawnSync(`${prefix}g++`, ['--version']).status !== 0) {
    process.stderr.write(`prebuild: ${prefix}g++ is not here: apt install g++-aarch64-linux-gnu\n`);
    process.exit(1);
  }
  process.stderr.write(`prebuild: ${platform()}-${target}\n`);
  const cwd = join(ROOT, 'build', `prebuild-${target}`);
  mkdirSync(cwd, { recursive: true });
  const folder = join(ROOT, 'prebuilds', `${platform()}-${target}`);
  rmSync(folder, { recursive: true, force: true });
  const options = ['--napi', '--strip', '--tag-libc', '--name', 'exolam', '--arch', target, '--out', ROOT];
  const tools = ['--node-gyp', join(ROOT, 'scripts', 'cmake-as-gyp.mjs'), '--strip-bin', `${prefix}strip`];
  await locked(() =>
    runLogged(`prebuild-${target}`, process.execPath, [commandOf('prebuildify'), ...options, ...tools], {
      cwd,
    }),
  );
  const faults = glibcFaults(folder, `${prefix}objdump`);
  for (const fault of faults) process.stderr.write(`prebuild: ${fault}\n`);
  if (faults.length > 0) process.exit(1);
  writeStamp(`prebuild-${target}`, { fingerprint: addonFingerprint('cmake') });
}

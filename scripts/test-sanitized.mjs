// The addon under AddressSanitizer and UndefinedBehaviorSanitizer, with the tests that make every native call: what the native tests
// cannot see is how JavaScript's arrays reach the core, and what happens to them while it works.
//   node scripts/test-sanitized.mjs
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { locked } from './lock.mjs';
import { addonOf, buildTargets } from './native-tree.mjs';
import { ROOT } from './paths.mjs';
import { commandOf, hasCMake } from './run.mjs';

const TESTS = [
  'test/backend/boundary.test.ts',
  'test/solve/golden.test.ts',
  'test/fuzz-files.test.ts',
  'test/workers.test.ts',
];

/** A folder in which the loader finds the sanitized addon as it finds the usual one in the root. */
const HOME = join(ROOT, 'build', 'address');

if (process.platform !== 'linux' || !hasCMake()) {
  process.stderr.write('test:sanitized: NOT RUN: it takes Linux and CMake 3.20\n');
  process.exit(process.env.CI ? 1 : 0);
}
await locked(() => {
  buildTargets('address', ['exolam'], 'addon-address');
  mkdirSync(join(HOME, 'build', 'Release'), { recursive: true });
  copyFileSync(join(ROOT, addonOf('address')), join(HOME, 'build', 'Release', 'exolam.node'));
  copyFileSync(join(ROOT, 'package.json'), join(HOME, 'package.json'));
});
// Node itself is not sanitized: the library has to be there before it.
const compiler = process.env.CXX || 'c++';
const library = execFileSync(compiler, ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim();
const { status } = spawnSync(process.execPath, [commandOf('vitest'), 'run', '--pool', 'forks', ...TESTS], {
  cwd: ROOT,
  stdio: 'inherit',
  env: {
    ...process.env,
    EXOLAM_PREBUILD: HOME,
    LD_PRELOAD: library,
    // Node keeps what it has until it ends, which is no leak of ours; an array beyond memory is an error of its own.
    ASAN_OPTIONS: 'detect_leaks=0:allocator_may_return_null=1',
    UBSAN_OPTIONS: 'print_stacktrace=1',
  },
});
process.exitCode = status ?? 1;

// The native tests: programs without Node, of a preset of CMakePresets.json. Without CMake: said, and not run.
//   node scripts/test-native.mjs [--sanitize | --preset NAME]
// --sanitize: under AddressSanitizer with UndefinedBehaviorSanitizer, then, those that use threads, under ThreadSanitizer.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { locked } from './lock.mjs';
import { buildTargets, treeOf } from './native-tree.mjs';
import { ROOT } from './paths.mjs';
import { hasCMake } from './run.mjs';
import { sources } from './sources.mjs';

/** Builds and runs every native test program of one preset; returns how many checks passed and failed. */
export async function nativeTests(preset) {
  const tally = { passed: 0, failed: 0 };
  if (!hasCMake()) {
    process.stderr.write('test:native: NOT RUN: the native tests, for want of CMake 3.20 on this machine\n');
    return process.env.CI ? { passed: 0, failed: 1 } : tally;
  }
  process.stderr.write(`test:native: building preset ${preset}\n`);
  const programs = sources()
    .test_sources.filter((source) => preset !== 'thread' || startsThreads(source))
    .map((source) => basename(source, '.cc'));
  await locked(() => buildTargets(preset, programs, `native-${preset}`));
  for (const name of programs) {
    const { stdout, stderr, status, signal } = spawnSync(join(ROOT, treeOf(preset), name), {
      encoding: 'utf8',
      maxBuffer: 1 << 26,
      env: { ...process.env, UBSAN_OPTIONS: 'print_stacktrace=1', TSAN_OPTIONS: 'halt_on_error=1' },
    });
    const [, passed, failed] = /^(\d+) passed, (\d+) failed$/m.exec(stdout ?? '') ?? [];
    // A program that a sanitizer or a signal stopped has said nothing of how many passed.
    const ended = passed !== undefined && (status === 0) === (failed === '0');
    tally.passed += Number(passed ?? 0);
    tally.failed += ended ? Number(failed) : Number(failed ?? 0) + 1;
    const verdict = ended ? `${passed} passed, ${failed} failed` : `ended by ${signal ?? `exit ${status}`}`;
    if (status !== 0) process.stdout.write(`${stdout ?? ''}${stderr ?? ''}`);
    process.stdout.write(`test:native: ${preset}: ${name}: ${verdict}\n`);
  }
  return tally;
}

/** Kernels know no threads: under ThreadSanitizer only the tests that use more than kernels can find anything. */
function startsThreads(source) {
  return /#include ("core\/|<thread>)/.test(readFileSync(join(ROOT, source), 'utf8'));
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const args = process.argv.slice(2);
  const named = args.includes('--preset') ? args[args.indexOf('--preset') + 1] : 'release';
  const total = { passed: 0, failed: 0 };
  try {
    for (const preset of args.includes('--sanitize') ? ['address', 'thread'] : [named]) {
      const { passed, failed } = await nativeTests(preset);
      total.passed += passed;
      total.failed += failed;
    }
  } catch (error) {
    process.stderr.write(`test:native: the build failed\n${error.message}\n`);
    process.exit(1);
  }
  process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`);
  process.exitCode = total.failed > 0 ? 1 : 0;
}

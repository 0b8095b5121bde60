// The native tests: programs without Node, of a preset of CMakePresets.json. Without CMake: said, and not run.
//   node scripts/test-native.mjs [--sanitize | --preset NAME]
// --sanitize: under AddressSanitizer with UndefinedBehaviorSanitizer, then, those that use threads, under ThreadSanitizer.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { locked } from './lock.mjs';
import { buildTargets, treeOf } from './native-tree.mjs';
import { ROOT } from './paths.mjs';
import { hasCMake } from './run.mjs';
import { sources } from './sources.mjs';

/** Builds the native test programs of each preset, and runs them, as many at once as there are cores; how many checks passed and failed. */
export async function nativeTests(...presets) {
  const tally = { passed: 0, failed: 0 };
  if (!hasCMake()) {
    process.stderr.write('test:native: NOT RUN: the native tests, for want of CMake 3.20 on this machine\n');
    return process.env.CI ? { passed: 0, failed: 1 } : tally;
  }
  const waiting = [];
  for (const preset of presets) {
    process.stderr.write(`test:native: building preset ${preset}\n`);
    const programs = sources()
      .test_sources.filter((source) => preset !== 'thread' || startsThreads(source))
      .map((source) => basename(source, '.cc'));
    await locked(() => buildTargets(preset, programs, `native-${preset}`));
    waiting.push(...programs.map((name) => ({ preset, name })));
  }
  const worker = async () => {
    // From the end: those under ThreadSanitizer take longest.
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const { passed, failed } = await nativeTest(next);
      tally.passed += passed;
      tally.failed += failed;
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return tally;
}

/** Runs one program; says what its last line says, and all else that it has said where it failed. */
function nativeTest({ preset, name }) {
  const child = spawn(join(ROOT, treeOf(preset), name), {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, UBSAN_OPTIONS: 'print_stacktrace=1', TSAN_OPTIONS: 'halt_on_error=1' },
  });
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'])
    child[stream].setEncoding('utf8').on('data', (text) => {
      said[stream] += text;
    });
  return new Promise((resolve, reject) => {
    child.once('error', reject).once('close', (status, signal) => {
      const [, passed, failed] = /^(\d+) passed, (\d+) failed$/m.exec(said.stdout) ?? [];
      // A program that a sanitizer or a signal stopped has said nothing of how many passed.
      const ended = passed !== undefined && (status === 0) === (failed === '0');
      const verdict = ended ? `${passed} passed, ${failed} failed` : `ended by ${signal ?? `exit ${status}`}`;
      if (status !== 0) process.stdout.write(`${said.stdout}${said.stderr}`);
      process.stdout.write(`test:native: ${preset}: ${name}: ${verdict}\n`);
      resolve({ passed: Number(passed ?? 0), failed: ended ? Number(failed) : Number(failed ?? 0) + 1 });
    });
  });
}

/**
 * Kernels know no threads: under ThreadSanitizer only the tests that use more than kernels can find anything. The conventions are
 * constants.
 */
function startsThreads(source) {
  const text = readFileSync(join(ROOT, source), 'utf8');
  return /#include ("core\/(?!conventions\.h)|<thread>)/.test(text);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const args = process.argv.slice(2);
  const named = args.includes('--preset') ? args[args.indexOf('--preset') + 1] : 'release';
  try {
    const { passed, failed } = await nativeTests(
      ...(args.includes('--sanitize') ? ['address', 'thread'] : [named]),
    );
    process.stdout.write(`${passed} passed, ${failed} failed\n`);
    process.exitCode = failed > 0 ? 1 : 0;
  } catch (error) {
    process.stderr.write(`test:native: the build failed\n${error.message}\n`);
    process.exit(1);
  }
}

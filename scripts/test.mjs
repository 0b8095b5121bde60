// npm test: builds what is missing, then lint and types, the test suite, and the native tests. Goes on after a failure,
// so that one run shows them all. Last line: N passed, N failed. Arguments go to vitest, and then only the suite runs.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { ensureBuilt } from './ensure-built.mjs';
import { unusedMaterial } from './material.mjs';
import { ROOT } from './paths.mjs';
import { commandOf, run } from './run.mjs';
import { nativeTests } from './test-native.mjs';

const RESULT = 'build/vitest.json';
const args = process.argv.slice(2);
const total = { passed: 0, failed: 0 };
const add = ({ passed, failed }) => {
  total.passed += passed;
  total.failed += failed;
};
const node = (file, ...rest) => run(process.execPath, [file, ...rest]);
const asCheck = (holds) => (holds ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 });

function suite() {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${RESULT}`];
  const status = node(commandOf('vitest'), 'run', ...reporters, ...args);
  if (!existsSync(join(ROOT, RESULT))) return { passed: 0, failed: 1 };
  const result = JSON.parse(readFileSync(join(ROOT, RESULT), 'utf8'));
  const passed = result.numPassedTests;
  // A file that does not load fails without a failed test.
  const failed = Math.max(result.numFailedTests, status === 0 ? 0 : 1);
  if (args.length > 0) return { passed, failed };
  const missing = process.env.CI ? unusedMaterial(result) : [];
  for (const line of missing) process.stderr.write(`test: ${line}\n`);
  return { passed, failed: failed + missing.length };
}

try {
  await ensureBuilt();
  if (args.length === 0) add(asCheck(node('scripts/lint.mjs') === 0));
  add(suite());
  if (args.length === 0) add(await nativeTests('release'));
} catch (error) {
  process.stderr.write(`test: the build failed\n${error.message}\n`);
  add(asCheck(false));
}
process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`);
process.exitCode = total.failed > 0 ? 1 : 0;

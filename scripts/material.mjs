import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { ROOT } from './paths.mjs';

/** What a test's name may give as reason to be skipped here: something of the machine, such as an instruction set. */
const OTHER_REASON = /\(skipped without (?!\.\.\/shared|ffmpeg)[^)]+\)/;

/**
 * Where the material beside the checkout (../shared) is there, the tests that need it must have run: one that quietly
 * skipped them would look the same. Takes vitest's JSON result; returns a sentence for each fault.
 */
export function unusedMaterial(result) {
  const folder = join(ROOT, '..', 'shared', 'fixtures', 'solve');
  if (!existsSync(folder)) {
    process.stderr.write('test: ../shared is not here; the tests that need it were not run\n');
    return [];
  }
  const faults = [];
  const passed = new Set();
  for (const { assertionResults } of result.testResults) {
    for (const { ancestorTitles, title, status } of assertionResults) {
      const name = [...ancestorTitles, title].join(' > ');
      if (status === 'passed') passed.add(name);
      else if (status !== 'failed' && !OTHER_REASON.test(name)) faults.push(`was not run: ${name}`);
    }
  }
  for (const backend of ['native', 'wasm', 'reference']) {
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
      if (!passed.has(`golden: shared cases on ${backend} > ${file}`))
        faults.push(`no passed test for ${file} on ${backend}`);
    }
  }
  return faults;
}

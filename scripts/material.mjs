import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { ROOT } from './paths.mjs';

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
  for (const { name: file, assertionResults } of result.testResults) {
    const needsMaterial = /support\/shared\.js'/.test(readFileSync(file, 'utf8'));
    for (const { ancestorTitles, title, status } of assertionResults) {
      if (status === 'passed') passed.add(`${ancestorTitles.join(' > ')} > ${title}`);
      else if (needsMaterial && status !== 'failed')
        faults.push(`was not run although ../shared is here: ${title}`);
    }
  }
  for (const backend of ['native', 'reference']) {
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
      if (!passed.has(`golden: shared cases on ${backend} > ${file}`))
        faults.push(`no passed test for ${file} on ${backend}`);
    }
  }
  return faults;
}

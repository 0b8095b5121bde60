// One command for both languages: biome and tsc for TypeScript, clang-format for C++.
//   node scripts/lint.mjs [--fix]
import { createRequire } from 'node:module';

import { ensureBuilt } from './ensure-built.mjs';
import { filesBelow } from './paths.mjs';
import { commandOf, run } from './run.mjs';

const fix = process.argv.includes('--fix');
const node = process.execPath;
const sources = [...filesBelow('native', /\.(h|cc)$/), ...filesBelow('test/native', /\.(h|cc)$/)];

/** Where clang-format is, or undefined on a platform that the npm package has no binary for. */
function clangFormat() {
  const { getClangFormatPath } = createRequire(import.meta.url)('clang-format-node');
  try {
    return getClangFormatPath(process.platform, process.arch);
  } catch {
    return undefined;
  }
}

const failed = [];
const check = (name, status) => {
  if (status !== 0) failed.push(name);
};

check('biome', run(node, [commandOf('@biomejs/biome', 'biome'), 'check', ...(fix ? ['--write'] : [])]));
if (!fix) {
  // The examples import the package by its name: their types are those in dist/.
  await ensureBuilt({ addon: false }).catch((error) => {
    process.stderr.write(`lint: the bundle failed\n${error.message}\n`);
    failed.push('bundle');
  });
  check('tsc', run(node, [commandOf('typescript', 'tsc')]));
}

const formatter = clangFormat();
if (formatter !== undefined) {
  check('clang-format', run(formatter, [...(fix ? ['-i'] : ['--dry-run', '-Werror']), ...sources]));
} else if (process.env.CI) {
  process.stderr.write('lint: no clang-format for this platform, and CI must check the C++ sources\n');
  failed.push('clang-format');
} else {
  process.stderr.write('lint: NOT CHECKED: the C++ sources, for want of a clang-format for this platform\n');
}

if (failed.length > 0) {
  process.stderr.write(`lint: failed: ${failed.join(', ')}${fix ? '' : ' (npm run format mends layout)'}\n`);
  process.exit(1);
}
process.stdout.write(`lint: ${sources.length} C++ files and all of TypeScript are in order\n`);

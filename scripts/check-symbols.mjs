// A weak symbol in a kernel object could be linked in place of its namesake elsewhere: code for AVX-512 on every CPU.
// So the kernels' objects of the release preset must have none, and those of an instruction set export their tables alone.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { glibcFaults } from './glibc.mjs';
import { treeOf } from './native-tree.mjs';
import { filesBelow, ROOT } from './paths.mjs';

const tree = treeOf('release');
if (!existsSync(join(ROOT, tree))) {
  process.stderr.write(`check:symbols: there is no ${tree}; run npm run build:native with CMake first\n`);
  process.exit(1);
}
const objects = filesBelow(`${tree}/CMakeFiles/exolam_kernels.dir`, /\.o$/);
const faults = [];
for (const object of objects) {
  const { status, stdout, stderr } = spawnSync('nm', ['-C', object], { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0) throw new Error(`nm ${object}: ${stderr}`);
  for (const line of stdout.split('\n')) {
    const [, kind, name] = /^[0-9a-f ]{16} (\S) (.*)$/.exec(line) ?? [];
    if (kind === undefined) continue;
    const weak = 'WVuw'.includes(kind);
    const exported =
      object.includes('/isa/') && 'TDBRG'.includes(kind) && !/^exo::\w+_kernels\(\)$/.test(name);
    if (weak || exported) faults.push(`${object}: ${kind} ${name}`);
  }
}
if (objects.length === 0) faults.push('no kernel objects were found');
// What a prebuilt binary must not need is seen here, and not when a release is made.
if (process.platform === 'linux') faults.push(...glibcFaults(join(ROOT, 'build', 'Release')));
if (faults.length > 0) {
  process.stderr.write(`check:symbols: symbols that must not be there\n${faults.join('\n')}\n`);
  process.exit(1);
}
process.stdout.write(
  `check:symbols: ${objects.length} kernel objects, no weak symbol, nothing exported but the tables; the addon loads with glibc 2.28\n`,
);

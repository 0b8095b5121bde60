// The types of the package as npm would publish it, compiled in a project of their own by each version of TypeScript that they are for.
// The compilers are installed beside, in build/types: a hundred megabytes that nothing else needs.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { ensureBuilt } from './ensure-built.mjs';
import { pack } from './pack.mjs';
import { ROOT } from './paths.mjs';
import { run, runLogged } from './run.mjs';

/** The oldest that the types are for, and the newest of the two lines after it. */
const VERSIONS = ['5.4', '6.0', '7'];
const folder = join(ROOT, 'build', 'types');
const modules = join(folder, 'node_modules');
/** Every part of the package: one `import` each, so that no part's types are left unread. */
const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const parts = Object.keys(exports).filter((name) => name !== './package.json');

/** Every part that this kind of module can import, used once rightly and once wrongly. */
function program(format) {
  const usable = parts.filter((part) => format === 'import' || exports[part].require);
  const imports = usable.map((part, i) => `import * as part${i} from '${part.replace('.', 'exolam')}';`);
  return `${imports.join('\n')}
import { type Solution, solve } from 'exolam/solve';
import { type WorldSpec, worldSchema } from 'exolam';
export const answer: Promise<Solution> = solve({ world: {}, objective: { kind: 'reconstruction' }, latentDim: 3 });
export const world: WorldSpec = worldSchema.parse({});
// @ts-expect-error a latent dimension is a number
export const wrong = solve({ world: {}, objective: { kind: 'reconstruction' }, latentDim: 'three' });
// @ts-expect-error an objective's kind is one of a few
export const unknown = solve({ world: {}, objective: { kind: 'reconstructoin' }, latentDim: 3 });
export const all: object[] = [${usable.map((_, i) => `part${i}`).join(', ')}];
`;
}

/** What is right in one project: a Node program of both kinds of modules, or a page that a bundler makes. */
const shared = { strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false, noEmit: true };
const PROJECTS = {
  node: {
    compilerOptions: { ...shared, module: 'nodenext', target: 'es2022', lib: ['es2022'], types: ['node'] },
    files: ['program.mts', 'program.cts'],
  },
  page: {
    compilerOptions: {
      ...shared,
      module: 'esnext',
      moduleResolution: 'bundler',
      target: 'es2022',
      lib: ['es2022', 'dom'],
      types: [],
    },
    files: ['program.mts'],
  },
};

await ensureBuilt({ addon: false });
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
const wanted = VERSIONS.map((version) => `typescript-${version}@npm:typescript@${version}`);
const quiet = ['--no-package-lock', '--no-fund', '--no-audit'];
runLogged('check-types', 'npm', ['install', '--prefix', folder, ...quiet, ...wanted, '@types/node@20']);
execFileSync('tar', ['-xzf', pack(folder)], { cwd: folder });
rmSync(join(modules, 'exolam'), { recursive: true, force: true });
renameSync(join(folder, 'package'), join(modules, 'exolam'));
writeFileSync(join(folder, 'program.mts'), program('import'));
writeFileSync(join(folder, 'program.cts'), program('require'));
for (const [name, project] of Object.entries(PROJECTS)) {
  writeFileSync(join(folder, `tsconfig.${name}.json`), JSON.stringify(project));
  for (const version of VERSIONS) {
    const tsc = join(modules, `typescript-${version}`, 'bin', 'tsc');
    const failed = run(process.execPath, [tsc, '-p', `tsconfig.${name}.json`], { cwd: folder }) !== 0;
    process.stdout.write(`TypeScript ${version}, a ${name} project: ${failed ? 'FAILED' : 'no errors'}\n`);
    if (failed) process.exitCode = 1;
  }
}

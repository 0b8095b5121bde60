import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasWasm } from '../lib/backend/wasm/index.js';
import { packageRoot } from '../lib/base/package-root.js';
import { pack } from '../scripts/pack.mjs';

// The package as npm would publish it, unpacked into a project of its own and used by three kinds of consumer. Nothing is
// downloaded: its dependencies are those of this checkout.
const root = packageRoot();
let project: string;
let installed: string;

interface Manifest {
  scripts?: Record<string, string>;
  dependencies: Record<string, string>;
  peerDependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
  bin: { exolam: string };
  gypfile: boolean;
}

function files(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}

/** Runs node in the consumer's project. */
function node(args: string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: project,
    encoding: 'utf8',
    env: { ...process.env, EXOLAM_BACKEND: '', ...env },
  });
  return { status, stdout, stderr };
}

const CASE = `{ world: {}, objective: { kind: 'reconstruction' }, latentDim: 3 }`;
const PRINT = `console.log(JSON.stringify({ loss, spectrum: Array.from(spectrum), backend: defaultBackend().info().name }));`;

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 'exolam-consumer-'));
  execFileSync('node', ['scripts/ensure-built.mjs'], { cwd: root, stdio: 'pipe' });
  execFileSync('tar', ['-xzf', pack(project)], { cwd: project });
  installed = join(project, 'node_modules', 'exolam');
  mkdirSync(join(project, 'node_modules'));
  execFileSync('mv', [join(project, 'package'), installed]);
  // Those of this checkout, where a release was built in it, would answer in place of what is tested.
  rmSync(join(installed, 'prebuilds'), { recursive: true, force: true });
  const { dependencies } = manifest();
  for (const name of [...Object.keys(dependencies), '@types/node', 'undici-types']) {
    const link = join(project, 'node_modules', name);
    mkdirSync(join(link, '..'), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), link);
  }
  writeFileSync(join(project, 'package.json'), '{ "private": true }\n');
});
afterAll(() => rmSync(project, { recursive: true, force: true }));

const manifest = () => JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as Manifest;

/** Puts this machine's build where a prebuilt binary would be. */
function addPrebuild(): void {
  const folder = join(installed, 'prebuilds', `${process.platform}-${process.arch}`);
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(root, 'build', 'Release', 'exolam.node'), join(folder, 'exolam.node'));
}

describe('the tarball', () => {
  it('runs nothing when it is installed', () => {
    const { scripts = {}, gypfile } = manifest();
    for (const name of ['preinstall', 'install', 'postinstall', 'preprepare', 'prepare', 'postprepare']) {
      expect(scripts).not.toHaveProperty(name);
    }
    expect(gypfile).toBe(false);
    expect(files(installed).filter((file) => /(^|\/)(binding\.gyp|.*\.gyp)$/.test(file))).toEqual([]);
  });

  it('holds the library, the command, the sources to build from, and no more', () => {
    const top = new Set(files(installed).map((file) => file.split('/')[0]));
    const known = [
      'dist',
      'native',
      'prebuilds',
      'docs',
      'CMakeLists.txt',
      'package.json',
      'README.md',
      'CHANGELOG.md',
      'CONTRIBUTING.md',
      'LICENSE',
    ];
    for (const name of top) expect(known).toContain(name);
    for (const file of [
      'dist/index.mjs',
      'dist/index.cjs',
      'dist/index.d.mts',
      'dist/index.d.cts',
      'dist/browser.mjs',
      'dist/browser.d.mts',
      'LICENSE',
    ]) {
      expect(files(installed)).toContain(file);
    }
    expect(readFileSync(join(installed, manifest().bin.exolam), 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
  });

  it('holds what its pages link to', () => {
    const pages = files(installed).filter((file) => /^(docs\/.*|README|CONTRIBUTING)\.md$/.test(file));
    expect(pages.length).toBeGreaterThan(12);
    let links = 0;
    for (const page of pages)
      for (const [, target = ''] of readFileSync(join(installed, page), 'utf8').matchAll(
        /\]\(([^)#]+)(?:#[^)]*)?\)/g,
      )) {
        if (/^[a-z]+:/.test(target)) continue;
        links++;
        expect(existsSync(join(installed, page, '..', target)), `${page}: ${target}`).toBe(true);
      }
    expect(links).toBeGreaterThan(20);
  });

  it('names every package that it imports as a dependency', () => {
    const { dependencies, optionalDependencies, peerDependencies } = manifest();
    const known = Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies });
    for (const file of files(join(installed, 'dist')).filter((name) => /\.[mc]js$/.test(name))) {
      const text = readFileSync(join(installed, 'dist', file), 'utf8');
      for (const [, name] of text.matchAll(/(?:from|import\(|require\()\s*["']([^."'\s][^"'\s]*)["']/g)) {
        if (name === undefined || isBuiltin(name)) continue;
        const packageName = name
          .split('/')
          .slice(0, name.startsWith('@') ? 2 : 1)
          .join('/');
        expect(known, `${file} imports ${name}`).toContain(packageName);
      }
    }
  });
});

describe('a consumer', () => {
  const esm = () =>
    node([
      '--input-type=module',
      '-e',
      `import { solve, defaultBackend } from 'exolam';
      const { loss, spectrum } = await solve(${CASE}); ${PRINT}`,
    ]);
  const cjs = () =>
    node([
      '-e',
      `const { solve, defaultBackend } = require('exolam');
      solve(${CASE}).then(({ loss, spectrum }) => { ${PRINT} });`,
    ]);
  const answer = (output: string) =>
    JSON.parse(output) as { loss: number; spectrum: number[]; backend: string };

  it('without a binary gets the same answers from WebAssembly, announced once', () => {
    const { status, stdout, stderr } = esm();
    expect(status, stderr).toBe(0);
    expect(answer(stdout).backend).toBe(hasWasm() ? 'wasm' : 'reference');
    expect(stderr.match(/native addon did not load/g)).toHaveLength(1);
    addPrebuild();
    const native = answer(esm().stdout);
    expect(native.backend).toBe('native');
    expect(Math.abs(native.loss - answer(stdout).loss)).toBeLessThan(1e-9 * native.loss);
  });

  it('of ES modules and one of CommonJS get the addon and the same bits', () => {
    addPrebuild();
    const [a, b] = [esm(), cjs()];
    expect(a.stderr + b.stderr).toBe('');
    expect(answer(a.stdout)).toEqual(answer(b.stdout));
    expect(answer(a.stdout).backend).toBe('native');
    expect(answer(a.stdout).spectrum).toHaveLength(3);
  });

  it('of the command line gets it from bin', () => {
    addPrebuild();
    const { status, stdout, stderr } = node([join(installed, manifest().bin.exolam), 'info', '--json']);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toHaveProperty('version');
  });

  it('of TypeScript compiles against the types, as an ES module and as CommonJS', () => {
    const program = `import { type Solution, ExolamError, solve } from 'exolam';
export async function run(): Promise<Solution> {
  try {
    return await solve(${CASE});
  } catch (error) {
    if (error instanceof ExolamError) console.error(error.kind);
    throw error;
  }
}
// @ts-expect-error a case has a world, an objective and a latent dimension
export const wrong = () => solve({ latentDim: 'three' });
`;
    const consumers = ['consumer.mts', 'consumer.cts'];
    for (const name of consumers) writeFileSync(join(project, name), program);
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    const options = [
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2022',
      '--lib',
      'es2022',
      '--types',
      'node',
    ];
    const { status, stdout } = node([tsc, ...options, ...consumers]);
    expect(stdout).toBe('');
    expect(status).toBe(0);
  }, 180_000);
});

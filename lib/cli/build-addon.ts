import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ExolamError } from '../base/errors.js';
import { packageRoot } from '../base/package-root.js';
import type { Shell } from './run.js';

/** Headers that the addon is compiled against: packages without a binary. */
const HEADERS = { 'node-addon-api': '^8.9', 'node-api-headers': '^1.5' } as const;
type HeaderPackage = keyof typeof HEADERS;

/** `exolam build-addon`: the native addon from the sources in the package, for this machine, in the package's own folder. */
export function buildAddonCommand(shell: Shell): void {
  if (process.platform === 'win32')
    throw new ExolamError('unsupported', 'on Windows exolam runs on WebAssembly: there is no addon to build');
  requireTools();
  const root = packageRoot();
  const work = mkdtempSync(join(tmpdir(), 'exolam-build-'));
  try {
    const headers = (Object.keys(HEADERS) as HeaderPackage[]).map((name) => found(name, root));
    const fetched = headers.includes(undefined) ? fetchHeaders(work, shell) : [];
    const include = headers.map((folder, i) => folder ?? (fetched[i] as string));
    shell.note('exolam: building the native addon, a minute or two');
    compile(root, work, [
      include[0] as string, // napi.h
      join(include[1] as string, 'include'),
    ]);
    const product = join(root, 'build', 'Release', 'exolam.node');
    mkdirSync(dirname(product), { recursive: true });
    // Not over the old file: a process may have it loaded.
    const fresh = `${product}.${process.pid}`;
    copyFileSync(join(work, 'cmake', 'exolam.node'), fresh);
    renameSync(fresh, product);
    shell.out(`${product}\n`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Throws one sentence that names the first tool that is not there. */
function requireTools(): void {
  const { stdout } = spawnSync('cmake', ['--version'], { encoding: 'utf8' });
  const [, major = 0, minor = 0] = (/version (\d+)\.(\d+)/.exec(stdout ?? '') ?? []).map(Number);
  if (major < 3 || (major === 3 && minor < 20))
    throw missing('CMake 3.20 or newer', 'apt install cmake, or brew install cmake');
  const compilers = [process.env['CXX'] ?? 'c++', 'g++', 'clang++'];
  if (!compilers.some((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0))
    throw missing('a C++17 compiler', 'apt install g++, or xcode-select --install');
  if (!['make', 'ninja'].some((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0))
    throw missing('make', 'apt install make, or xcode-select --install');
}

function missing(tool: string, remedy: string): ExolamError {
  return new ExolamError(
    'unsupported',
    `build-addon: expected ${tool} on this machine but found none: ${remedy}`,
  );
}

/** Where a package of headers is, seen from exolam or from the project that the command runs in. */
function found(name: HeaderPackage, root: string): string | undefined {
  for (const from of [root, process.cwd()]) {
    try {
      return dirname(createRequire(join(from, 'package.json')).resolve(`${name}/package.json`));
    } catch {
      // perhaps seen from the other
    }
  }
  return undefined;
}

/** The headers by npm, in a folder that is thrown away. */
function fetchHeaders(work: string, shell: Shell): string[] {
  const names = Object.keys(HEADERS) as HeaderPackage[];
  shell.note(`exolam: fetching headers (${names.join(', ')})`);
  try {
    const packages = names.map((name) => `${name}@${HEADERS[name]}`);
    const options = ['--prefix', work, '--no-save', '--ignore-scripts', '--no-audit', '--no-fund'];
    execFileSync('npm', ['install', ...options, ...packages], { stdio: 'pipe', cwd: work });
  } catch (cause) {
    throw new ExolamError(
      'unsupported',
      `build-addon: the headers could not be fetched; add them to the project: npm install -D ${names.join(' ')}`,
      { cause },
    );
  }
  return names.map((name) => join(work, 'node_modules', name));
}

function compile(root: string, work: string, include: readonly string[]): void {
  const definitions = [
    '-DCMAKE_BUILD_TYPE=Release',
    '-DCMAKE_JS_VERSION=exolam',
    `-DCMAKE_JS_INC=${include.join(';')}`,
    // What Node exports is found when it loads the addon.
    ...(process.platform === 'darwin' ? ['-DCMAKE_MODULE_LINKER_FLAGS=-undefined dynamic_lookup'] : []),
  ];
  const folder = join(work, 'cmake');
  const steps = [
    ['-S', root, '-B', folder, ...definitions],
    ['--build', folder, '--parallel', String(availableParallelism())],
  ];
  for (const args of steps) {
    const { status, stdout, stderr } = spawnSync('cmake', args, { encoding: 'utf8', maxBuffer: 1 << 26 });
    if (status === 0) continue;
    const error =
      /[^\n]*error[^\n]*/i.exec(`${stderr}\n${stdout}`)?.[0]?.trim() ?? `cmake ended with ${status}`;
    throw new ExolamError('unsupported', `build-addon: the compiler failed: ${error}`);
  }
  if (!existsSync(join(folder, 'exolam.node')))
    throw new ExolamError('internal', 'build-addon: cmake made no addon');
}

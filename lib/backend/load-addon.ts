import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

import { ExolamError } from '../base/errors.js';
import { packageRoot } from '../base/package-root.js';
import type { Addon } from './native.js';

/**
 * The addon: a local build if there is one, else the prebuilt binary for this platform. Throws an ExolamError of kind
 * `unsupported` where there is neither or where it cannot be loaded; any other fault passes through.
 */
export function loadAddon(root: string | undefined = ownFolder()): Addon {
  if (root === undefined)
    throw new ExolamError(
      'unsupported',
      `This is a bundle, apart from the files of exolam, which hold the binary: ${machine()}. Leave exolam out of the bundle (external) to have it`,
    );
  try {
    // Required here, not imported: a bundler would have to resolve the binary's name, which is only known at run time.
    const load = createRequire(import.meta.url)('node-gyp-build') as (root: string) => Addon;
    return load(root);
  } catch (error) {
    const cause = explain(error);
    if (cause === undefined) throw error;
    throw new ExolamError('unsupported', `${cause} ${machine()}, ${shipped(root)}. ${advice(root)}`, {
      cause: error,
    });
  }
}

/** The folder of exolam; in somebody's bundle that of the exolam installed there, where one is. */
function ownFolder(): string | undefined {
  try {
    const root = packageRoot();
    const { name } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { name?: string };
    if (name === 'exolam') return root;
    return dirname(createRequire(import.meta.url).resolve('exolam/package.json'));
  } catch {
    return undefined; // as a CommonJS bundle, which does not know where it lies
  }
}

/** Why the addon did not load, for the two ways that are no fault of exolam; undefined for all others. */
function explain(error: unknown): string | undefined {
  const { code, message } = error as NodeJS.ErrnoException;
  if (message?.startsWith('No native build was found')) return 'There is no binary for this machine:';
  if (code === 'ERR_DLOPEN_FAILED') return `The system refused the binary (${message.split('\n')[0]}):`;
  return undefined;
}

function machine(): string {
  const header = (process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined)
    ?.header;
  const glibc = header?.glibcVersionRuntime;
  const libc = process.platform !== 'linux' ? '' : glibc ? ` glibc ${glibc}` : ' musl';
  return `platform ${process.platform}, architecture ${process.arch}${libc}, Node-API ${process.versions['napi']}`;
}

function shipped(root: string): string {
  const folder = join(root, 'prebuilds');
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return names.length === 0
    ? 'no prebuilt binaries shipped'
    : `prebuilt binaries shipped for ${names.join(', ')}`;
}

function advice(root: string): string {
  // A clone has the build scripts; an installed package has sources and CMakeLists.txt, and a command that uses them.
  return existsSync(join(root, 'scripts', 'ensure-built.mjs'))
    ? `Build it with: npm run build:native (in ${root})`
    : 'Build it with: npx exolam build-addon (needs CMake 3.20 and a C++17 compiler)';
}

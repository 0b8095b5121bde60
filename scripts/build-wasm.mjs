// The core as WebAssembly, by emscripten: build/wasm/exolam.wasm, and the same bytes as text in build/wasm/bytes.mjs,
// which every bundle can hold. Same sources, same compiler: same bytes.
//   node scripts/build-wasm.mjs [--optional]    --optional: without emcc, goes on without it
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { filesBelow, ROOT } from './paths.mjs';
import { runLogged } from './run.mjs';
import { sources } from './sources.mjs';
import { fingerprint, readStamp, writeStamp } from './stamp.mjs';

const FOLDER = join(ROOT, 'build', 'wasm');
const PRODUCT = join(FOLDER, 'exolam.wasm');
const BYTES = join(FOLDER, 'bytes.mjs');

// Never -Os: the kernels live by inlining, and are a tenth as fast without.
const COMPILE = ['-msimd128', '-Inative/wasm', '-Inative', '-Wall', '-Wextra'];
const LINK = [
  '-O3',
  '-sSTANDALONE_WASM',
  '--no-entry',
  '-sALLOW_MEMORY_GROWTH',
  '-sINITIAL_MEMORY=4MB',
  '-sMAXIMUM_MEMORY=4GB',
  '-sTOTAL_STACK=1MB',
  '-sERROR_ON_UNDEFINED_SYMBOLS=0', // the host's functions; which, is looked at below
  '-sWARN_ON_UNDEFINED_SYMBOLS=0',
];
/** What lib/backend/wasm/instance.ts gives. */
const IMPORTS = [
  'env.emscripten_notify_memory_growth',
  'exolam.fail',
  'exolam.tick',
  'wasi_snapshot_preview1.environ_get',
  'wasi_snapshot_preview1.environ_sizes_get',
  'wasi_snapshot_preview1.proc_exit',
];

export function hasEmscripten() {
  return spawnSync('emcc', ['--version'], { stdio: 'ignore' }).status === 0;
}

/** What is compiled: the addon without signals that nobody sends there, and of the kernels what WebAssembly can run. */
function wasmSources() {
  const { kernel_sources, core_sources, addon_sources, wasm_sources } = sources();
  const kernels = kernel_sources.filter((file) => !/isa\/(avx2|avx512|baseline|neon)\.cc$/.test(file));
  return [...kernels, ...core_sources, ...addon_sources, ...wasm_sources];
}

function wasmFingerprint() {
  return fingerprint([...filesBelow('native', /\.(h|cc|gypi)$/), 'scripts/build-wasm.mjs']);
}

/** Whether the module of the present sources is there. */
export function wasmIsFresh() {
  return existsSync(PRODUCT) && existsSync(BYTES) && readStamp('wasm').fingerprint === wasmFingerprint();
}

/**
 * Makes sure that the module of the present sources is there. `optional`: where that would take long or cannot be (it is a minute of
 * work, and not everybody's; no emcc), goes on without, with an empty one for dist/.
 */
export function ensureWasm({ force = false, optional = false } = {}) {
  if (!force && wasmIsFresh()) return;
  mkdirSync(FOLDER, { recursive: true });
  if (optional && !(process.env.CI && hasEmscripten())) {
    if (existsSync(BYTES) && !existsSync(PRODUCT)) return;
    const was = existsSync(PRODUCT) ? 'of other sources' : 'not built';
    process.stderr.write(
      `exolam: the WebAssembly module is ${was}; going on without it (npm run build:wasm makes it)\n`,
    );
    rmSync(PRODUCT, { force: true });
    writeBytes(Buffer.alloc(0));
    return;
  }
  if (!hasEmscripten()) {
    throw new Error(
      'there is no emcc on this machine: install emscripten (on Debian: apt install emscripten)',
    );
  }
  process.stderr.write('exolam: building the WebAssembly module with emcc\n');
  const { cxx_flags, release_flags } = sources();
  const flags = [...cxx_flags, ...release_flags, ...COMPILE];
  const files = wasmSources();
  const objects = files.map((file) => join(FOLDER, `${basename(file, '.cc')}-${files.indexOf(file)}.o`));
  compile(files, objects, flags);
  runLogged('wasm', 'emcc', [...LINK, ...objects, '-o', PRODUCT]);
  const bytes = readFileSync(PRODUCT);
  const asked = WebAssembly.Module.imports(new WebAssembly.Module(bytes)).map((i) => `${i.module}.${i.name}`);
  const unknown = asked.filter((name) => !IMPORTS.includes(name));
  if (unknown.length > 0)
    throw new Error(`the module asks for functions that nobody gives: ${unknown.join(', ')}`);
  writeBytes(bytes);
  writeStamp('wasm', { fingerprint: wasmFingerprint() });
}

/** As many files at a time as there are processors. */
function compile(files, objects, flags) {
  const script = 'emcc $FLAGS -c "$1" -o "$2"';
  const jobs = files.map((file, i) => `${file}\0${objects[i]}\0`).join('');
  execFileSync('xargs', ['-0', '-n', '2', '-P', String(availableParallelism()), 'sh', '-ec', script, 'sh'], {
    cwd: ROOT,
    input: jobs,
    env: { ...process.env, FLAGS: flags.join(' ') },
    stdio: ['pipe', 'inherit', 'inherit'],
  });
}

function writeBytes(bytes) {
  writeFileSync(
    BYTES,
    `/** The WebAssembly module in base64; empty where it was not built. */\nexport const WASM =\n  '${bytes.toString('base64')}';\n`,
  );
  writeFileSync(join(FOLDER, 'bytes.d.mts'), 'export const WASM: string;\n');
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    ensureWasm({
      force: !process.argv.includes('--optional'),
      optional: process.argv.includes('--optional'),
    });
  } catch (error) {
    process.stderr.write(`exolam: the WebAssembly build failed\n${error.message}\n`);
    process.exit(1);
  }
}

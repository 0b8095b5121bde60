import { WASM } from '#wasm-bytes';
import { ExolamError } from '../../base/errors.js';
import { type Addon, nativeBackend } from '../native.js';
import type { Backend } from '../requests.js';
import { type Instance, openInstance, PARTS, type Request, type Wasm } from './instance.js';
import { callInThread } from './threads.js';

const GIB = 2 ** 30;
/**
 * What the arrays of a call may take together, and how wide a problem without large arrays may be: an instance has 4 GiB, a stage
 * needs some for itself, and no product of its sizes may pass the 32 bits that they have there.
 */
const MOST = 2 * GIB;
const WIDEST = { basis: 4096, sources: 16_384, width: 16_384 } as const;
/** Calls whose work follows from the size of their arrays: of few bytes they are done before a thread has been told. */
const BY_SIZE: readonly string[] = [
  'solvePopulation',
  'solveMoments',
  'conditionMoments',
  'probe',
  'accumulate',
  'multiply',
  'symmetricEigen',
  'choleskySolve',
];
const FEW = 1 << 15;

/** Whether this build holds the module, and this engine can run it. */
export function hasWasm(): boolean {
  return WASM !== '' && engine() !== undefined;
}

function engine(): Wasm | undefined {
  return (globalThis as { WebAssembly?: Wasm }).WebAssembly;
}

/** The same core as the addon, as WebAssembly: one backend for a process, on an instance here and on others in threads. */
export function wasmBackend(): Backend {
  return nativeBackend(wasmCore(), 'wasm');
}

/** What {@link wasmBackend} calls, as the addon is called. */
export function wasmCore(): Addon {
  const wasm = engine();
  if (WASM === '' || wasm === undefined)
    throw new ExolamError(
      'unsupported',
      WASM === ''
        ? 'this build of exolam has no WebAssembly module: npm run build:wasm makes it (needs emscripten)'
        : 'this engine has no WebAssembly',
    );
  const text = (globalThis as unknown as { atob(base64: string): string }).atob(WASM);
  const module = new wasm.Module(Uint8Array.from(text, (c) => c.charCodeAt(0)));
  return wasmAddon(wasm, module);
}

/** The addon's interface on instances of the module. */
export function wasmAddon(wasm: Wasm, module: object): Addon {
  let instance: Instance | undefined = openInstance(PARTS, wasm, module);
  const { calls } = instance;
  const here = (name: string, request: Request): number => {
    instance ??= openInstance(PARTS, wasm, module);
    const running = instance;
    instance = undefined; // gone, unless the call ends as it should
    const result = running.call(name, request, request['watch'] as (() => void) | undefined);
    instance = running;
    return result;
  };
  const run = async (name: string, request: Request): Promise<void> => {
    const bytes = bytesOf(request);
    if (bytes > MOST) throw tooMuch(bytes);
    for (const [size, most] of Object.entries(WIDEST))
      if (Number(request[size] ?? 0) > most) throw tooWide(Number(request[size]), most);
    const small = bytes < FEW && BY_SIZE.includes(name);
    if (small || !(await callInThread(module, name, request))) here(name, request);
  };
  const asynchronous = calls.map((name) => [name, (request: Request) => run(name, request)]);
  const atOnce = ['normals', 'normalsF32', 'fmaPeak', 'product'].map((name) => [
    name,
    (request: Request) => here(name, request),
  ]);
  return {
    ...(Object.fromEntries([...asynchronous, ...atOnce]) as Addon),
    info: () => ({ isa: 'wasm', isas: ['wasm'], threads: 1 }),
    // Nothing here outlives JavaScript.
    guardSignals() {},
    trackGroup() {},
  };
}

function bytesOf(request: Request): number {
  return Object.values(request).reduce<number>(
    (sum, value) => sum + (ArrayBuffer.isView(value) ? value.byteLength : 0),
    0,
  );
}

function tooMuch(bytes: number): ExolamError {
  const gib = (bytes / GIB).toFixed(1);
  return new ExolamError(
    'data',
    `WebAssembly holds 4 GiB: expected arrays of at most ${MOST / GIB} GiB in a call but they take ${gib}; the native addon has no such limit`,
  );
}

function tooWide(width: number, most: number): ExolamError {
  return new ExolamError(
    'data',
    `WebAssembly holds 4 GiB: expected a problem of at most ${most} coordinates but received one of ${width}; the native addon has no such limit`,
  );
}

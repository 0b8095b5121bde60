/**
 * An instance of build/wasm/exolam.wasm. The functions here use nothing but their arguments and each other's through `parts`: their
 * text is also the program of the worker threads (threads.ts), which so need no file of their own in anybody's bundle.
 */

/** A request as the addon takes one: numbers, flags and typed arrays by name; anything else is not for it. */
export type Request = Readonly<Record<string, unknown>>;

/** A WebAssembly instance of the core. What throws has ended it: the next call needs another. */
export interface Instance {
  /** The calls of native/addon/. */
  readonly calls: readonly string[];
  /** Runs one to its end. Writes the arrays under `answer` of the request; calls `watch` from time to time. */
  call(name: string, request: Request, watch?: (() => void) | undefined): number;
}

/** What an engine has under WebAssembly, as far as it is used here. */
export interface Wasm {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: Record<string, unknown> };
}

interface Memory {
  readonly buffer: ArrayBuffer;
}

/** What of a running call the module's imports need. */
interface Running {
  control?: Int32Array | undefined;
  watch?: (() => void) | undefined;
  looked: number;
}

/** The functions that an instance is made of. */
export interface Parts {
  readonly layOut: typeof layOut;
  readonly hostFunctions: typeof hostFunctions;
}

/** Where the fields of a request go, and how much memory they take. A field is native/wasm/napi.h's. */
export function layOut(request: Request) {
  const line = 64;
  const bytesOfField = 24;
  const padded = (bytes: number) => Math.ceil(bytes / line) * line;
  type Numbers = Float64Array | Float32Array | Int32Array | Uint8Array;
  /** napi_typedarray_type; 1: a number or flag. */
  const kindOf = (value: unknown): number => {
    if (value instanceof Float64Array) return 8;
    if (value instanceof Float32Array) return 9;
    if (value instanceof Int32Array) return 10;
    if (value instanceof Uint8Array) return 11;
    return typeof value === 'number' || typeof value === 'boolean' ? 1 : 0;
  };
  const fields = Object.entries(request).filter(([, value]) => kindOf(value) !== 0);
  const head = padded(fields.reduce((sum, [key]) => sum + bytesOfField + key.length + 1, 0));
  const arrays = fields.filter(([, value]) => kindOf(value) > 1) as [string, Numbers][];
  return {
    count: fields.length,
    bytes: arrays.reduce((sum, [, array]) => sum + padded(array.byteLength), head) + line,
    /** Fields one after another, then their names, then numbers; returns where each array lies. */
    write(memory: Memory, block: number): Map<string, number> {
      const view = new DataView(memory.buffer);
      const bytes = new Uint8Array(memory.buffer);
      const places = new Map<string, number>();
      let name = block + bytesOfField * fields.length;
      let place = block + head;
      fields.forEach(([key, value], i) => {
        const field = block + bytesOfField * i;
        const kind = kindOf(value);
        view.setUint32(field, name, true);
        view.setInt32(field + 4, kind, true);
        view.setFloat64(field + 8, kind === 1 ? Number(value) : 0, true);
        for (let c = 0; c < key.length; c++) bytes[name + c] = key.charCodeAt(c);
        bytes[name + key.length] = 0;
        name += key.length + 1;
        if (kind === 1) return;
        const array = value as Numbers;
        view.setUint32(field + 16, place, true);
        view.setUint32(field + 20, array.length, true);
        bytes.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), place);
        places.set(key, place);
        place += padded(array.byteLength);
      });
      return places;
    },
  };
}

/** What the module imports (scripts/build-wasm.mjs has the list). */
export function hostFunctions(memory: () => Memory, running: Running) {
  /** Between two looks at whether a call is to go on, in milliseconds, where a look costs more than reading a number. */
  const pause = 50;
  return {
    exolam: {
      /** native/wasm/napi.h: ErrorKind. */
      fail(kind: number, at: number, length: number) {
        const text = String.fromCharCode(...new Uint8Array(memory().buffer, at >>> 0, length));
        if (kind === 1) throw new TypeError(text);
        if (kind === 2) throw new RangeError(text);
        throw new Error(kind === 3 ? 'out of memory' : text);
      },
      tick(at: number) {
        const { control, watch, looked } = running;
        if (control === undefined) return;
        const inside = new Int32Array(memory().buffer, at >>> 0, 3);
        Atomics.store(control, 1, inside[1] as number);
        Atomics.store(control, 2, inside[2] as number);
        if (watch !== undefined && performance.now() - looked > pause) {
          running.looked = performance.now();
          watch();
        }
        if (Atomics.load(control, 0) !== 0) inside[0] = 1;
      },
    },
    env: { emscripten_notify_memory_growth() {} },
    wasi_snapshot_preview1: {
      environ_sizes_get(count: number, size: number) {
        new Uint32Array(memory().buffer, count >>> 0, 1)[0] = 0;
        new Uint32Array(memory().buffer, size >>> 0, 1)[0] = 0;
        return 0;
      },
      environ_get: () => 0,
      proc_exit(code: number) {
        throw new Error(`the module ended with ${code}`);
      },
    },
  };
}

export function openInstance(parts: Parts, wasm: Wasm, module: object): Instance {
  const running: Running = { looked: 0 };
  const host = parts.hostFunctions(() => memory, running);
  const { exports } = new wasm.Instance(module, host);
  const memory = exports['memory'] as Memory;
  const run = (name: string, ...args: number[]) => (exports[name] as (...all: number[]) => number)(...args);
  run('_initialize');
  run('start');
  const calls: string[] = [];
  for (let at = run('call_name', 0); at !== 0; at = run('call_name', calls.length)) {
    const text = new Uint8Array(memory.buffer, at >>> 0, 64);
    calls.push(String.fromCharCode(...text.subarray(0, text.indexOf(0))));
  }
  return {
    calls,
    call(name, request, watch) {
      const { count, bytes, write } = parts.layOut(request);
      const block = bytes < 2 ** 32 - 2 ** 16 ? run('allocate', bytes) >>> 0 : 0;
      if (block === 0) throw new Error('out of memory');
      const places = write(memory, block);
      running.control = request['control'] as Int32Array | undefined;
      running.watch = watch;
      running.looked = performance.now();
      const result = run('call', calls.indexOf(name), block, count);
      const control = places.get('control');
      if (control !== undefined) host.exolam.tick(control);
      for (const [key, array] of Object.entries((request['answer'] ?? {}) as Record<string, Uint8Array>)) {
        const place = places.get(key);
        if (place === undefined) continue;
        const inside = new Uint8Array(memory.buffer, place, array.byteLength);
        new Uint8Array(array.buffer, array.byteOffset, array.byteLength).set(inside);
      }
      run('release', block);
      return result;
    },
  };
}

export const PARTS: Parts = { layOut, hostFunctions };

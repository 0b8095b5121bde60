/** A request as the addon takes one: numbers, flags and typed arrays by name; anything else is not for it. */
export type Request = Readonly<Record<string, unknown>>;

/** A WebAssembly instance of the core. What throws has ended it: the next call needs another. */
export interface Instance {
  /** The calls of native/addon/addon.cc. */
  readonly calls: readonly string[];
  /** Runs one to its end. Writes the arrays under `answer` of the request; calls `watch` from time to time. */
  call(name: string, request: Request, watch?: (() => void) | undefined): number;
}

/** What an engine has under WebAssembly, as far as it is used here. */
export interface Wasm {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: Record<string, unknown> };
}

/**
 * Makes an instance of build/wasm/exolam.wasm. One function with nothing outside of it: its text is also the program of the
 * worker threads (threads.ts), which so need no file of their own in anybody's bundle.
 */
export function openInstance(wasm: Wasm, module: object): Instance {
  /** native/wasm/napi.h: napi_typedarray_type. */
  const kindOf = (value: unknown): number => {
    if (value instanceof Float64Array) return 8;
    if (value instanceof Float32Array) return 9;
    if (value instanceof Int32Array) return 10;
    return value instanceof Uint8Array ? 11 : 0;
  };
  type Numbers = Float64Array | Float32Array | Int32Array | Uint8Array;
  const LINE = 64;
  const FIELD = 24;
  /** Between two looks at whether a call is to go on, in milliseconds, where a look costs more than reading a number. */
  const PAUSE = 50;
  const padded = (bytes: number) => Math.ceil(bytes / LINE) * LINE;

  let control: Int32Array | undefined;
  let watching: (() => void) | undefined;
  let looked = 0;

  const text = (at: number, length: number) =>
    String.fromCharCode(...new Uint8Array(memory.buffer, at >>> 0, length));
  const imports = {
    exolam: {
      fail(kind: number, at: number, length: number) {
        const message = kind === 3 ? 'out of memory' : text(at, length);
        if (kind === 1) throw new TypeError(message);
        throw kind === 2 ? new RangeError(message) : new Error(message);
      },
      tick(at: number) {
        if (control === undefined) return;
        const inside = new Int32Array(memory.buffer, at >>> 0, 3);
        Atomics.store(control, 1, inside[1] as number);
        Atomics.store(control, 2, inside[2] as number);
        if (watching !== undefined && performance.now() - looked > PAUSE) {
          looked = performance.now();
          watching();
        }
        if (Atomics.load(control, 0) !== 0) inside[0] = 1;
      },
    },
    env: { emscripten_notify_memory_growth() {} },
    wasi_snapshot_preview1: {
      environ_sizes_get(count: number, size: number) {
        new Uint32Array(memory.buffer, count >>> 0, 1)[0] = 0;
        new Uint32Array(memory.buffer, size >>> 0, 1)[0] = 0;
        return 0;
      },
      environ_get: () => 0,
      proc_exit(code: number) {
        throw new Error(`the module ended with ${code}`);
      },
    },
  };
  const { exports } = new wasm.Instance(module, imports);
  const memory = exports['memory'] as { readonly buffer: ArrayBuffer };
  const run = (name: string, ...args: number[]) => (exports[name] as (...all: number[]) => number)(...args);
  run('_initialize');
  run('start');
  const calls: string[] = [];
  for (let at = run('call_name', 0); at !== 0; at = run('call_name', calls.length)) {
    const rest = new Uint8Array(memory.buffer, at >>> 0, 64);
    calls.push(text(at, rest.indexOf(0)));
  }

  /** A field's name, kind, number or array, one after another, then names, then numbers; returns where each array lies. */
  const write = (fields: [string, unknown][], block: number): Map<string, number> => {
    const view = new DataView(memory.buffer);
    const bytes = new Uint8Array(memory.buffer);
    const places = new Map<string, number>();
    let name = block + FIELD * fields.length;
    let place = block + padded(fields.reduce((sum, [key]) => sum + FIELD + key.length + 1, 0));
    fields.forEach(([key, value], i) => {
      const field = block + FIELD * i;
      const kind = kindOf(value);
      view.setUint32(field, name, true);
      view.setInt32(field + 4, kind || 1, true);
      view.setFloat64(field + 8, kind ? 0 : Number(value), true);
      for (let c = 0; c < key.length; c++) bytes[name + c] = key.charCodeAt(c);
      bytes[name + key.length] = 0;
      name += key.length + 1;
      if (kind === 0) return;
      const array = value as Numbers;
      view.setUint32(field + 16, place, true);
      view.setUint32(field + 20, array.length, true);
      bytes.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), place);
      places.set(key, place);
      place += padded(array.byteLength);
    });
    return places;
  };

  return {
    calls,
    call(name, request, watch) {
      const fields = Object.entries(request).filter(
        ([, value]) => typeof value === 'number' || typeof value === 'boolean' || kindOf(value) !== 0,
      );
      let size = 0;
      for (const [key, value] of fields)
        size += FIELD + key.length + 1 + LINE + (kindOf(value) ? (value as Numbers).byteLength : 0);
      const block = size < 2 ** 32 - 2 ** 16 ? run('allocate', padded(size) + LINE) >>> 0 : 0;
      if (block === 0) throw new Error('out of memory');
      const places = write(fields, block);
      control = request['control'] as Int32Array | undefined;
      watching = watch;
      looked = performance.now();
      const result = run('call', calls.indexOf(name), block, fields.length);
      if (places.has('control')) imports.exolam.tick(places.get('control') as number);
      for (const [key, array] of Object.entries((request['answer'] ?? {}) as Record<string, Numbers>)) {
        const inside = new Uint8Array(memory.buffer, places.get(key) as number, array.byteLength);
        new Uint8Array(array.buffer, array.byteOffset, array.byteLength).set(inside);
      }
      run('release', block);
      return result;
    },
  };
}

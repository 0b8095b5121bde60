import { guarded } from '../../../lib/backend/guarded.js';
import { loadAddon } from '../../../lib/backend/load-addon.js';
import { nativeBackend } from '../../../lib/backend/native.js';
import type { Backend, Control } from '../../../lib/backend/requests.js';
import {
  analyze,
  drawMoments,
  fitLinearLam,
  sampleTransitions,
  solve,
  solveColumns,
  transitions,
} from '../../../lib/index.js';
import type { Random } from './mutate.js';
import type { Target } from './targets.js';

type Call = readonly [name: keyof Backend, args: readonly unknown[]];

/** A call may take so long before it is stopped, which has to be soon then. */
const PATIENCE = 1500;

/** Calls as exolam makes them, small ones: what each is given, before it changes. */
async function recorded(native: Backend): Promise<Call[]> {
  const calls: Call[] = [];
  const backend = new Proxy(native, {
    get: (target, name: keyof Backend) => {
      const call = target[name] as (...args: unknown[]) => unknown;
      return (...args: unknown[]) => {
        if (name !== 'info')
          calls.push([name, args.map((arg) => (isControl(arg) ? {} : structuredClone(arg)))]);
        return call.apply(target, args);
      };
    },
  });
  const world = {
    observationDim: 7,
    endogenousDim: 2,
    exogenousDim: 2,
    actionDim: 1,
    mixing: 'gaussian' as const,
  };
  const projection = [
    [1, 0, 0, 0, 1, 0, 0],
    [0, 1, 0, 0, 0, 0, 1],
  ];
  for (const objective of [
    { kind: 'reconstruction' },
    { kind: 'cross-exogenous' },
    { kind: 'representation', projection },
    { kind: 'augmented', encoderNoise: 0.5, decoderNoise: 0.2 },
    {
      kind: 'composition',
      parts: [{ kind: 'reconstruction' }, { kind: 'action-supervised', weight: 1, labelFraction: 1 }],
    },
  ] as const)
    await solve({ world, objective, latentDim: 2 } as never, { backend, encoder: true } as never);
  await solveColumns(
    {
      world,
      objective: { kind: 'exogenous-robust', weight: 0.5 },
      latentDims: [1, 2],
      columns: { exogenousScale: Float64Array.of(0.5, 1, 2) },
    } as never,
    { backend } as never,
  );
  for (const precision of ['f64', 'f32'] as const)
    for await (const _ of sampleTransitions(world, {
      samples: 24,
      pairs: true,
      precision,
      backend,
    } as never));
  const wave = (dim: number, seed: number) =>
    Float64Array.from({ length: 48 * dim }, (_, i) => Math.sin(seed + i * i));
  const data = transitions({
    observation: wave(3, 1),
    observationNext: wave(3, 2),
    pairObservation: wave(3, 3),
    pairObservationNext: wave(3, 4),
    actions: wave(1, 5),
    exogenousNext: wave(1, 6),
    observationDim: 3,
    episode: Int32Array.from({ length: 48 }, (_, i) => i >> 2),
  });
  await analyze(data, { latentDims: [1, 2], backend } as never);
  await fitLinearLam(
    { data, objective: { kind: 'cross-exogenous' }, latentDim: 2 } as never,
    { backend } as never,
  );
  await drawMoments(world, { transitions: 100, draws: 2, backend });
  const four = Float64Array.of(4, 1, 1, 3, 5, 0, 0, 2);
  calls.push(
    ['symmetricEigen', [four, 2, 2]],
    ['choleskySolve', [four, Float64Array.of(1, 2, 3, 4), 2, 1, 2]],
    [
      'multiply',
      [
        {
          rows: 2,
          inner: 2,
          cols: 2,
          transposeA: false,
          transposeB: true,
          a: four.slice(4),
          b: four.slice(0, 4),
        },
      ],
    ],
    ['normals', [1, 2, 3, 16]],
    ['normalsF32', [1, 2, 3, 16]],
  );
  return calls;
}

const isControl = (arg: unknown): arg is Control =>
  typeof arg === 'object' &&
  arg !== null &&
  !ArrayBuffer.isView(arg) &&
  ('signal' in arg || 'backend' in arg || 'onProgress' in arg || 'threads' in arg);

/** An array that has been changed into one of another kind. */
const isOfBigInts = (array: ArrayBufferView): boolean => array instanceof BigInt64Array;

type Arrays = Float64Array | Float32Array | Int32Array | Uint8Array;
const isArray = (value: unknown): value is Arrays =>
  ArrayBuffer.isView(value) && !(value instanceof DataView);

/** Sizes that fit, that do not, and that no memory has; those between, of which a call would take gigabytes, are what was asked for. */
const SIZES = [
  ...[0, 1, 2, 3, 4, 5, 7, 8, 16, 33, 64, 1e3, -1, 1.5, 2 ** 45, 2 ** 52, 2 ** 53],
  ...[Number.NaN, Number.POSITIVE_INFINITY],
];
const FIGURES = [
  0,
  -0,
  1,
  -1,
  1e-308,
  1e-160,
  1e154,
  1e300,
  -1e300,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
];

/** An array of another length, kind, memory or content. */
function oddArray(array: Arrays, random: Random): unknown {
  // Changed once already, it may be gone.
  if (array.byteLength === 0) return array;
  const Kind = array.constructor as new (of: number | ArrayBufferLike) => Arrays;
  switch (random.below(9)) {
    case 0:
      return new Kind(random.pick([0, 1, array.length + 1, Math.max(0, array.length - 1), 2 * array.length]));
    case 1:
      return new (random.pick([Float64Array, Float32Array, Int32Array, Uint8Array, BigInt64Array]))(
        array.length,
      );
    case 2: {
      const shared = new Kind(new SharedArrayBuffer(array.byteLength));
      shared.set(array as never);
      return shared;
    }
    case 3: {
      const gone = array.slice();
      structuredClone(gone.buffer, { transfer: [gone.buffer as ArrayBuffer] });
      return gone;
    }
    case 4:
      return random.pick([null, undefined, [], {}, 'x', 3, new DataView(new ArrayBuffer(8))]);
    default: {
      const out = array.slice();
      if (isOfBigInts(out)) return out;
      for (let times = 1 + random.below(4); times > 0 && out.length > 0; times--)
        out[random.below(out.length)] = random.pick(array instanceof Int32Array ? SIZES : FIGURES) as never;
      return out;
    }
  }
}

/** A copy of a call's argument with something in it changed; sizes and arrays seldom fit each other then. */
function oddArgument(value: unknown, random: Random, depth = 0): unknown {
  if (isArray(value)) return oddArray(value, random);
  if (typeof value === 'number') return random.pick([...SIZES, value + 1, value - 1, 2 * value]);
  if (typeof value === 'boolean') return !value;
  if (typeof value !== 'object' || value === null || depth > 4)
    return random.pick([null, undefined, 0, 'x', [], {}]);
  if (random.chance(0.03)) return random.pick([null, undefined, [], {}]);
  if (Array.isArray(value)) {
    const out = [...value];
    if (out.length === 0 || random.chance(0.15))
      out.splice(random.below(out.length + 1), random.below(2), ...out.slice(0, 1));
    else {
      const at = random.below(out.length);
      out[at] = oddArgument(out[at], random, depth + 1);
    }
    return out;
  }
  const key = random.pick(Object.keys(value));
  return { ...value, [key]: oddArgument((value as Record<string, unknown>)[key], random, depth + 1) };
}

const arraysIn = (value: unknown): Arrays[] =>
  isArray(value)
    ? [value]
    : typeof value === 'object' && value !== null
      ? Object.values(value).flatMap(arraysIn)
      : [];

/** While a call runs: an array is transferred, overwritten or, where it can be, shrunk. */
function meddle(args: readonly unknown[], random: Random): void {
  const arrays = args.flatMap(arraysIn).filter(({ length }) => length > 0);
  if (arrays.length === 0) return;
  const array = random.pick(arrays);
  const { buffer } = array;
  if (random.chance(0.5) && buffer instanceof ArrayBuffer) {
    if ((buffer as { resizable?: boolean }).resizable)
      (buffer as unknown as { resize(to: number): void }).resize(0);
    else if (buffer.byteLength > 0) structuredClone(buffer, { transfer: [buffer] });
  } else array.fill((isOfBigInts(array) ? -1n : Number.NaN) as never);
}

/** Arrays in memory that can shrink. */
function resizable(array: Arrays): Arrays {
  const Kind = array.constructor as new (of: ArrayBuffer) => Arrays;
  const Buffers = ArrayBuffer as unknown as new (
    bytes: number,
    options: { maxByteLength: number },
  ) => ArrayBuffer;
  const out = new Kind(new Buffers(array.byteLength, { maxByteLength: array.byteLength + 8 }));
  out.set(array as never);
  return out;
}

/** Calls of the native core as anyone can make them, with sizes, arrays and moments that do not fit. */
export async function calls(): Promise<Target> {
  const native = nativeBackend(loadAddon());
  const safe = guarded(native) as unknown as Record<string, (...args: unknown[]) => unknown>;
  const seeds = await recorded(native);
  // As many of each call, however often exolam makes it.
  const byName = new Map<string, Call[]>();
  for (const call of seeds) byName.set(call[0], [...(byName.get(call[0]) ?? []), call]);
  return {
    name: 'calls',
    async run(random) {
      const [name, given] = random.pick(random.pick([...byName.values()]));
      const args = given.map((arg) => structuredClone(arg)) as unknown[];
      for (let times = random.below(4); times > 0; times--) {
        const at = random.below(args.length);
        args[at] = oddArgument(args[at], random);
      }
      const [first] = args;
      if (random.chance(0.1) && typeof first === 'object' && first !== null && !ArrayBuffer.isView(first))
        for (const [key, value] of Object.entries(first))
          if (isArray(value) && value.byteLength > 0)
            (first as Record<string, unknown>)[key] = resizable(value);
      const control = controlOf(name, args, random);
      const answer = safe[name]?.(...args);
      if (answer instanceof Promise) answer.catch(() => {});
      if (random.chance(0.3)) meddle(args, random);
      if (random.chance(0.1)) control?.abort();
      await answer;
    },
  };
}

/** Puts a control where the call has one: all but those that end at once. */
function controlOf(name: string, args: unknown[], random: Random): AbortController | undefined {
  if (/^normals/.test(name)) return undefined;
  const stop = new AbortController();
  const place = { symmetricEigen: 3, choleskySolve: 5 }[name] ?? 1;
  args[place] = {
    signal: AbortSignal.any([stop.signal, AbortSignal.timeout(PATIENCE)]),
    threads: random.pick([1, 2, 3, 64]),
    onProgress: random.chance(0.2) ? () => {} : undefined,
  };
  return stop;
}

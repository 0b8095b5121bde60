import { ExolamError } from '../../base/errors.js';
import { requireMemory } from '../../base/memory.js';
import type { Values } from '../transitions.js';
import type { NdArray } from './named.js';

/** What is asked of an HDF5 file: all of its datasets' shapes, or some of their numbers. */
export type Hdf5Request =
  | { readonly kind: 'tree'; readonly path: string }
  | { readonly kind: 'datasets'; readonly path: string; readonly names: readonly string[] };

/** A dataset by its path in the file, without the first slash. */
export interface Dataset {
  readonly name: string;
  readonly shape: readonly number[];
}

/** More groups and datasets than recordings have; a file may also hold a group that leads back to itself. */
const MOST = 500_000;
const DEEPEST = 16;

type Library = typeof import('h5wasm/node');
interface Group {
  keys(): string[];
  get(name: string): unknown;
}

/** Answers one request. Runs in a process of its own: the library's own code is C, and a damaged file may make it run on. */
export async function answerHdf5(request: Hdf5Request): Promise<unknown> {
  const library = await load();
  const { path } = request;
  let file: InstanceType<Library['File']>;
  try {
    file = new library.File(path, 'r');
    if (Number(file.file_id) < 0) throw new Error('it does not open');
  } catch (cause) {
    throw damaged(path, cause);
  }
  try {
    return request.kind === 'tree'
      ? treeOf(file as unknown as Group)
      : datasetsOf(path, file as unknown as Group, request.names);
  } catch (cause) {
    throw cause instanceof ExolamError ? cause : damaged(path, cause);
  } finally {
    close(file);
  }
}

/** What is wrong has been told by then, or nothing is. */
function close(file: { close(): unknown }): void {
  try {
    file.close();
  } catch {}
}

/** From source, the process imports it by itself: what makes TypeScript JavaScript would go through its 5 MB first. */
const importLibrary = (): Promise<Library> => {
  const { importLibrary } = globalThis as { importLibrary?: (name: string) => Promise<Library> };
  return importLibrary ? importLibrary('h5wasm/node') : import('h5wasm/node');
};

async function load(): Promise<Library> {
  let library: Library;
  try {
    library = await importLibrary();
  } catch (cause) {
    throw new ExolamError(
      'unsupported',
      'reading HDF5 needs the package h5wasm, which is not installed: npm install h5wasm',
      { cause },
    );
  }
  const module = await library.ready;
  // Errors are thrown, where the library would print them.
  module.activate_throwing_error_handler();
  return library;
}

function damaged(path: string, cause: unknown): ExolamError {
  // The library tells the whole way down; the last step is what is wrong.
  const text = cause instanceof Error ? cause.message : String(cause);
  const reason = [...text.matchAll(/ in \w+\(\): (.*)/g)].at(-1)?.[1] ?? text;
  return new ExolamError(
    'data',
    `${path} cannot be read as HDF5 (truncated or damaged?): ${reason.replace(/\s+/g, ' ').slice(0, 200)}`,
    { cause },
  );
}

function isGroup(entity: unknown): entity is Group {
  return (entity as { type?: unknown } | null)?.type === 'Group';
}

function treeOf(root: Group): Dataset[] {
  const found: Dataset[] = [];
  const visit = (group: Group, prefix: string, depth: number): void => {
    for (const key of group.keys()) {
      if (found.length > MOST || depth > DEEPEST)
        throw new Error('it has too many datasets, or groups within groups');
      const entity = group.get(key);
      if (isGroup(entity)) visit(entity, `${prefix}${key}/`, depth + 1);
      else {
        const { type, shape } = entity as { type?: unknown; shape?: number[] | null };
        if (type === 'Dataset' && shape) found.push({ name: prefix + key, shape: [...shape] });
      }
    }
  };
  visit(root, '', 0);
  return found;
}

function datasetsOf(path: string, file: Group, names: readonly string[]): NdArray[] {
  const shapes = names.map((name) => (file.get(name) as { shape: number[] }).shape);
  const numbers = shapes.reduce((sum, shape) => sum + shape.reduce((product, n) => product * n, 1), 0);
  requireMemory(16 * numbers, `${names.length} datasets of ${path}`);
  return names.map((name) => {
    const { shape, value } = file.get(name) as { shape: number[]; value: unknown };
    return { shape: [...shape], values: numbersOf(path, name, value) };
  });
}

function numbersOf(path: string, name: string, value: unknown): Values {
  if (value instanceof Uint8Array || value instanceof Float32Array || value instanceof Float64Array)
    return value.slice();
  if (ArrayBuffer.isView(value) && !(value instanceof DataView))
    return Float64Array.from(value as unknown as ArrayLike<number | bigint>, Number);
  const list: unknown[] = Array.isArray(value) ? value.flat(Number.POSITIVE_INFINITY) : [value];
  if (list.every((cell) => typeof cell === 'boolean' || typeof cell === 'number' || typeof cell === 'bigint'))
    return Float64Array.from(list as (number | boolean | bigint)[], Number);
  throw new ExolamError('data', `${path}: ${name} holds ${typeof list[0]} values; expected numbers`);
}

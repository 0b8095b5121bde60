import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';
import { afterAll } from 'vitest';
import { ExolamError } from '../../lib/base/errors.js';

/** Data sets of real robots, kept beside the repository; tests that need them are skipped where they are not. */
const shared = resolve(import.meta.dirname, '../../../shared/data');
export const unitree = join(shared, 'unitree-g1');
export const so101 = join(shared, 'so101-v3');
export const hasUnitree = existsSync(unitree);
export const hasSo101 = existsSync(so101);

/** A folder that is removed after the file's tests. */
export function scratch(): (name: string) => string {
  const folder = mkdtempSync(join(tmpdir(), 'exolam-data-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return (name) => join(folder, name);
}

/** The error that a call ends in, as kind and sentence; a call that does not fail fails the test. */
export async function failure(call: Promise<unknown>): Promise<{ kind: string; message: string }> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof ExolamError)) throw error;
    if (/\n/.test(error.message)) throw new Error(`more than one line: ${error.message}`);
    return { kind: error.kind, message: error.message };
  }
  throw new Error('expected an error, and there was none');
}

export interface NpyOptions {
  readonly descr?: string;
  readonly fortran?: boolean;
  /** What the header says, where that is not the truth. */
  readonly shape?: string;
}

/** A .npy array, written without the code under test. */
export function npy(data: ArrayBufferView, shape: readonly number[], options: NpyOptions = {}): Buffer {
  const fields = `{'descr': '${options.descr ?? '<f8'}', 'fortran_order': ${options.fortran ? 'True' : 'False'}, 'shape': ${
    options.shape ?? `(${shape.join(', ')},)`
  }, }`;
  const text = `${fields}${' '.repeat(63 - ((10 + fields.length) % 64))}\n`;
  const head = Buffer.alloc(10);
  head.write('\x93NUMPY\x01\x00', 'latin1');
  head.writeUInt16LE(text.length, 8);
  return Buffer.concat([
    head,
    Buffer.from(text, 'latin1'),
    Buffer.from(data.buffer, data.byteOffset, data.byteLength),
  ]);
}

export interface ZipOptions {
  readonly deflate?: boolean;
  /** Uncompressed size that the directory claims. */
  readonly claim?: number;
}

/** A zip archive of .npy arrays, written without the code under test. */
export function npz(
  path: string,
  arrays: Readonly<Record<string, Buffer>>,
  options: ZipOptions = {},
): string {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [key, content] of Object.entries(arrays)) {
    const name = Buffer.from(`${key}.npy`);
    const data = options.deflate ? deflateRawSync(content) : content;
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(options.deflate ? 8 : 0, 4);
    common.writeUInt32LE(crc32(content), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(options.claim ?? content.length, 18);
    common.writeUInt16LE(name.length, 22);
    parts.push(Buffer.from('PK\x03\x04', 'latin1'), common, name, data);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    directory.push(Buffer.from('PK\x01\x02\x14\x00', 'latin1'), common, tail, name);
    offset += 30 + name.length + data.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(Object.keys(arrays).length, 8);
  end.writeUInt16LE(Object.keys(arrays).length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  writeFileSync(path, Buffer.concat([...parts, central, end]));
  return path;
}

/** (rows, dim) of numbers that vary. */
export function varying(rows: number, dim: number, seed = 1): Float64Array {
  return Float64Array.from({ length: rows * dim }, (_, i) => Math.sin((i + 1) * seed * 0.7));
}

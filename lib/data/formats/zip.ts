import { type FileHandle, open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { constants, crc32, createInflateRaw, inflateRawSync } from 'node:zlib';
import { ExolamError } from '../../base/errors.js';
import { gigabytes } from '../../base/memory.js';
import { cancelled } from '../progress.js';

/** Deflate cannot expand a byte into more than this: a larger claim is false whatever the bytes are. */
const DEFLATE_LIMIT = 1032;
/** Arrays of measurements do not shrink to a hundredth; what does, and is large, was made to fill a machine. */
export const SUSPECT_RATIO = 100;
export const SUSPECT_BYTES = 1 << 28;

export function bomb(what: string, compressed: number, size: number): ExolamError {
  return new ExolamError(
    'data',
    `${what} would unpack ${gigabytes(compressed)} to ${gigabytes(size)}, more than ${SUSPECT_RATIO} times as much; ` +
      'this looks like a zip bomb: write it with numpy.savez if it is not',
  );
}

const STORED = 0;
const DEFLATED = 8;

export interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly compressed: number;
  readonly size: number;
  readonly offset: number;
  readonly encrypted: boolean;
}

/** A zip archive (zip64 included) opened for reading its entries one at a time, as streams. */
export class ZipReader {
  private constructor(
    readonly path: string,
    private readonly file: FileHandle,
    private readonly fileSize: number,
    readonly entries: ReadonlyMap<string, ZipEntry>,
  ) {}

  static async open(path: string): Promise<ZipReader> {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      return new ZipReader(path, file, size, await readDirectory(path, file, size));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.file.close();
  }

  /** Refuses an entry whose claimed size its bytes in the file cannot hold. */
  requirePlausible(entry: ZipEntry): void {
    const { name, method, compressed, size } = entry;
    const where = `${this.path}: ${name}`;
    if (entry.encrypted) throw new ExolamError('data', `${where} is encrypted`);
    if (method !== STORED && method !== DEFLATED)
      throw new ExolamError(
        'data',
        `${where} uses compression method ${method}; stored and deflate are supported`,
      );
    if (method === STORED && compressed !== size)
      throw new ExolamError(
        'data',
        `${where} claims ${gigabytes(size)} and has ${gigabytes(compressed)} in the file`,
      );
    if (size > DEFLATE_LIMIT * compressed)
      throw new ExolamError(
        'data',
        `${where} claims ${gigabytes(size)}, more than its ${compressed} bytes in the file can unpack to`,
      );
    if (size > SUSPECT_BYTES && size > SUSPECT_RATIO * compressed) throw bomb(where, compressed, size);
  }

  /** The first bytes of an entry, fewer where it has fewer. */
  async head(entry: ZipEntry, length: number): Promise<Buffer> {
    const start = await this.startOf(entry);
    // Stored bytes are there as they are; deflated ones never need more than these, and a little for the tables.
    const take = Math.min(entry.compressed, length + 4096);
    const packed = await readExactly(this.file, start, take, this.path);
    if (entry.method === STORED) return packed.subarray(0, length);
    try {
      return inflateRawSync(packed, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, length);
    } catch (cause) {
      throw damaged(this.path, `${entry.name}: ${(cause as Error).message}`, cause);
    }
  }

  /** Where the packed bytes of an entry begin. */
  private async startOf(entry: ZipEntry): Promise<number> {
    const header = await readExactly(this.file, entry.offset, 30, this.path);
    if (header.readUInt32LE(0) !== 0x04034b50) throw damaged(this.path, `no entry at byte ${entry.offset}`);
    const start = entry.offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
    if (start + entry.compressed > this.fileSize)
      throw new ExolamError(
        'data',
        `${this.path}: ${entry.name} ends beyond the end of the file: it is truncated`,
      );
    return start;
  }

  /**
   * Hands the entry's unpacked bytes to `write`, in order; checks their number and their checksum. A chunk is the caller's until
   * `write` returns.
   */
  async read(entry: ZipEntry, write: (chunk: Buffer) => void, signal?: AbortSignal): Promise<void> {
    this.requirePlausible(entry);
    const start = await this.startOf(entry);
    if (entry.size === 0) return;
    let crc = 0;
    let total = 0;
    const accept = (chunk: Buffer): void => {
      total += chunk.length;
      if (total > entry.size)
        throw damaged(this.path, `${entry.name} unpacks to more than the ${entry.size} bytes it claims`);
      crc = crc32(chunk, crc);
      write(chunk);
    };
    // A failing sink aborts the streams before it, and which of the two errors arrives here is a race: keep the first cause.
    let refusal: unknown;
    const sink = async (chunks: AsyncIterable<Buffer>): Promise<void> => {
      try {
        for await (const chunk of chunks) accept(chunk);
      } catch (cause) {
        if (cause instanceof ExolamError) refusal = cause;
        throw cause;
      }
    };
    const options = signal ? { signal } : {};
    try {
      if (entry.method === STORED) await sink(storedBytes(this.file, start, entry.compressed, signal));
      else {
        const source = this.file.createReadStream({
          start,
          end: start + entry.compressed - 1,
          autoClose: false,
          highWaterMark: 1 << 20,
        });
        await pipeline(source, createInflateRaw({ chunkSize: 1 << 18 }), sink, options);
      }
    } catch (cause) {
      if (refusal) throw refusal;
      if (signal?.aborted) throw cancelled();
      throw damaged(this.path, `${entry.name}: ${cause instanceof Error ? cause.message : cause}`, cause);
    }
    if (total !== entry.size)
      throw damaged(this.path, `${entry.name} has ${total} of the ${entry.size} bytes it claims`);
    if (crc !== entry.crc) throw damaged(this.path, `${entry.name} does not match its checksum`);
  }
}

function damaged(path: string, what: string, cause?: unknown): ExolamError {
  return new ExolamError('data', `${path} is truncated or damaged: ${what}`, { cause });
}

/** Bytes as they lie in the file, through one buffer: streams make one a chunk, tens of megabytes before any is collected. */
async function* storedBytes(file: FileHandle, start: number, length: number, signal?: AbortSignal) {
  const buffer = Buffer.alloc(Math.min(length, 1 << 20));
  for (let got = 0; got < length; ) {
    if (signal?.aborted) throw cancelled();
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, length - got), start + got);
    if (bytesRead === 0) return;
    got += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

async function readExactly(
  file: FileHandle,
  position: number,
  length: number,
  path: string,
): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let got = 0;
  while (got < length) {
    const { bytesRead } = await file.read(buffer, got, length - got, position + got);
    if (bytesRead === 0) throw damaged(path, `it ends at byte ${position + got}`);
    got += bytesRead;
  }
  return buffer;
}

/** A zip comment has at most 65,535 bytes, and the end record 22 before it. */
const LONGEST_END = 65_557;
const LARGEST_DIRECTORY = 1 << 26;

async function readDirectory(path: string, file: FileHandle, size: number): Promise<Map<string, ZipEntry>> {
  const tailStart = Math.max(0, size - LONGEST_END);
  const tail = await readExactly(file, tailStart, size - tailStart, path);
  let end = tail.length - 22;
  while (end >= 0 && tail.readUInt32LE(end) !== 0x06054b50) end--;
  if (end < 0) throw damaged(path, 'it has no zip directory at its end');
  let length = tail.readUInt32LE(end + 12);
  let offset = tail.readUInt32LE(end + 16);
  if (end >= 20 && tail.readUInt32LE(end - 20) === 0x07064b50) {
    const record = await readExactly(file, safe(path, tail.readBigUInt64LE(end - 12)), 56, path);
    if (record.readUInt32LE(0) !== 0x06064b50)
      throw damaged(path, 'its zip64 directory is not where it should be');
    length = safe(path, record.readBigUInt64LE(40));
    offset = safe(path, record.readBigUInt64LE(48));
  }
  if (length > LARGEST_DIRECTORY || offset + length > size)
    throw damaged(path, 'its zip directory lies outside of it');
  return parseDirectory(path, await readExactly(file, offset, length, path));
}

function parseDirectory(path: string, directory: Buffer): Map<string, ZipEntry> {
  const entries = new Map<string, ZipEntry>();
  for (let at = 0; at + 46 <= directory.length; ) {
    if (directory.readUInt32LE(at) !== 0x02014b50) throw damaged(path, 'its zip directory is not readable');
    const nameLength = directory.readUInt16LE(at + 28);
    const extraLength = directory.readUInt16LE(at + 30);
    const next = at + 46 + nameLength + extraLength + directory.readUInt16LE(at + 32);
    if (next > directory.length) throw damaged(path, 'its zip directory is cut short');
    const name = directory.toString('utf8', at + 46, at + 46 + nameLength);
    const extra = directory.subarray(at + 46 + nameLength, at + 46 + nameLength + extraLength);
    const [size, compressed, offset] = zip64(path, extra, [
      directory.readUInt32LE(at + 24),
      directory.readUInt32LE(at + 20),
      directory.readUInt32LE(at + 42),
    ]);
    entries.set(name, {
      name,
      method: directory.readUInt16LE(at + 10),
      crc: directory.readUInt32LE(at + 16),
      compressed: compressed,
      size: size,
      offset: offset,
      encrypted: (directory.readUInt16LE(at + 8) & 1) === 1,
    });
    at = next;
  }
  return entries;
}

/** Replaces those of the 32-bit fields that are all ones by the 64-bit values of the extra field, which has them in order. */
function zip64(path: string, extra: Buffer, fields: readonly number[]): number[] {
  for (let at = 0; at + 4 <= extra.length; ) {
    const length = extra.readUInt16LE(at + 2);
    if (extra.readUInt16LE(at) === 1) {
      let next = at + 4;
      return fields.map((field) => {
        if (field !== 0xffffffff) return field;
        if (next + 8 > at + 4 + length || next + 8 > extra.length)
          throw damaged(path, 'a zip64 field is cut short');
        next += 8;
        return safe(path, extra.readBigUInt64LE(next - 8));
      });
    }
    at += 4 + length;
  }
  return [...fields];
}

function safe(path: string, value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw damaged(path, `it claims ${value} bytes`);
  return Number(value);
}

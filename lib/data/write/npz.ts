import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { npyHeader } from '../formats/npy.js';
import { ARRAYS } from '../formats/npz.js';
import type { ArraySpec, TransitionBatch } from './batch.js';

/** What a 32-bit field of a zip archive cannot hold goes to a zip64 field; every entry here has one, whatever its size. */
const ZIP64_EXTRA = 20;
const ALL_ONES = 0xffffffff;
/** Version 4.5: zip64. */
const VERSION = 45;
/** 1 January 1980, the first day zip can name: the same rows give the same bytes. */
const DATE = 0x21;

interface Entry {
  readonly spec: ArraySpec;
  readonly name: Buffer;
  readonly npy: Buffer;
  /** Where its local header begins, where the numbers begin, and how many bytes the entry has. */
  readonly offset: number;
  readonly begin: number;
  readonly size: number;
  crc: number;
  written: number;
}

/**
 * Stored (not compressed) entries, which NumPy can map and random doubles would not shrink from. The number of rows is
 * known, so every entry's place is known before the first batch, and each batch is written to all of them at once.
 */
export async function writeNpz(
  path: string,
  count: number,
  arrays: readonly ArraySpec[],
  batches: AsyncIterable<TransitionBatch>,
): Promise<void> {
  const entries = layOut(count, arrays);
  const file = await open(path, 'w');
  try {
    for (const entry of entries) await writeFully(file, entry.npy, entry.begin - entry.npy.length);
    for await (const batch of batches) {
      const bytes = entries.map(({ spec }) => {
        const { buffer, byteOffset, byteLength } = batch[spec.key];
        return new Uint8Array(buffer, byteOffset, byteLength);
      });
      // The system takes the bytes on other threads while their checksums are computed on this one.
      const written = Promise.all(
        entries.map((entry, i) => writeFully(file, bytes[i], entry.begin + entry.written)),
      );
      entries.forEach((entry, i) => {
        entry.crc = crc32(bytes[i], entry.crc);
        entry.written += bytes[i].length;
      });
      await written;
    }
    // Checksums are known now: headers, then the directory.
    for (const entry of entries) await writeFully(file, localHeader(entry), entry.offset);
    const last = entries[entries.length - 1];
    const end = last.offset + headerLength(last) + last.size;
    await writeFully(file, directory(entries, end), end);
  } finally {
    await file.close();
  }
}

function layOut(count: number, arrays: readonly ArraySpec[]): Entry[] {
  let offset = 0;
  return arrays.map((spec) => {
    const name = Buffer.from(`${ARRAYS[spec.key]}.npy`);
    const npy = npyHeader(count, spec.dim, spec.bytes);
    const begin = offset + 30 + name.length + ZIP64_EXTRA + npy.length;
    const size = npy.length + count * spec.dim * spec.bytes;
    const entry: Entry = { spec, name, npy, offset, begin, size, crc: crc32(npy), written: 0 };
    offset = begin - npy.length + size;
    return entry;
  });
}

function headerLength(entry: Entry): number {
  return 30 + entry.name.length + ZIP64_EXTRA;
}

function localHeader(entry: Entry): Buffer {
  const header = Buffer.alloc(headerLength(entry));
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(VERSION, 4);
  header.writeUInt16LE(DATE, 12);
  header.writeUInt32LE(entry.crc, 14);
  header.writeUInt32LE(ALL_ONES, 18);
  header.writeUInt32LE(ALL_ONES, 22);
  header.writeUInt16LE(entry.name.length, 26);
  header.writeUInt16LE(ZIP64_EXTRA, 28);
  entry.name.copy(header, 30);
  const extra = 30 + entry.name.length;
  header.writeUInt16LE(1, extra);
  header.writeUInt16LE(16, extra + 2);
  header.writeBigUInt64LE(BigInt(entry.size), extra + 4);
  header.writeBigUInt64LE(BigInt(entry.size), extra + 12);
  return header;
}

/** The central directory, its zip64 end and the plain end. */
function directory(entries: readonly Entry[], start: number): Buffer {
  const records = entries.map((entry) => {
    const record = Buffer.alloc(46 + entry.name.length + 28);
    record.writeUInt32LE(0x02014b50, 0);
    record.writeUInt16LE(VERSION, 4);
    record.writeUInt16LE(VERSION, 6);
    record.writeUInt16LE(DATE, 14);
    record.writeUInt32LE(entry.crc, 16);
    record.writeUInt32LE(ALL_ONES, 20);
    record.writeUInt32LE(ALL_ONES, 24);
    record.writeUInt16LE(entry.name.length, 28);
    record.writeUInt16LE(28, 30);
    record.writeUInt32LE(ALL_ONES, 42);
    entry.name.copy(record, 46);
    const extra = 46 + entry.name.length;
    record.writeUInt16LE(1, extra);
    record.writeUInt16LE(24, extra + 2);
    record.writeBigUInt64LE(BigInt(entry.size), extra + 4);
    record.writeBigUInt64LE(BigInt(entry.size), extra + 12);
    record.writeBigUInt64LE(BigInt(entry.offset), extra + 20);
    return record;
  });
  const length = records.reduce((sum, record) => sum + record.length, 0);
  const end = Buffer.alloc(56 + 20 + 22);
  end.writeUInt32LE(0x06064b50, 0);
  end.writeBigUInt64LE(44n, 4);
  end.writeUInt16LE(VERSION, 12);
  end.writeUInt16LE(VERSION, 14);
  end.writeBigUInt64LE(BigInt(entries.length), 24);
  end.writeBigUInt64LE(BigInt(entries.length), 32);
  end.writeBigUInt64LE(BigInt(length), 40);
  end.writeBigUInt64LE(BigInt(start), 48);
  end.writeUInt32LE(0x07064b50, 56);
  end.writeBigUInt64LE(BigInt(start + length), 64);
  end.writeUInt32LE(1, 72);
  end.writeUInt32LE(0x06054b50, 76);
  end.writeUInt16LE(entries.length, 84);
  end.writeUInt16LE(entries.length, 86);
  end.writeUInt32LE(ALL_ONES, 88);
  end.writeUInt32LE(ALL_ONES, 92);
  return Buffer.concat([...records, end]);
}

async function writeFully(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

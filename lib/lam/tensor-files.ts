import { open, writeFile } from 'node:fs/promises';
import { ExolamError } from '../base/errors.js';
import { writeInPlace } from '../base/files.js';
import { gigabytes, requireMemory } from '../base/memory.js';
import { decodeTensors, encodeTensors, type TensorFile } from './safetensors.js';

/** Writes the file beside its place and moves it there when it is whole. */
export async function writeTensors(path: string, file: TensorFile): Promise<void> {
  await writeInPlace(path, (partial) => writeFile(partial, encodeTensors(file)));
}

/** Reads a whole file, of at most `limit` bytes: more cannot be one of exolam's. */
export async function readTensors(path: string, limit: number): Promise<TensorFile> {
  const handle = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    throw cannotRead(path, error);
  });
  try {
    const { size } = await handle.stat();
    if (size > limit)
      throw new ExolamError(
        'data',
        `${path}: expected at most ${gigabytes(limit)} but the file has ${gigabytes(size)}`,
      );
    requireMemory(2 * size, path);
    return decodeTensors(await handle.readFile(), path);
  } catch (error) {
    throw cannotRead(path, error as NodeJS.ErrnoException);
  } finally {
    await handle.close();
  }
}

function cannotRead(path: string, error: NodeJS.ErrnoException): unknown {
  if (error instanceof ExolamError || error.code === undefined) return error;
  const why: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such file',
    EACCES: 'permission is denied',
    EISDIR: 'it is a folder',
  };
  return new ExolamError('input', `${path} cannot be read: ${why[error.code] ?? error.message}`, {
    cause: error,
  });
}

import { open, readFile, stat } from 'node:fs/promises';
import { ExolamError } from '../../base/errors.js';
import { gigabytes, requireMemory } from '../../base/memory.js';
import type { Episodes } from '../transitions.js';
import { toEpisodes } from './arrays.js';
import { type ArrayOptions, toMatrix } from './named.js';
import { bytesInMemory, countOf, NPY_PREFIX, npyHeaderLength, npyTarget, parseNpyHeader } from './npy.js';

/** One array, (T, d) or (E, T, d): observations alone, of one episode or of equally long ones. */
export async function readNpy(path: string, options: ArrayOptions): Promise<Episodes> {
  const { size } = await stat(path);
  const file = await open(path, 'r');
  let header: Buffer;
  try {
    const head = Buffer.alloc(NPY_PREFIX);
    const { bytesRead } = await file.read(head, 0, NPY_PREFIX, 0);
    header = Buffer.alloc(npyHeaderLength(head.subarray(0, bytesRead), path));
    await file.read(header, 0, header.length, 0);
  } finally {
    await file.close();
  }
  const { shape, dtype, begin } = parseNpyHeader(header, path);
  const count = countOf(shape, dtype, path, size - begin);
  requireMemory(
    count * (bytesInMemory(dtype) + 16) + size,
    `${path}, ${gigabytes(size)}, and its transitions`,
  );
  const { array, sink } = npyTarget(header, path, size);
  sink((await readFile(path)).subarray(begin));
  const bytes = array.values instanceof Uint8Array;
  const batched = bytes ? shape.length === 5 : shape.length === 3;
  const [episodes = 1, frames = 0] = batched ? shape : [1, shape[0]];
  const layout = { batch: batched ? frames : 0, episodes, notes: [] };
  const observation = toMatrix(path, { name: 'the array', ...array }, layout, options);
  if (observation.rows === 0) throw new ExolamError('data', `${path} has no rows`);
  const numbers = Array.from({ length: episodes }, (_, e) => e);
  return toEpisodes(
    path,
    { observation, image: observation.image },
    { ends: numbers.map((e) => (e + 1) * frames), numbers },
    [
      batched
        ? `the array of shape (${shape.join(', ')}) is taken as ${episodes} episodes of ${frames} frames each`
        : 'a single array: all rows are taken as one episode, in the order of time; an .npz also holds actions and episode_ends',
    ],
  );
}

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Control } from '../../backend/requests.js';
import { ExolamError } from '../../base/errors.js';
import type { Episodes, Transitions } from '../transitions.js';
import { ask } from './file-reader-client.js';
import { type ArrayFile, type ArrayOptions, readNamed } from './named.js';
import type { ZarrArray, ZarrNumbers } from './zarr-read.js';

const LEAST_SECONDS = 5;
const NUMBERS_A_SECOND = 5e6;
const BYTES_A_NUMBER = 64;

/** Is a folder a zarr store, of version 2 or 3? */
export async function isZarr(folder: string): Promise<boolean> {
  const names = await readdir(folder);
  return names.some((name) => ['.zgroup', '.zarray', '.zmetadata', 'zarr.json'].includes(name));
}

/**
 * A zarr store of arrays, named as in an .npz. Groups are looked through: `data/action` is `action` and `meta/episode_ends` is
 * `episode_ends`, as a diffusion policy's replay buffer has them, where no other array has the same last name.
 */
export async function readZarr(
  path: string,
  options: ArrayOptions,
  control: Control,
): Promise<Episodes | Transitions> {
  const { size } = await stat(path);
  const budget = (numbers: number) => ({
    seconds: LEAST_SECONDS + numbers / NUMBERS_A_SECOND,
    bytes: size + BYTES_A_NUMBER * numbers,
  });
  const tree = await ask<ZarrArray[]>({ kind: 'zarr-tree', path }, budget(0), control.signal);
  const arrays = byShortName(tree);
  if (arrays.size === 0) throw new ExolamError('data', `${path} is a zarr store without any array`);
  const count = (shape: readonly number[]) => shape.reduce((product, n) => product * n, 1);
  const notes: string[] = [];
  const file: ArrayFile = {
    path,
    names: [...arrays.keys()],
    notes,
    header: async (name) => {
      const { shape } = arrays.get(name) as ZarrArray;
      return { shape, bytes: 8 * count(shape) };
    },
    async read(short) {
      const { name, shape } = arrays.get(short) as ZarrArray;
      const [numbers] = await ask<ZarrNumbers[]>(
        { kind: 'zarr-arrays', path, names: [name] },
        budget(count(shape)),
        control.signal,
      );
      const { absent, ...array } = numbers as ZarrNumbers;
      if (absent > 0)
        notes.push(
          `${absent} chunk${absent === 1 ? '' : 's'} of ${join(path, name)} ${absent === 1 ? 'has' : 'have'} no file and ${absent === 1 ? 'counts' : 'count'} as its fill value`,
        );
      return array;
    },
  };
  return readNamed(file, inFull(options, arrays));
}

/** Arrays by their last names where these tell them apart, else by their paths. */
function byShortName(tree: readonly ZarrArray[]): ReadonlyMap<string, ZarrArray> {
  const last = ({ name }: ZarrArray) => name.split('/').at(-1) || 'observations';
  const times = new Map<string, number>();
  for (const array of tree) times.set(last(array), (times.get(last(array)) ?? 0) + 1);
  return new Map(tree.map((array) => [times.get(last(array)) === 1 ? last(array) : array.name, array]));
}

/** Options that name an array by its path name it by its short name. */
function inFull(options: ArrayOptions, arrays: ReadonlyMap<string, ZarrArray>): ArrayOptions {
  const short = new Map([...arrays].map(([name, array]) => [array.name, name]));
  return Object.fromEntries(
    Object.entries(options).map(([key, value]) => [
      key,
      typeof value === 'string' ? (short.get(value) ?? value) : value,
    ]),
  );
}

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Control } from '../../backend/requests.js';
import { ExolamError } from '../../base/errors.js';
import { LeftOut } from '../left-out.js';
import { naturally } from '../names.js';
import { throwIfAborted } from '../progress.js';
import type { Episode, Episodes } from '../transitions.js';
import { type ColumnOptions, openTable, readColumns } from './columns.js';

const TABLE = /\.(parquet|csv|tsv)(\.gz)?$/i;

/** The tables of a folder, in natural order; what a system keeps under names with a dot in front is none. */
export async function tablesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder);
  return names.filter((name) => TABLE.test(name) && !name.startsWith('.')).sort(naturally);
}

/** A folder of tables of frames, each with its own episodes, or each an episode; one that cannot be read is left out. */
export async function readFolder(
  folder: string,
  names: readonly string[],
  options: ColumnOptions & { readonly strict?: boolean | undefined },
  control: Control,
): Promise<Episodes> {
  const leftOut = new LeftOut(folder, options.strict ?? false);
  const list: Episode[] = [];
  const notes = new Set<string>([
    `${names.length} files are read as one data set, their episodes numbered in order`,
  ]);
  let first: Episodes | undefined;
  for (const [f, name] of names.entries()) {
    throwIfAborted(control);
    const path = join(folder, name);
    let part: Awaited<ReturnType<typeof readColumns>>;
    try {
      part = await readColumns(path, await openTable(path, control), options);
    } catch (error) {
      if (!(error instanceof ExolamError) || error.kind !== 'data') throw error;
      leftOut.add(f, error.message);
      continue;
    }
    if (!('list' in part))
      throw new ExolamError(
        'data',
        `${path} holds rows that are transitions; a folder is read as files of frames: put them into one file`,
      );
    first ??= part;
    if (part.observationDim !== first.observationDim || part.actionDim !== first.actionDim)
      throw new ExolamError(
        'data',
        `${path} has observations ${part.observationDim} wide and actions ${part.actionDim}, and ${names[0]} ${first.observationDim} and ${first.actionDim}`,
      );
    for (const note of part.notes) if (!note.includes('all rows are taken as one episode')) notes.add(note);
    for (const episode of part.list) list.push({ ...episode, number: list.length });
    control.onProgress?.(f + 1, names.length);
  }
  if (!first) throw leftOut.error();
  return {
    ...first,
    list,
    listed: list.length,
    notes: [...notes, ...leftOut.notes().map((note) => note.replace(/^episode/, 'file'))],
  };
}

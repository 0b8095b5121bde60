import {
  createReadStream,
  createWriteStream,
  existsSync,
  lstatSync,
  readlinkSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { cannotWrite, requireOutput } from '../base/files.js';
import type { Shell } from './run.js';

/** Where a command writes a result: what it may destroy, and whether the user has said that it may. */
export interface Place {
  /** The path that the user gave; undefined where they gave none. */
  readonly out: string | undefined;
  readonly inputs: readonly string[];
  /** Write onto an input, through a symbolic link, into a device or a pipe, and over an earlier result without a word. */
  readonly force: boolean | undefined;
}

/**
 * Before any work is done: no output is one of the inputs or no file at all, and an earlier result is not replaced in silence. Then
 * runs `work` with the path that it is to write; a file is moved to its place when it is whole, so a device gets it afterwards.
 */
export async function withOutput<T>(
  { out, inputs, force }: Place,
  shell: Shell,
  work: (path: string | undefined) => Promise<T>,
): Promise<T> {
  if (out === undefined) return work(undefined);
  if (!force) {
    requireOutput(out, inputs);
    if (existsSync(out)) shell.note(`${out} is there already and is replaced`);
    return work(out);
  }
  const found = statSync(out, { throwIfNoEntry: false });
  if (!found || found.isFile() || found.isDirectory()) {
    const path = targetOf(out);
    requireOutput(path);
    return work(path);
  }
  const folder = await mkdtemp(join(tmpdir(), 'exolam-'));
  try {
    const whole = join(folder, basename(out));
    const result = await work(whole);
    await pipeline(createReadStream(whole), createWriteStream(out)).catch((error) => {
      throw cannotWrite(out, error);
    });
    return result;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The file that a symbolic link leads to, there or not; any other path as it is. */
function targetOf(path: string): string {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) return path;
  return existsSync(path) ? realpathSync(path) : resolve(dirname(path), readlinkSync(path));
}

/** Text for a terminal: what would move its cursor, colour it or set its title is written out instead. */
export function printable(text: string): string {
  return text.replace(
    /[^\P{Cc}\t\n]/gu,
    (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

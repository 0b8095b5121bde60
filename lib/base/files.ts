import { randomBytes } from 'node:crypto';
import { existsSync, lstatSync, readdirSync, realpathSync, type Stats, statSync } from 'node:fs';
import { mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { ExolamError } from './errors.js';

/** The sentence for a file that cannot be written. */
export function cannotWrite(path: string, error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof ExolamError || code === undefined) return error;
  const why: Readonly<Record<string, string>> = {
    ENOENT: 'its folder does not exist',
    EACCES: 'permission is denied',
    EROFS: 'the file system is read-only',
    ENOSPC: 'the disk is full',
    EISDIR: 'it is a folder',
  };
  return new ExolamError('input', `${path} cannot be written: ${why[code] ?? message}`, { cause: error });
}

/**
 * Throws where writing would destroy something else than an earlier result: one of the inputs, or what is no file at all. A
 * file is moved to its place when it is whole, which would put it in the place of a device or of a symbolic link.
 */
export function requireOutput(path: string, inputs: readonly string[] = []): void {
  let found: Stats;
  try {
    found = lstatSync(path);
  } catch {
    return; // Nothing is there; what else is wrong shows when it is written.
  }
  const refuse = (what: string) => new ExolamError('input', `${path} cannot be written: ${what}`);
  if (found.isDirectory()) throw refuse('it is a folder');
  if (found.isSymbolicLink())
    throw refuse('it is a symbolic link, which would be replaced; name the file itself');
  if (!found.isFile()) throw refuse('it is a device, a pipe or a socket, and expected is a file');
  for (const input of inputs) {
    const given = statSync(input, { throwIfNoEntry: false });
    if (!given) continue;
    const same = given.ino === found.ino && given.dev === found.dev;
    const inside = given.isDirectory() && realpathSync(path).startsWith(realpathSync(input) + sep);
    if (same || inside) throw refuse(`it is ${same ? 'the input itself' : `a file of the input ${input}`}`);
  }
}

/** A name beside `path` that nothing else uses: not another call of this process, nor one with its number elsewhere. */
export function partialName(path: string): string {
  return `${path}.${process.pid}-${randomBytes(6).toString('hex')}.partial`;
}

/** Writes a file beside its place and moves it there when it is whole and on the disk; a failure leaves nothing. */
export async function writeInPlace(path: string, write: (partial: string) => Promise<void>): Promise<void> {
  requireOutput(path);
  const partial = partialName(path);
  try {
    await write(partial);
    await sync(partial);
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw cannotWrite(path, error);
  }
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes the folder where there is none; throws where there cannot be one. */
export async function requireFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw unwritable(folder, error);
  }
}

function unwritable(folder: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof ExolamError || code === undefined) return error;
  const message = `${folder}: expected a folder that can be written to, but writing failed (${code})`;
  return new ExolamError('input', message, { cause: error });
}

/**
 * Files by path below `folder`: all are written beside their places first, then moved, so that none is ever half there.
 * Where the folder holds nothing else, it is exchanged as a whole, so that no reader finds files of two sets in it.
 */
export async function writeWhole(
  folder: string,
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<void> {
  const paths = Object.keys(files);
  for (const path of paths) requireOutput(join(folder, path));
  const whole = paths.length > 1 && isOwn(folder, paths);
  const stage = whole ? partialName(resolve(folder)) : join(folder, partialName('.exolam'));
  try {
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(stage, path)), { recursive: true });
      await writeFile(join(stage, path), content);
      await sync(join(stage, path));
    }
    if (whole && (await exchanged(stage, resolve(folder)))) return;
    for (const path of paths) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await rename(join(stage, path), join(folder, path));
    }
  } catch (error) {
    throw unwritable(folder, error);
  } finally {
    await rm(stage, { recursive: true, force: true }).catch(() => {});
  }
}

/** Does a folder hold nothing but the entries of such a set, and can it be put aside? One that someone works in cannot. */
function isOwn(folder: string, paths: readonly string[]): boolean {
  const place = resolve(folder);
  if (!existsSync(place) || lstatSync(folder).isSymbolicLink()) return false;
  if (`${process.cwd()}${sep}`.startsWith(`${realpathSync(place)}${sep}`)) return false;
  const own = new Set(paths.map((path) => path.split('/')[0]));
  return readdirSync(place).every((name) => own.has(name));
}

/** Two renames: the old set away, the new one to its place. False where the folder cannot be moved (a mount, say). */
async function exchanged(stage: string, folder: string): Promise<boolean> {
  const old = partialName(folder);
  try {
    await rename(folder, old);
  } catch {
    return false;
  }
  try {
    await rename(stage, folder);
  } catch (error) {
    await rename(old, folder);
    throw error;
  }
  await rm(old, { recursive: true, force: true });
  return true;
}

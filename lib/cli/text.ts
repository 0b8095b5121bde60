// Text of files that the command line is given: JSON of all kinds.
import { readFile, stat } from 'node:fs/promises';
import { ExolamError } from '../base/errors.js';
import { gigabytes } from '../base/memory.js';

/** A file of more has no place in one string of the engine. */
const LONGEST = 2 ** 29 - 32;

/** The text of a file or a pipe; a device may have no end. */
export async function readText(path: string): Promise<string> {
  try {
    const found = await stat(path);
    if (found.isCharacterDevice() || found.isBlockDevice())
      throw new ExolamError('input', `${path}: expected a file but it is a device`);
    if (found.size > LONGEST)
      throw new ExolamError(
        'input',
        `${path}: expected at most ${gigabytes(LONGEST)} of JSON but the file has ${gigabytes(found.size)}`,
      );
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof ExolamError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'no such file' : `cannot be read (${code ?? message})`;
    throw new ExolamError('input', `${path}: ${why}`);
  }
}

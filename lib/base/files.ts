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

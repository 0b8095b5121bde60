import { availableMemory } from '#available-memory';
import { ExolamError } from './errors.js';

/** A claim about a file's contents is not allowed to take more than this share of the machine's memory. */
export const MEMORY_SHARE = 0.75;

export function gigabytes(bytes: number): string {
  return bytes < 1e9 ? `${(bytes / 1e6).toPrecision(3)} MB` : `${(bytes / 1e9).toPrecision(3)} GB`;
}

/** Every machine has this much: not worth a question to the system, which costs more than many an answer. */
const ALWAYS = 2 ** 26;

/** Refuses what this machine cannot hold, before anything is allocated for it. */
export function requireMemory(bytes: number, what: string): void {
  if (bytes <= ALWAYS) return;
  const limit = MEMORY_SHARE * availableMemory();
  if (!(bytes <= limit))
    throw new ExolamError(
      'data',
      `${what} would take ${gigabytes(bytes)} of memory, and at most ${gigabytes(limit)} can be given to it on this machine`,
    );
}

/** A zeroed (rows, dim) matrix. */
export function allocate(rows: number, dim: number, what: string): Float64Array {
  requireMemory(rows * dim * 8, `${what} (${rows} x ${dim})`);
  try {
    return new Float64Array(rows * dim);
  } catch (cause) {
    throw new ExolamError('data', `${what} (${rows} x ${dim}) is too large for one array`, { cause });
  }
}

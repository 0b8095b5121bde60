import { ExolamError } from './errors.js';

/** Any failure as an {@link ExolamError}: one that nobody foresaw is a fault of exolam, unless memory ran out. */
export function asExolamError(call: string, error: unknown): ExolamError {
  if (error instanceof ExolamError) return error;
  const message = error instanceof Error ? error.message : String(error);
  // What V8 throws for a typed array, an array or a buffer that is too large.
  if (error instanceof RangeError && /array|buffer|allocation/i.test(message))
    return new ExolamError('data', `${call}: expected sizes that fit in memory, but ${message}`, {
      cause: error,
    });
  return new ExolamError('internal', `${call}: ${message}`, { cause: error });
}

/** Runs the body of a public call: whatever escapes it is an {@link ExolamError}. */
export async function boundary<T>(call: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    throw asExolamError(call, error);
  }
}

/** The same for a call that answers at once. */
export function boundarySync<T>(call: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw asExolamError(call, error);
  }
}

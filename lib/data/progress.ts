import type { Control } from '../backend/requests.js';
import { ExolamError } from '../base/errors.js';

export function cancelled(): ExolamError {
  return new ExolamError('cancelled', 'reading the data was cancelled');
}

export function throwIfAborted(control: Control): void {
  if (control.signal?.aborted) throw cancelled();
}

/** Runs `work` on every item, at most `limit` at a time; the first failure stops the others and is the one thrown. */
export async function forEachParallel<T>(
  items: readonly T[],
  limit: number,
  control: Control,
  work: (item: T, control: Control) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const signal = control.signal ? AbortSignal.any([control.signal, stop.signal]) : stop.signal;
  const inner: Control = { ...control, signal };
  const failures: unknown[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length && failures.length === 0) {
      try {
        throwIfAborted(inner);
        await work(items[next++], inner);
      } catch (failure) {
        failures.push(failure);
        stop.abort();
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, lane));
  if (failures.length > 0) throw failures[0];
}

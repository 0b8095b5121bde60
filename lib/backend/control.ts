import { z } from 'zod';
import { ExolamError } from '../base/errors.js';
import { describes, integer } from '../base/validate.js';
import type { Backend, Control } from './requests.js';

/** More threads than any machine has cores to give; a mistyped number is no reason to start a million. */
const MOST_THREADS = 1024;

/** A function of the caller's, called with news; what it throws reaches the caller as an ExolamError, like everything else. */
export function listenerField<News extends readonly unknown[]>(name: string, of: string) {
  const guarded =
    (listener: (...news: News) => void) =>
    (...news: News): void => {
      try {
        listener(...news);
      } catch (cause) {
        if (cause instanceof ExolamError) throw cause;
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new ExolamError('input', `${name}: expected a function that returns, but it threw: ${why}`, {
          cause,
        });
      }
    };
  return z
    .custom<(...news: News) => void>((value) => typeof value === 'function', `expected a function of ${of}`)
    .transform(guarded)
    .optional();
}

type Progress = Parameters<NonNullable<Control['onProgress']>>;
export const onProgressField = listenerField<Progress>('onProgress', 'done and total');

/** The fields of {@link Control}, for the schema of any call's options. */
export const controlFields = {
  signal: z
    .custom<AbortSignal>((value) => value instanceof AbortSignal, 'expected an AbortSignal')
    .optional(),
  onProgress: onProgressField,
  threads: integer(1, MOST_THREADS).optional(),
};

/** The calls without which nothing can be asked of a backend. */
const CALLS = ['info', 'solvePopulation', 'solveMoments'] as const;

export const backendField = z
  .custom<Backend>(
    (value) =>
      typeof value === 'object' &&
      value !== null &&
      CALLS.every((call) => typeof (value as Record<string, unknown>)[call] === 'function'),
    'expected a backend, such as defaultBackend() or referenceBackend,',
  )
  .optional();

export const controlSchema = describes<Control>()(z.strictObject(controlFields));

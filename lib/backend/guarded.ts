import { ExolamError } from '../base/errors.js';
import type { Backend } from './requests.js';

/** A typed array, or a request of them, also inside others, copied: what the caller does to its own later is of no concern. */
function copied<T>(value: T): T {
  if (ArrayBuffer.isView(value)) return (value as unknown as Float64Array).slice() as unknown as T;
  if (Array.isArray(value)) return value.map(copied) as unknown as T;
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype)
    return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, copied(inner)])) as T;
}

/** The numbers of an answer, written where the caller wants them; an array that has been given away meanwhile is an error. */
function handed<T extends object>(answer: T, into: T | undefined): T {
  if (into === undefined) return answer;
  const pairs: [unknown, unknown][] = ArrayBuffer.isView(answer)
    ? [[answer, into]]
    : Object.entries(answer).map(([key, value]) => [value, (into as Record<string, unknown>)[key]]);
  for (const [from, to] of pairs) {
    if (!ArrayBuffer.isView(from) || !ArrayBuffer.isView(to)) continue;
    if (to.byteLength !== from.byteLength)
      throw new ExolamError(
        'input',
        'an array to write to was transferred or resized while the call was running',
      );
    (to as Float64Array).set(from as Float64Array);
  }
  return into;
}

/** What a backend says of a request that is none, as a sentence of ours. */
function refused(call: string, error: unknown): unknown {
  if (error instanceof ExolamError && error.kind !== 'internal') return error;
  // A check of the addon or before it comes as a fault: of a request of exolam's it is one, of a caller's it is not.
  const said = error instanceof ExolamError ? (error.cause ?? error) : error;
  const check = said instanceof TypeError || said instanceof RangeError || said instanceof ExolamError;
  return check ? new ExolamError('input', `${call}: ${said.message}`, { cause: said }) : error;
}

/** The calls of a backend, each of whose refusals is an ExolamError. */
function speaking(backend: Backend): Backend {
  const calls = Object.entries(backend) as [string, (...args: unknown[]) => unknown][];
  const all = calls.map(([name, call]) => [
    name,
    (...args: unknown[]) => {
      try {
        const answer = call.apply(backend, args);
        if (!(answer instanceof Promise)) return answer;
        return answer.catch((error: unknown) => {
          throw refused(name, error);
        });
      } catch (error) {
        throw refused(name, error);
      }
    },
  ]);
  return Object.fromEntries(all) as unknown as Backend;
}

/** Calls that end before they return. */
const AT_ONCE: readonly (keyof Backend)[] = ['info', 'normals', 'normalsF32'];

/**
 * A backend for callers who keep their arrays: the native one computes on other threads, in memory that the caller could transfer,
 * shrink or write to meanwhile. Requests are copied before, and answers after; exolam's own calls do without.
 */
export function guarded(backend: Backend): Backend {
  const calls = Object.entries(backend) as [keyof Backend, (...args: unknown[]) => Promise<unknown>][];
  const all = calls.map(([name, call]) => [
    name,
    AT_ONCE.includes(name)
      ? call
      : async (...args: unknown[]) => {
          const options = args.map((arg, i) => (isControl(arg, i) ? arg : copied(arg)));
          return call.apply(backend, options);
        },
  ]);
  return speaking({
    ...(Object.fromEntries(all) as unknown as Backend),
    solvePopulation: async (r, control, into) =>
      handed(await backend.solvePopulation(copied(r), control), into),
    sample: async (r, control, into) => handed(await backend.sample(copied(r), control), into),
    sampleF32: async (r, control, into) => handed(await backend.sampleF32(copied(r), control), into),
    symmetricEigen: async (matrices, n, count, control, into) =>
      handed(await backend.symmetricEigen(copied(matrices), n, count, control), into),
    choleskySolve: async (matrices, rightSides, n, m, count, control, into) =>
      handed(await backend.choleskySolve(copied(matrices), copied(rightSides), n, m, count, control), into),
  });
}

/** Signals and callbacks are the caller's own. */
function isControl(arg: unknown, place: number): boolean {
  return place > 0 && typeof arg === 'object' && arg !== null && !ArrayBuffer.isView(arg);
}

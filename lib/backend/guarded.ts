import { ExolamError } from '../base/errors.js';
import type { Backend } from './requests.js';

/** Anything with typed arrays in it: each is copied, so that what the caller does to its own later is of no concern. */
function copied<T>(value: T): T {
  if (ArrayBuffer.isView(value)) return (value as unknown as Float64Array).slice() as unknown as T;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, ArrayBuffer.isView(inner) ? copied(inner) : inner]),
  ) as T;
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

/**
 * A backend for callers who keep their arrays: the native one computes on other threads, in memory that the caller could transfer,
 * shrink or write to meanwhile. Requests are copied before, and answers after; exolam's own calls do without.
 */
export function guarded(backend: Backend): Backend {
  return {
    info: () => backend.info(),
    solvePopulation: async (r, control, into) =>
      handed(await backend.solvePopulation(copied(r), control), into),
    solveMoments: async (r, control) => backend.solveMoments(copied(r), control),
    probe: async (r, control) => backend.probe(copied(r), control),
    accumulate: async (r, control) => backend.accumulate(copied(r), control),
    multiply: async (r, control) => backend.multiply(copied(r), control),
    sample: async (r, control, into) => handed(await backend.sample(copied(r), control), into),
    sampleF32: async (r, control, into) => handed(await backend.sampleF32(copied(r), control), into),
    wishart: async (r, control) => backend.wishart(copied(r), control),
    // These two end before they return.
    normals: (...args) => backend.normals(...args),
    normalsF32: (...args) => backend.normalsF32(...args),
    symmetricEigen: async (matrices, n, count, control, into) =>
      handed(await backend.symmetricEigen(copied(matrices), n, count, control), into),
    choleskySolve: async (matrices, rightSides, n, m, count, control, into) =>
      handed(await backend.choleskySolve(copied(matrices), copied(rightSides), n, m, count, control), into),
  };
}

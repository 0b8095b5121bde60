import type { Control } from '../backend/requests.js';
import { POPULATION_METRICS } from '../backend/requests.js';
import { defaultBackend } from '../backend/select.js';
import { figuresOf } from './part.js';
import { type Points, placesOf } from './points.js';

/** What a sweep is expected to take. */
export interface SweepCost {
  readonly points: number;
  /** On this machine, with so many threads: measured on a few points of every objective. */
  readonly seconds: number;
  /** Of the files. */
  readonly bytes: number;
}

/** Configurations that are tried for each objective: exact ones share a call, fitted ones do not. */
const TRIED = { exact: 256, fitted: 2 } as const;

export async function costOf(points: Points, control: Control): Promise<SweepCost> {
  const isExact = points.spec.samples.every((n) => n === Number.POSITIVE_INFINITY);
  const threads = control.threads ?? defaultBackend().info().threads;
  let seconds = 0;
  for (const branch of points.branches) {
    const count = Math.min(branch.configurations, isExact ? TRIED.exact : TRIED.fitted);
    const first = Math.floor((branch.configurations - count) / 2);
    const segment = { branch, places: placesOf(branch, first, count), count };
    let took = 0;
    // The first time code is warmed up.
    for (let round = 0; round < 2; round++) {
      const begin = performance.now();
      await figuresOf(points.spec, [segment], { signal: control.signal, threads: 1 });
      took = performance.now() - begin;
    }
    seconds += ((took / 1e3) * branch.configurations) / count / threads;
  }
  return { points: points.count, seconds, bytes: points.count * bytesPerRow(points) };
}

/** Figures take eight bytes each; parameters as many bits as their values need. */
function bytesPerRow({ branches, spec }: Points): number {
  const axes = branches[0].axes.map(({ length }) => length);
  const bits = [...axes, spec.latentDims.length].reduce(
    (sum, length) => sum + Math.ceil(Math.log2(Math.max(2, length))),
    0,
  );
  return 8 * (1 + POPULATION_METRICS.length) + 4 + (bits + 4) / 8;
}

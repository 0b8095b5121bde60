import type { Control } from '../backend/requests.js';
import { POPULATION_METRICS } from '../backend/requests.js';
import { defaultBackend } from '../backend/select.js';
import { figuresOf } from './part.js';
import { type Points, placesOf, pointsOf } from './points.js';
import type { Checked } from './spec.js';

/** What a sweep is expected to take. */
export interface SweepCost {
  readonly points: number;
  /** On this machine, with so many threads: measured on a few points of every objective. */
  readonly seconds: number;
  /** Of the files. */
  readonly bytes: number;
}

/** Points that come about in one way: a spec of them alone, how many configurations to try, and how many times their cost all have. */
interface Share {
  readonly spec: Checked;
  readonly tried: number;
  readonly times: number;
}

/** Configurations that are tried for each objective: exact ones share a call, fitted and trained ones do not. */
const TRIED = { exact: 256, fitted: 2, trained: 1 } as const;
/** Steps of a training that is tried: what it takes grows as they do. */
const STEPS = 50;

export async function costOf(points: Points, control: Control): Promise<SweepCost> {
  const threads = control.threads ?? defaultBackend().info().threads;
  const quiet: Control = { signal: control.signal, threads: 1 };
  let seconds = 0;
  for (const { spec, tried, times } of sharesOf(points.spec))
    seconds += times * (await secondsOf(spec, tried, quiet));
  return { points: points.count, seconds: seconds / threads, bytes: points.count * bytesPerRow(points) };
}

/** What takes microseconds, milliseconds or seconds a point is measured apart. */
function sharesOf(spec: Checked): Share[] {
  const shares: Share[] = [];
  const exact = spec.samples.filter((n) => n === Number.POSITIVE_INFINITY);
  const fitted = spec.samples.filter(Number.isFinite);
  const untrained = { ...spec, train: undefined };
  if (exact.length > 0) shares.push({ spec: { ...untrained, samples: exact }, tried: TRIED.exact, times: 1 });
  if (fitted.length > 0)
    shares.push({ spec: { ...untrained, samples: fitted }, tried: TRIED.fitted, times: 1 });
  const { train } = spec;
  if (!train) return shares;
  // A step costs what its rows do, whatever its size.
  const rows = train.keys.indexOf('batchSize');
  for (const batchSize of new Set(train.points.map((point) => point[rows]))) {
    const own = train.points.filter((point) => point[rows] === batchSize);
    const steps = Math.min(STEPS, ...own.map(([all]) => all));
    const plan = { ...train, points: [[steps, ...own[0].slice(1)]] };
    const times = own.reduce((sum, [all]) => sum + all / steps, 0);
    shares.push({ spec: { ...spec, samples: [], train: plan }, tried: TRIED.trained, times });
  }
  return shares;
}

/** All points of a spec on one thread, by a few of every objective. */
async function secondsOf(spec: Checked, tried: number, control: Control): Promise<number> {
  let seconds = 0;
  for (const branch of pointsOf(spec).branches) {
    const count = Math.min(branch.configurations, tried);
    const first = Math.floor((branch.configurations - count) / 2);
    const segment = { branch, places: placesOf(branch, first, count), count };
    let took = 0;
    // The first time code is warmed up.
    for (let round = 0; round < 2; round++) {
      const begin = performance.now();
      await figuresOf(spec, [segment], control);
      took = performance.now() - begin;
    }
    seconds += ((took / 1e3) * branch.configurations) / count;
  }
  return seconds;
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

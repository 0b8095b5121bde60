import type { Control } from '../backend/requests.js';
import { POPULATION_METRICS } from '../backend/requests.js';
import { defaultBackend } from '../backend/select.js';
import { toParquet } from './parquet.js';
import { figuresOf } from './part.js';
import { type Points, placesOf, pointsOf } from './points.js';
import { tableOf } from './rows.js';
import type { Checked } from './spec.js';

/** What a sweep is expected to take. */
export interface SweepCost {
  readonly points: number;
  /** On this machine where it is idle, with so many threads: by the processor time of a few points of every objective. */
  readonly seconds: number;
  /** Of the files. */
  readonly bytes: number;
}

/** Configurations that are tried for each objective: exact ones share a call, fitted ones do not. */
const TRIED = { exact: 1024, fitted: 2 } as const;
/** How often, of which the least counts: the first time code is warmed up. */
const ROUNDS = 3;
/** Steps of the shortest training that is tried; others are longer, until one differs from it by so many seconds of a processor. */
const STEPS = 5;
const ENOUGH = 0.05;

export async function costOf(points: Points, control: Control): Promise<SweepCost> {
  const threads = control.threads ?? defaultBackend().info().threads;
  const quiet: Control = { signal: control.signal, threads: 1 };
  const seconds = (await untrainedSeconds(points.spec, quiet)) + (await trainedSeconds(points.spec, quiet));
  return { points: points.count, seconds: seconds / threads, bytes: points.count * bytesPerRow(points) };
}

/** What takes microseconds and what takes milliseconds a point, measured apart. */
async function untrainedSeconds({ samples, ...spec }: Checked, control: Control): Promise<number> {
  const exact = samples.filter((n) => n === Number.POSITIVE_INFINITY);
  const fitted = samples.filter(Number.isFinite);
  let seconds = 0;
  for (const [own, tried] of [
    [exact, TRIED.exact],
    [fitted, TRIED.fitted],
  ] as const)
    if (own.length > 0)
      seconds += await secondsOf({ ...spec, train: undefined, samples: own }, tried, ROUNDS, control);
  return seconds;
}

/** A step costs what its rows do, whatever its size; to begin and to judge cost the same whatever the steps. */
async function trainedSeconds(spec: Checked, control: Control): Promise<number> {
  const { train } = spec;
  if (!train) return 0;
  const rows = train.keys.indexOf('batchSize');
  let seconds = 0;
  for (const batchSize of new Set(train.points.map((point) => point[rows]))) {
    const own = train.points.filter((point) => point[rows] === batchSize);
    const trained = (steps: number, rounds: number) => {
      const plan = { ...train, points: [[steps, ...own[0].slice(1)]] };
      return secondsOf({ ...spec, samples: [], train: plan }, 1, rounds, control);
    };
    const least = await trained(STEPS, 2);
    const each = pointsOf({ ...spec, samples: [], train: { ...train, points: [own[0]] } });
    const enough = (ENOUGH * each.configurations) / each.branches.length;
    const most = Math.max(...own.map(([steps]) => steps));
    // What two differ by is the steps', and what is left the beginning's and the end's.
    let step = 0;
    for (let more = 10 * STEPS, apart = 0; more < 10 * most && apart < enough; more *= 4) {
      apart = (await trained(more, 1)) - least;
      step = Math.max(0, apart) / (more - STEPS);
    }
    for (const [steps] of own) seconds += Math.max(0, least - STEPS * step) + steps * step;
  }
  return seconds;
}

/** All points of a spec on one thread, written, by a few of every objective. */
async function secondsOf(spec: Checked, tried: number, rounds: number, control: Control): Promise<number> {
  let seconds = 0;
  for (const branch of pointsOf(spec).branches) {
    const count = Math.min(branch.configurations, tried);
    const first = Math.floor((branch.configurations - count) / 2);
    const segments = [{ branch, places: placesOf(branch, first, count), count }];
    let least = Number.POSITIVE_INFINITY;
    for (let round = 0; round < rounds; round++) {
      const begin = processorSeconds();
      toParquet(tableOf(spec, segments, await figuresOf(spec, segments, control)), {});
      least = Math.min(least, processorSeconds() - begin);
    }
    seconds += (least * branch.configurations) / count;
  }
  return seconds;
}

/** What the process has had of all processors: the time on a clock would count what else the machine does. */
function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
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

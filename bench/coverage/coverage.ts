import type { Backend, EstimatedMetric, FittedObjective } from '../../lib/backend/requests.js';
import { chooseStrength } from '../../lib/metrics/choose-strength.js';
import {
  fittedObjective,
  intervalsOf,
  type Prepared,
  prepare,
  ridgesOf,
} from '../../lib/metrics/estimates.js';
import { type FoldErrors, foldErrors } from '../../lib/metrics/fold-errors.js';
import {
  answerOf,
  type ErrorSums,
  intervalOf,
  isBelow,
  isLeakage,
  knowsAction,
} from '../../lib/metrics/interval.js';
import { type EstimatedData, unitMoments } from '../../lib/moments/of-units.js';
import type { ObjectiveSpec } from '../../lib/solve/objectives.js';
import { type SimulatedWorld, simulatedWorld, uniforms } from './worlds.js';

export const COVERED: readonly EstimatedMetric[] = [
  'actionError',
  'futureLeakage',
  'innovationLeakage',
  'latentShare.exogenous',
  'latentShare.action',
];

/** Fresh episodes that are judged, and fresh trainings that are averaged over, for the value that an interval should hold. */
const JUDGED = 400;
const TRAININGS = 16;
const RESAMPLES = 1000;
const LEVEL = 0.1;

/** Columns as another sample's scale has them. */
function scaledAs(t: EstimatedData, sample: EstimatedData): EstimatedData {
  const by = (values: Float64Array, like: readonly Float64Array[], width: number) => {
    const rows = like.reduce((sum, v) => sum + v.length, 0) / width;
    const [mean, square] = [new Float64Array(width), new Float64Array(width)];
    for (const v of like)
      v.forEach((value, i) => {
        mean[i % width] += value / rows;
        square[i % width] += value ** 2 / rows;
      });
    return values.map((v, i) => {
      const j = i % width;
      return (v - mean[j]) / Math.sqrt(square[j] - mean[j] ** 2);
    });
  };
  const { observationDim: d, actionDim: da, exogenousDim: dx } = t;
  const views = [sample.observation, sample.observationNext];
  const clutter = [sample.exogenous, sample.exogenousNext] as Float64Array[];
  return {
    ...t,
    observation: by(t.observation, views, d),
    observationNext: by(t.observationNext, views, d),
    action: by(t.action as Float64Array, [sample.action as Float64Array], da),
    exogenous: by(t.exogenous as Float64Array, clutter, dx),
    exogenousNext: by(t.exogenousNext as Float64Array, clutter, dx),
  };
}

/** The rows of the episodes from `begin` up to `end`. */
function episodesOf(t: EstimatedData, begin: number, end: number): EstimatedData {
  const first = t.episode.indexOf(begin);
  const last = end > (t.episode.at(-1) as number) ? t.count : t.episode.indexOf(end);
  const cut = (values: Float64Array, width: number) => values.subarray(first * width, last * width);
  return {
    ...t,
    count: last - first,
    observation: cut(t.observation, t.observationDim),
    observationNext: cut(t.observationNext, t.observationDim),
    action: cut(t.action as Float64Array, t.actionDim),
    exogenous: cut(t.exogenous as Float64Array, t.exogenousDim),
    exogenousNext: cut(t.exogenousNext as Float64Array, t.exogenousDim),
    episode: t.episode.subarray(first, last).map((e) => e - begin),
  };
}

/**
 * Expected num over expected den on a fresh episode, after training on so many fresh episodes: with one objective, or with the one
 * that each training set chooses.
 */
async function truth(
  world: SimulatedWorld,
  sample: EstimatedData,
  rows: number,
  trained: number,
  ridge: number,
  spec: ObjectiveSpec | ((training: EstimatedData) => Promise<ObjectiveSpec>),
  backend: Backend,
): Promise<Map<EstimatedMetric, number>> {
  const fresh = scaledAs(world.episodes(JUDGED + TRAININGS * trained, rows), sample);
  // Unit 0: what is judged; then the two halves of each training set.
  const unit = fresh.episode.map((e) => {
    if (e < JUDGED) return 0;
    const [set, within] = [Math.floor((e - JUDGED) / trained), (e - JUDGED) % trained];
    return 1 + 2 * set + Number(within >= trained / 2);
  });
  const options = { scale: 'given', discreteActions: true } as const;
  const all = await unitMoments(fresh, unit, 1 + 2 * TRAININGS, options, backend);
  const size = all.width ** 2;
  const sums = new Map(COVERED.map((metric) => [metric, [0, 0] as [number, number]]));
  for (let i = 0; i < TRAININGS; i++) {
    const moments = new Float64Array(3 * size);
    moments.set(all.moments.subarray(0, size));
    moments.set(all.moments.subarray((1 + 2 * i) * size, (3 + 2 * i) * size), size);
    const fold = Int32Array.of(0, 1, 2);
    const set = JUDGED + i * trained;
    const own = typeof spec === 'function' ? await spec(episodesOf(fresh, set, set + trained)) : spec;
    const errors = await foldErrors(
      { moments: { ...all, moments }, fold, group: fold, units: 3 },
      {
        objectives: [fittedObjective(own, fresh, all)],
        latentDims: [world.latentDim],
        ridges: ridgesOf(ridge, 3),
      },
      backend,
    );
    for (const [metric, total] of sums) {
      const found = errors.sums(0, 0, metric) as ErrorSums;
      total[0] += found.num[0];
      total[1] += found.den[0];
    }
  }
  return new Map(
    [...sums].map(([metric, [num, den]]) => [metric, isLeakage(metric) ? 1 - num / den : num / den]),
  );
}

/** The interval that resampling the sums makes, without fitting anything again: what must not be used. */
function resampled(
  metric: EstimatedMetric,
  { num, den }: ErrorSums,
  uniform: () => number,
): [number, number] {
  const n = num.length;
  const ratios = Array.from({ length: RESAMPLES }, () => {
    let [a, b] = [0, 0];
    for (let i = 0; i < n; i++) {
      const pick = Math.floor(uniform() * n);
      a += num[pick];
      b += den[pick];
    }
    return isLeakage(metric) ? 1 - a / b : a / b;
  }).sort((a, b) => a - b);
  return [ratios[Math.floor(0.025 * RESAMPLES)], ratios[Math.ceil(0.975 * RESAMPLES) - 1]];
}

async function foldErrorsOf(
  t: EstimatedData,
  k: number,
  spec: ObjectiveSpec,
  seed: number,
  backend: Backend,
) {
  const data = (await prepare(t, { seed }, backend)) as Prepared;
  const folds = Math.max(...data.fold) + 1;
  const objectives: FittedObjective[] = [fittedObjective(spec, t, data.moments)];
  const errors: FoldErrors = await foldErrors(
    data,
    { objectives, latentDims: [k], ridges: ridgesOf(undefined, folds) },
    backend,
  );
  return { errors, folds };
}

function specOf(seed: number): ObjectiveSpec {
  if (seed % 2) return { kind: 'reconstruction' };
  return { kind: 'action-supervised', weight: 10 ** (2 * uniforms(seed + 77)() - 1) };
}

/** Of one metric over many worlds: how often the intervals that are measurable held the value. */
export interface Coverage {
  readonly metric: EstimatedMetric;
  readonly measured: number;
  readonly worlds: number;
  readonly held: number;
  /** The same of intervals from resampled sums. */
  readonly heldResampled: number;
  readonly medianWidth: number;
}

/** Ends of the sizes of a leak, the greater of innovationLeakage and z's exogenous share. */
export const SIZES = [0.05, 0.1, 0.2, 0.4, 1] as const;

/** Of worlds whose leak has one size: how many, and how often the answer was `leaks` and `does-not-leak`. */
export interface Power {
  worlds: number;
  leaks: number;
  clean: number;
}

/** Coverage of the 95 % intervals over fresh worlds, and what was answered by size of the leak (`SIZES`; above 0.1 there is one). */
export async function coverage(
  worlds: number,
  episodes: number,
  rows: number,
  backend: Backend,
): Promise<{ readonly metrics: readonly Coverage[]; readonly power: readonly Power[] }> {
  const power = SIZES.map((): Power => ({ worlds: 0, leaks: 0, clean: 0 }));
  const found = COVERED.map((metric) => ({
    metric,
    measured: 0,
    held: 0,
    heldResampled: 0,
    widths: [] as number[],
  }));
  for (let seed = 0; seed < worlds; seed++) {
    const world = simulatedWorld(1000 * episodes + seed);
    const spec = specOf(seed);
    const t = world.episodes(episodes, rows);
    const { errors, folds } = await foldErrorsOf(t, world.latentDim, spec, seed, backend);
    const ridge = [...errors.ridges].sort((a, b) => a - b)[Math.floor(folds / 2)];
    const trained = Math.round((episodes * (folds - 1)) / folds);
    const right = await truth(world, t, rows, trained, ridge, spec, backend);
    const uniform = uniforms(seed);
    const leak = Math.max(
      right.get('innovationLeakage') as number,
      right.get('latentShare.exogenous') as number,
    );
    const size = power[SIZES.findIndex((end) => leak < end)];
    const answer = answerOf(intervalsOf(errors, 0, 0), LEVEL);
    size.worlds++;
    size.leaks += Number(answer === 'leaks');
    size.clean += Number(answer === 'does-not-leak');
    for (const row of found) {
      const sums = errors.sums(0, 0, row.metric) as ErrorSums;
      const e = intervalOf(row.metric, sums);
      if (e.reason !== null) continue;
      const value = right.get(row.metric) as number;
      const [low, high] = resampled(row.metric, sums, uniform);
      row.measured++;
      row.held += Number(e.low <= value && value <= e.high);
      row.heldResampled += Number(low <= value && value <= high);
      row.widths.push(e.high - e.low);
    }
  }
  const metrics = found.map(({ widths, ...row }) => ({
    ...row,
    worlds,
    medianWidth: widths.sort((a, b) => a - b)[Math.floor(widths.length / 2)],
  }));
  return { metrics, power };
}

/** Weights that are chosen among: from none to one that leaves no leak. */
const WEIGHTS = [0, 0.3, 1, 3, 10, 30] as const;

/**
 * Coverage where a weight is chosen inside each fold: the value to hold is that of training sets that choose their own, judged on
 * fresh episodes.
 */
export async function coverageOfChoice(worlds: number, episodes: number, rows: number, backend: Backend) {
  const candidates = WEIGHTS.map((weight): ObjectiveSpec => ({ kind: 'action-supervised', weight }));
  const found = COVERED.map((metric) => ({ metric, measured: 0, held: 0 }));
  for (let seed = 0; seed < worlds; seed++) {
    const world = simulatedWorld(1000 * episodes + seed);
    const latentDim = Math.max(2, world.latentDim);
    const t = world.episodes(episodes, rows);
    const answer = await chooseStrength(t, { latentDim, candidates, seed, backend });
    const ridge = [...answer.ridges].sort((a, b) => a - b)[Math.floor(answer.ridges.length / 2)];
    const inner = answer.ridges.length - 1;
    const trained = Math.round((episodes * inner) / (inner + 1));
    /** As a fold chooses: on as many inner folds as are left of all. */
    const choose = async (training: EstimatedData): Promise<ObjectiveSpec> => {
      const folds = Array.from({ length: trained }, (_, e) => e % inner);
      const data = (await prepare(training, { scale: 'given', folds }, backend)) as Prepared;
      const objectives = candidates.map((spec) => fittedObjective(spec, training, data.moments));
      const errors = await foldErrors(
        data,
        { objectives, latentDims: [latentDim], ridges: ridgesOf(undefined, inner) },
        backend,
      );
      const good = objectives.findIndex((_, v) =>
        isBelow(intervalOf('innovationLeakage', errors.sums(v, 0, 'innovationLeakage') as ErrorSums), LEVEL),
      );
      return candidates[good < 0 ? candidates.length - 1 : good];
    };
    const right = await truth({ ...world, latentDim }, t, rows, trained, ridge, choose, backend);
    for (const row of found) {
      const e = answer.metrics[row.metric];
      if (!e || e.low === null || e.high === null) continue;
      const value = right.get(row.metric) as number;
      row.measured++;
      row.held += Number(e.low <= value && value <= e.high);
    }
  }
  return found;
}

/** On data where nothing has to do with anything: how often z is said to leak, and to know the action. */
export async function falseAnswers(worlds: number, episodes: number, rows: number, backend: Backend) {
  let [leaks, knows] = [0, 0];
  for (let seed = 0; seed < worlds; seed++) {
    const world = simulatedWorld(1000 * episodes + seed, true);
    const t = world.episodes(episodes, rows);
    const { errors } = await foldErrorsOf(t, world.latentDim, specOf(seed), seed, backend);
    const intervals = Object.fromEntries(
      COVERED.map((metric) => [metric, intervalOf(metric, errors.sums(0, 0, metric) as ErrorSums)]),
    );
    leaks += Number(answerOf(intervals, LEVEL) === 'leaks');
    knows += Number(knowsAction(intervals) === true);
  }
  return { worlds, leaks, knows };
}

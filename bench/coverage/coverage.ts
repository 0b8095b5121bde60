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

/** Of one objective, trained on one training set: what its metrics sum to on the fresh episodes. */
type Sums = ReadonlyMap<EstimatedMetric, readonly [num: number, den: number]>;

/** Fresh training sets, and what every objective gives on fresh episodes after each. */
interface Trainings {
  readonly sets: readonly EstimatedData[];
  /** [training][objective] */
  readonly errors: readonly (readonly Sums[])[];
}

async function trainings(
  { world, sample, rows, trained, ridge }: Asked,
  specs: readonly ObjectiveSpec[],
  backend: Backend,
): Promise<Trainings> {
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
  const objectives = specs.map((spec) => fittedObjective(spec, fresh, all));
  const fold = Int32Array.of(0, 1, 2);
  const errors: Sums[][] = [];
  for (let i = 0; i < TRAININGS; i++) {
    const moments = new Float64Array(3 * size);
    moments.set(all.moments.subarray(0, size));
    moments.set(all.moments.subarray((1 + 2 * i) * size, (3 + 2 * i) * size), size);
    const found = await foldErrors(
      { moments: { ...all, moments }, fold, group: fold, units: 3 },
      { objectives, latentDims: [world.latentDim], ridges: ridgesOf(ridge, 3) },
      backend,
    );
    const sumsOf = (v: number, metric: EstimatedMetric) => {
      const { num, den } = found.sums(v, 0, metric) as ErrorSums;
      return [num[0], den[0]] as const;
    };
    errors.push(specs.map((_, v) => new Map(COVERED.map((metric) => [metric, sumsOf(v, metric)]))));
  }
  const sets = errors.map((_, i) => episodesOf(fresh, JUDGED + i * trained, JUDGED + (i + 1) * trained));
  return { sets, errors };
}

/** What the value that an interval should hold depends on. */
interface Asked {
  readonly world: SimulatedWorld;
  readonly sample: EstimatedData;
  /** Of an episode. */
  readonly rows: number;
  /** Episodes of a training set. */
  readonly trained: number;
  readonly ridge: number;
}

/** Expected num over expected den. */
function expected(metric: EstimatedMetric, all: readonly Sums[]): number {
  let [num, den] = [0, 0];
  for (const sums of all) {
    const [n, d] = sums.get(metric) as readonly [number, number];
    num += n;
    den += d;
  }
  return isLeakage(metric) ? 1 - num / den : num / den;
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

export const medianOf = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

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
    const asked = { world, sample: t, rows, trained, ridge };
    const right = (await trainings(asked, [spec], backend)).errors.map(([sums]) => sums);
    const uniform = uniforms(seed);
    const leak = Math.max(expected('innovationLeakage', right), expected('latentShare.exogenous', right));
    const size = power[SIZES.findIndex((end) => leak < end)];
    const answer = answerOf(intervalsOf(errors, 0, 0), LEVEL);
    size.worlds++;
    size.leaks += Number(answer === 'leaks');
    size.clean += Number(answer === 'does-not-leak');
    for (const row of found) {
      const sums = errors.sums(0, 0, row.metric) as ErrorSums;
      const e = intervalOf(row.metric, sums);
      if (e.reason !== null) continue;
      const value = expected(row.metric, right);
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
    medianWidth: medianOf(widths),
  }));
  return { metrics, power };
}

/** Weights that are chosen among: from none to one that leaves no leak. */
const WEIGHTS = [0, 0.3, 1, 3, 10, 30] as const;
const CANDIDATES = WEIGHTS.map((weight): ObjectiveSpec => ({ kind: 'action-supervised', weight }));

/** Of one metric where a strength was chosen inside the folds. */
export interface CoverageOfChoice {
  readonly metric: EstimatedMetric;
  readonly measured: number;
  /** Intervals that held what the folds' strengths give after training on fresh episodes: what they speak of. */
  readonly held: number;
  /** And what fresh training sets give that each choose a strength of their own, with which another sample may part. */
  readonly heldChoosing: number;
  readonly medianWidth: number;
}

/** As a fold chooses among the candidates, on as many inner folds as are left of all. */
async function choiceOf(
  training: EstimatedData,
  latentDim: number,
  inner: number,
  backend: Backend,
): Promise<number> {
  const folds = Array.from({ length: Math.max(...training.episode) + 1 }, (_, e) => e % inner);
  const data = (await prepare(training, { scale: 'given', folds }, backend)) as Prepared;
  const objectives = CANDIDATES.map((spec) => fittedObjective(spec, training, data.moments));
  const errors = await foldErrors(
    data,
    { objectives, latentDims: [latentDim], ridges: ridgesOf(undefined, inner) },
    backend,
  );
  const good = objectives.findIndex((_, v) =>
    isBelow(intervalOf('innovationLeakage', errors.sums(v, 0, 'innovationLeakage') as ErrorSums), LEVEL),
  );
  return good < 0 ? CANDIDATES.length - 1 : good;
}

/**
 * Coverage where a weight is chosen inside each fold. `choosing`: also of what training sets give that choose anew, which takes most
 * of the time.
 */
export async function coverageOfChoice(
  worlds: number,
  episodes: number,
  rows: number,
  backend: Backend,
  choosing = true,
): Promise<{ readonly metrics: readonly CoverageOfChoice[]; readonly parted: number }> {
  const found = COVERED.map((metric) => ({
    metric,
    measured: 0,
    held: 0,
    heldChoosing: 0,
    widths: [] as number[],
  }));
  let parted = 0;
  for (let seed = 0; seed < worlds; seed++) {
    const drawn = simulatedWorld(1000 * episodes + seed);
    const world = { ...drawn, latentDim: Math.max(2, drawn.latentDim) };
    const t = world.episodes(episodes, rows);
    const answer = await chooseStrength(t, {
      latentDim: world.latentDim,
      candidates: CANDIDATES,
      seed,
      backend,
    });
    const folds = answer.ridges.length;
    const ridge = [...answer.ridges].sort((a, b) => a - b)[Math.floor(folds / 2)];
    const trained = Math.round((episodes * (folds - 1)) / folds);
    const { sets, errors } = await trainings({ world, sample: t, rows, trained, ridge }, CANDIDATES, backend);
    const ofChosen = errors.flatMap((training) => answer.chosen.map((at) => training[at]));
    const anew: Sums[] = [];
    for (const [i, set] of choosing ? sets.entries() : [])
      anew.push(errors[i][await choiceOf(set, world.latentDim, folds - 1, backend)]);
    parted += Number(new Set(answer.chosen).size > 1);
    for (const row of found) {
      const e = answer.metrics[row.metric];
      if (!e || e.low === null || e.high === null) continue;
      const [low, high] = [e.low, e.high];
      const holds = (all: readonly Sums[]) => {
        const value = expected(row.metric, all);
        return Number(low <= value && value <= high);
      };
      row.measured++;
      row.held += holds(ofChosen);
      row.heldChoosing += holds(anew);
      row.widths.push(high - low);
    }
  }
  const metrics = found.map(({ widths, ...row }) => ({ ...row, medianWidth: medianOf(widths) }));
  return { metrics, parted };
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

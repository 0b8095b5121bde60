import type { Backend, EstimatedMetric, FittedObjective } from '../../lib/backend/requests.js';
import { fittedObjective, type Prepared, prepare, ridgesOf } from '../../lib/metrics/estimates.js';
import { type FoldErrors, foldErrors } from '../../lib/metrics/fold-errors.js';
import { answerOf, type ErrorSums, intervalOf, isLeakage, knowsAction } from '../../lib/metrics/interval.js';
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

/** Expected num over expected den on a fresh episode, after training on so many fresh episodes. */
async function truth(
  world: SimulatedWorld,
  sample: EstimatedData,
  rows: number,
  trained: number,
  ridge: number,
  spec: ObjectiveSpec,
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
    const errors = await foldErrors(
      { moments: { ...all, moments }, fold, group: fold, units: 3 },
      {
        objectives: [fittedObjective(spec, fresh, all)],
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

/** Coverage of the 95 % intervals over fresh worlds. */
export async function coverage(
  worlds: number,
  episodes: number,
  rows: number,
  backend: Backend,
): Promise<Coverage[]> {
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
  return found.map(({ widths, ...row }) => ({
    ...row,
    worlds,
    medianWidth: widths.sort((a, b) => a - b)[Math.floor(widths.length / 2)],
  }));
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
    leaks += Number(answerOf(intervals, 0.1) === 'leaks');
    knows += Number(knowsAction(intervals) === true);
  }
  return { worlds, leaks, knows };
}

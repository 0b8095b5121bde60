import type { Backend, Control, EstimatedMetric, FittedObjective } from '../backend/requests.js';
import { defaultBackend } from '../backend/select.js';
import { ExolamError } from '../base/errors.js';
import { greatestOf } from '../base/extremes.js';
import type { EstimatedData } from '../moments/of-units.js';
import type { ObjectiveSpec } from '../solve/objectives.js';
import {
  checkedLatentDims,
  checkedLevel,
  type EstimateOptions,
  type EstimateTable,
  FEW_UNITS,
  fittedObjective,
  intervalsOf,
  type Prepared,
  portion,
  prepare,
  ridgesOf,
  tableOf,
} from './estimates.js';
import { foldErrors, withoutFold } from './fold-errors.js';
import { type Answer, answerOf, type Interval, isBelow } from './interval.js';

export interface StrengthOptions extends Omit<EstimateOptions, 'latentDims' | 'objectives' | 'ridges'> {
  readonly latentDim: number;
  /** The same objective at ascending strengths. */
  readonly candidates: readonly ObjectiveSpec[];
  /** What has to fall below the level. Default innovationLeakage, or futureLeakage where x is not known. */
  readonly metric?: EstimatedMetric;
}

/** A strength chosen inside the folds, and how what it makes does on the folds that did not choose it. */
export interface ChosenStrength {
  readonly units: number;
  readonly latentDim: number;
  readonly metric: EstimatedMetric;
  readonly level: number;
  /** The place of each fold's choice among the candidates: the last one where none reaches the level. */
  readonly chosen: readonly number[];
  /** Whether each fold's choice reached the level. */
  readonly reached: readonly boolean[];
  readonly folds: readonly number[];
  readonly groups: readonly number[];
  readonly ridges: readonly number[];
  readonly metrics: EstimateTable;
  readonly answer: Answer;
  readonly reason: string | null;
}

/** Share of the progress that choosing takes. */
const ROWS_SHARE = 0.2;
const CHOICE_SHARE = 0.9;

/**
 * The least strength whose leakage is below the level, chosen inside the training folds and judged on the fold left out;
 * the jackknife keeps the choices, so that intervals are of models with the strengths in `chosen`, not of what other episodes
 * would choose. Throws {@link ExolamError}.
 */
export async function chooseStrength(
  t: EstimatedData,
  options: StrengthOptions,
  control?: Control,
): Promise<ChosenStrength> {
  const backend = options.backend ?? defaultBackend();
  checkedLatentDims([options.latentDim], t.observationDim);
  const level = checkedLevel(options.level);
  if (options.candidates.length === 0)
    throw new ExolamError('input', 'candidates: expected at least one objective but received none');
  const metric = options.metric ?? (t.exogenous && t.exogenousNext ? 'innovationLeakage' : 'futureLeakage');
  const about = { latentDim: options.latentDim, metric, level };
  const data = await prepare(t, options, backend, portion(control, 0, ROWS_SHARE));
  if (!('moments' in data)) {
    const none = { chosen: [], reached: [], folds: [], groups: [], ridges: [], metrics: {} };
    return { units: data.count, ...about, ...none, answer: 'unknown', reason: FEW_UNITS };
  }
  if (greatestOf(data.fold) + 1 < 4)
    throw new ExolamError(
      'input',
      `folds: expected at least 4 folds to choose inside of, but received ${greatestOf(data.fold) + 1}`,
    );
  const objectives = options.candidates.map((spec) => fittedObjective(spec, t, data.moments));
  const isEnough = (e: Partial<Record<EstimatedMetric, Interval>>) => {
    const own = e[metric];
    if (!own) throw new ExolamError('input', `metric ${metric}: expected data that has its variables`);
    return isBelow(own, level);
  };
  const { chosen, reached, ridges, intervals } = await chooseInside(
    data,
    { objectives, latentDim: options.latentDim, ridge: null, isEnough },
    backend,
    portion(control, ROWS_SHARE, 1),
  );
  return {
    units: data.units,
    ...about,
    chosen,
    reached,
    folds: Array.from(data.folds),
    groups: Array.from(data.groups),
    ridges: Array.from(ridges),
    metrics: tableOf(intervals),
    answer: answerOf(intervals, level),
    reason: null,
  };
}

/** What is chosen among, and what makes a candidate enough. */
export interface InsideQuestion {
  /** Ascending in strength. */
  readonly objectives: readonly FittedObjective[];
  readonly latentDim: number;
  /** One for all folds, or null: chosen inside each. */
  readonly ridge: number | null;
  readonly isEnough: (intervals: Partial<Record<EstimatedMetric, Interval>>) => boolean;
}

export interface InsideChoice {
  /** The place of each fold's choice: the first that is enough, or the last. */
  readonly chosen: readonly number[];
  readonly reached: readonly boolean[];
  readonly ridges: Float64Array;
  /** Of the choices, on the folds that did not choose them. */
  readonly intervals: Partial<Record<EstimatedMetric, Interval>>;
}

/** The first candidate that is enough inside the training folds of each fold, judged on the fold left out. */
export async function chooseInside(
  data: Prepared,
  { objectives, latentDim, ridge, isEnough }: InsideQuestion,
  backend: Backend,
  control?: Control,
): Promise<InsideChoice> {
  const folds = greatestOf(data.fold) + 1;
  const latentDims = [latentDim];
  const choices: { readonly at: number; readonly reached: boolean }[] = [];
  for (let f = 0; f < folds; f++) {
    const inner = await foldErrors(
      withoutFold(data, f),
      { objectives, latentDims, ridges: ridgesOf(ridge ?? undefined, folds - 1) },
      backend,
      portion(control, (CHOICE_SHARE * f) / folds, (CHOICE_SHARE * (f + 1)) / folds),
    );
    const good = objectives.findIndex((_, v) => isEnough(intervalsOf(inner, v, 0)));
    choices.push({ at: good < 0 ? objectives.length - 1 : good, reached: good >= 0 });
  }
  const chosen = choices.map(({ at }) => at);
  const errors = await foldErrors(
    data,
    { objectives, chosen, latentDims, ridges: ridgesOf(ridge ?? undefined, folds) },
    backend,
    portion(control, CHOICE_SHARE, 1),
  );
  return {
    chosen,
    reached: choices.map(({ reached }) => reached),
    ridges: errors.ridges,
    intervals: intervalsOf(errors, 0, 0),
  };
}

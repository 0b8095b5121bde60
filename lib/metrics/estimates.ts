import {
  type Backend,
  type Control,
  ESTIMATED,
  type EstimatedMetric,
  type FittedObjective,
} from '../backend/requests.js';
import { defaultBackend } from '../backend/select.js';
import { ExolamError } from '../base/errors.js';
import { greatestOf } from '../base/extremes.js';
import { gigabytes } from '../base/memory.js';
import { checkedFolds, foldsOf, groupsOf, type Units, unitsOf, WIDE } from '../data/units.js';
import { scaleColumns } from '../linalg/matrix.js';
import {
  type EstimatedData,
  type Scale,
  type UnitMoments,
  unitMoments,
  unitRows,
} from '../moments/of-units.js';
import { type ObjectiveSpec, requireProjection, resolveObjective } from '../solve/objectives.js';
import { type FoldErrors, type FoldedMoments, foldErrors } from './fold-errors.js';
import {
  type Answer,
  answerOf,
  type Difference,
  differenceOf,
  type Interval,
  intervalOf,
} from './interval.js';

export interface EstimateOptions {
  /** Latent dimensions to report, at least 1. */
  readonly latentDims: readonly number[];
  /** Default: reconstruction. With several, the others' differences from the first are estimated too. */
  readonly objectives?: readonly ObjectiveSpec[];
  /** The fold of each unit (episode, in order of appearance; or block of one long episode), from 0. Default: seeded. */
  readonly folds?: readonly number[];
  /** Default `standard`: units of measure say nothing. */
  readonly scale?: Scale;
  /** Of the default folds. Default 0. */
  readonly seed?: number;
  /** A leakage below it counts as none. Default 0.1. */
  readonly level?: number;
  /** One ridge for all folds, or one for each, relative to a regressor's variance. Default: chosen inside each fold. */
  readonly ridges?: number | readonly number[];
  /** Few distinct whole values in one column of actions are categories. Default true. */
  readonly discreteActions?: boolean;
  readonly backend?: Backend;
}

/** An estimate as it is reported: value, low and high are null where it cannot be measured, and `reason` says why. */
export interface Estimate {
  readonly value: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly training: number | null;
  readonly standardError: number | null;
  readonly degreesOfFreedom: number | null;
  readonly rough: boolean;
  readonly reason: string | null;
}

export type EstimateTable = Partial<Record<EstimatedMetric, Estimate>>;

export interface LatentEstimates {
  readonly latentDim: number;
  readonly objective: ObjectiveSpec;
  readonly metrics: EstimateTable;
  readonly answer: Answer;
}

export interface DifferenceEstimates {
  readonly latentDim: number;
  /** The metrics of `objective` less those of `from`, on the same folds. */
  readonly objective: ObjectiveSpec;
  readonly from: ObjectiveSpec;
  readonly metrics: Partial<Record<EstimatedMetric, Difference>>;
}

/** What a study needs to be repeated, and its estimates. Plain data. */
export interface Estimates {
  readonly units: number;
  /** The units are blocks of one long episode. */
  readonly blocks: boolean;
  /** Values of a discrete action, ascending, or null where actions are numbers. */
  readonly categories: readonly number[] | null;
  readonly scale: Scale;
  readonly level: number;
  readonly folds: readonly number[];
  /** What the jackknife left out at a time: units of one number. */
  readonly groups: readonly number[];
  readonly ridges: readonly number[];
  readonly latent: readonly LatentEstimates[];
  readonly differences: readonly DifferenceEstimates[];
  /** Why there are no estimates, or null. */
  readonly reason: string | null;
}

/** Fewer units than this leave nothing to compare. */
export const FEWEST_UNITS = 4;
export const FEW_UNITS = 'fewer than 4 episodes';
const DEFAULT_LEVEL = 0.1;
/** Bytes of moments, one matrix a unit, beyond which the units of a group are summed. */
const MOST_BYTES = 2 ** 30;
/** Units beyond which those of a group are summed too: rows that are independent are a unit each. */
const MOST_UNITS = 2000;
/** Coordinates of o beyond which its folds' regressions, of d^3 operations each, would take more than some ten minutes. */
const MOST_COORDINATES = 6000;
/** Share of the progress that goes to the one pass over rows. */
const ROWS_SHARE = 0.3;

const fail = (field: string, accepted: string, value: unknown) =>
  new ExolamError('input', `${field}: expected ${accepted} but received ${String(value)}`);

/** Units of the data, in folds, with their moments. */
export interface Prepared extends FoldedMoments {
  readonly folds: Int32Array;
  readonly groups: Int32Array;
  readonly blocks: boolean;
}

/**
 * The one pass over rows: joint moments a unit, of scaled columns; a group where one a unit would take more than `mostBytes`.
 * Without moments where there are too few units.
 */
export async function prepare(
  t: EstimatedData,
  options: Omit<EstimateOptions, 'latentDims'>,
  backend: Backend,
  control?: Control,
  mostBytes = MOST_BYTES,
): Promise<Prepared | Pick<Units, 'count' | 'blocks'>> {
  const { count, unit, blocks } = unitsOf(t.episode);
  if (count < FEWEST_UNITS) return { count, blocks };
  const folds = options.folds
    ? checkedFolds(options.folds, count)
    : foldsOf(count, blocks, options.seed ?? 0);
  const groups = groupsOf(folds, t.observationDim);
  const of = {
    scale: options.scale ?? 'standard',
    discreteActions: options.discreteActions ?? true,
  } as const;
  const d = t.observationDim;
  const views = 2 + (t.endogenousNext ? 1 : 0) + (t.pairObservation ? 2 : 0);
  const width = 1 + views * d + (t.action ? t.actionDim : 0) + 2 * t.exogenousDim;
  requireFewCoordinates(d, width);
  // Of wide observations rows are kept: a matrix a fold would be larger than they are.
  const wide = d > WIDE;
  const bundled = count > MOST_UNITS || (!wide && count * width ** 2 * 8 > mostBytes);
  const numbers = [...new Set(groups)].sort((a, b) => a - b);
  const labelsOf = (labels: Int32Array) =>
    bundled ? Int32Array.from(numbers, (g) => labels[groups.indexOf(g)]) : labels;
  const partOf = bundled ? groups.map((g) => numbers.indexOf(g)) : Int32Array.from(folds, (_, u) => u);
  const part = unit.map((u) => partOf[u]);
  const moments = wide
    ? await unitRows(t, part, of, control)
    : await unitMoments(t, part, bundled ? numbers.length : count, of, backend, control);
  return {
    moments,
    fold: labelsOf(folds),
    group: labelsOf(groups),
    units: count,
    folds,
    groups,
    blocks,
  };
}

function requireFewCoordinates(d: number, width: number): void {
  if (d <= MOST_COORDINATES) return;
  const moments = gigabytes(8 * width ** 2);
  throw new ExolamError(
    'input',
    `observation: expected at most ${MOST_COORDINATES} coordinates but received ${d}, whose moments would take ${moments} and their regressions hours: make images smaller (--resize), or give the leading principal components of all rows in the place of o and o' (n rows have at most n - 1)`,
  );
}

/** An objective for columns as they were scaled: a projection sees the observation as it was given. */
export function fittedObjective(
  spec: ObjectiveSpec,
  t: EstimatedData,
  moments: UnitMoments,
): FittedObjective {
  const resolved = resolveObjective(spec);
  const lacks = (what: string) =>
    new ExolamError(
      'input',
      `objective ${resolved.spec.kind}: expected data with ${what}, but this data has none`,
    );
  if (resolved.needsAction && !t.action) throw lacks('actions');
  if (resolved.needsPair && !(t.pairObservation && t.pairObservationNext)) throw lacks('paired views');
  requireProjection(resolved, t.observationDim);
  const unscaled = moments.observationFactor.map((f) => (f > 0 ? 1 / f : 0));
  return {
    rows: resolved.rows,
    coefficients: resolved.coefficients,
    projection: resolved.projection ? scaleColumns(resolved.projection, unscaled).data : new Float64Array(0),
    projectionDim: resolved.projection?.rows ?? 0,
  };
}

export function checkedLatentDims(latentDims: readonly number[], observationDim: number): number[] {
  if (latentDims.length === 0) throw fail('latentDims', 'at least one latent dimension', 'none');
  for (const k of latentDims) {
    if (!Number.isInteger(k) || k < 1) throw fail('latentDim', 'a positive integer', k);
    if (k > observationDim) throw fail('latentDim', `at most observationDim (${observationDim})`, k);
  }
  return [...new Set(latentDims)].sort((a, b) => a - b);
}

export function checkedLevel(level: number = DEFAULT_LEVEL): number {
  if (level >= 0 && level < 1) return level;
  throw fail('level', 'a number from 0 up to, not including, 1', level);
}

export function ridgesOf(ridges: EstimateOptions['ridges'], folds: number): Float64Array {
  const all = Array.isArray(ridges)
    ? (ridges as readonly number[])
    : new Array<number>(folds).fill((ridges as number | undefined) ?? Number.NaN);
  if (all.length !== folds) throw fail('ridges', `one ridge for each of ${folds} folds`, all.length);
  if (ridges !== undefined)
    for (const r of all)
      if (!(r >= 0 && Number.isFinite(r))) throw fail('ridges', 'numbers of at least 0', r);
  return Float64Array.from(all);
}

const finite = (v: number) => (Number.isFinite(v) ? v : null);

export function reported(e: Interval): Estimate {
  const measured = e.reason === null;
  return {
    value: measured ? finite(e.value) : null,
    low: measured ? finite(e.low) : null,
    high: measured ? finite(e.high) : null,
    training: finite(e.training),
    standardError: finite(e.standardError),
    degreesOfFreedom: finite(e.degreesOfFreedom),
    rough: e.rough,
    reason: e.reason,
  };
}

/** Every metric that the data has, of one objective and the i-th latent dimension. */
export function intervalsOf(
  errors: FoldErrors,
  objective: number,
  latent: number,
): Partial<Record<EstimatedMetric, Interval>> {
  const found: Partial<Record<EstimatedMetric, Interval>> = {};
  for (const metric of ESTIMATED) {
    const sums = errors.sums(objective, latent, metric);
    if (sums) found[metric] = intervalOf(metric, sums);
  }
  return found;
}

export function tableOf(intervals: Partial<Record<EstimatedMetric, Interval>>): EstimateTable {
  const table: EstimateTable = {};
  for (const [metric, e] of Object.entries(intervals)) table[metric as EstimatedMetric] = reported(e);
  return table;
}

/** The part of a call's progress from one share to another. */
export function portion(control: Control | undefined, from: number, to: number): Control {
  return {
    ...control,
    onProgress: (done, total) => control?.onProgress?.(from + ((to - from) * done) / total, 1),
  };
}

/**
 * Metrics of linear LAMs on data, cross-fitted over episodes, each with a 95 % interval from a jackknife that refits: theory.md
 * section 4, "Metrics on data". Throws {@link ExolamError}.
 */
export async function estimate(
  t: EstimatedData,
  options: EstimateOptions,
  control?: Control,
): Promise<Estimates> {
  const backend = options.backend ?? defaultBackend();
  const latentDims = checkedLatentDims(options.latentDims, t.observationDim);
  const level = checkedLevel(options.level);
  const scale = options.scale ?? 'standard';
  const specs = options.objectives ?? [{ kind: 'reconstruction' }];
  if (specs.length === 0) throw fail('objectives', 'at least one objective', 'none');
  const data = await prepare(t, options, backend, portion(control, 0, ROWS_SHARE));
  if (!('moments' in data)) {
    const { count: units, blocks } = data;
    const none = { folds: [], groups: [], ridges: [], latent: [], differences: [] };
    return { units, blocks, categories: null, scale, level, ...none, reason: FEW_UNITS };
  }
  const errors = await foldErrors(
    data,
    {
      objectives: specs.map((spec) => fittedObjective(spec, t, data.moments)),
      latentDims,
      ridges: ridgesOf(options.ridges, greatestOf(data.fold) + 1),
    },
    backend,
    portion(control, ROWS_SHARE, 1),
  );
  const latent = specs.flatMap((objective, v) =>
    latentDims.map((latentDim, l) => {
      const intervals = intervalsOf(errors, v, l);
      return { latentDim, objective, metrics: tableOf(intervals), answer: answerOf(intervals, level) };
    }),
  );
  const [from, ...others] = specs as [ObjectiveSpec, ...ObjectiveSpec[]];
  const differences = others.flatMap((objective, i) =>
    latentDims.map((latentDim, l) => ({
      latentDim,
      objective,
      from,
      metrics: differencesOf(errors, i + 1, l),
    })),
  );
  return {
    units: data.units,
    blocks: data.blocks,
    categories: data.moments.categories,
    scale,
    level,
    folds: Array.from(data.folds),
    groups: Array.from(data.groups),
    ridges: Array.from(errors.ridges),
    latent,
    differences,
    reason: null,
  };
}

/** Of one objective less the first, at the i-th latent dimension. */
export function differencesOf(
  errors: FoldErrors,
  objective: number,
  latent: number,
): Partial<Record<EstimatedMetric, Difference>> {
  const found: Partial<Record<EstimatedMetric, Difference>> = {};
  for (const metric of ESTIMATED) {
    const [own, first] = [errors.sums(objective, latent, metric), errors.sums(0, latent, metric)];
    if (own && first) found[metric] = differenceOf(metric, own, first);
  }
  return found;
}

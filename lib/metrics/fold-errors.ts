import { Pace } from '../backend/pace.js';
import {
  type Backend,
  type Control,
  ESTIMATED,
  type EstimatedMetric,
  type EstimatesAnswer,
  type FittedObjective,
  type RowColumn,
  UNIT_VARIABLES,
  type UnitRows,
  type UnitVariable,
} from '../backend/requests.js';
import { requireOk } from '../backend/status.js';
import { greatestOf } from '../base/extremes.js';
import { groupsOf, renumbered } from '../data/units.js';
import { inStretches, type UnitMoments } from '../moments/of-units.js';
import type { ErrorSums } from './interval.js';

/** Ridges that are tried, relative to a regressor's training variance. */
export const RIDGES = Float64Array.from({ length: 12 }, (_, i) => Number(`1e${i - 8}`));

/** The metrics whose target says when nothing is left to explain. */
const TARGETS: Partial<Record<EstimatedMetric, UnitVariable>> = {
  actionError: 'action',
  futureLeakage: 'exogenousNext',
  innovationLeakage: 'exogenousNext',
  endogenousError: 'endogenousNext',
};

/** Moments of units that are dealt to folds. */
export interface FoldedMoments {
  readonly moments: UnitMoments;
  /** For each matrix of `moments`. */
  readonly fold: Int32Array;
  readonly group: Int32Array;
  /** Units of the data. */
  readonly units: number;
}

export interface FoldedQuestion {
  readonly objectives: readonly FittedObjective[];
  /** The objective of each fold, where each has its own. */
  readonly chosen?: readonly number[] | undefined;
  readonly latentDims: readonly number[];
  /** For each fold; NaN: chosen by the fold. */
  readonly ridges: Float64Array;
}

/** Sums of squared errors, fold by fold, and whatever is made of them. */
export interface FoldErrors {
  readonly ridges: Float64Array;
  /** Of one objective (0 where each fold has its own), the i-th latent dimension and a metric; null where the data lacks its variables. */
  sums(objective: number, latent: number, metric: EstimatedMetric): ErrorSums | null;
}

/** Sums of squares about the mean over all rows, of each variable. */
async function totalsOf(moments: UnitMoments, control?: Control): Promise<Map<UnitVariable, number>> {
  const { layout, width, rows } = moments;
  if (rows) {
    const totals = new Map<UnitVariable, number>();
    for (const [v, name] of UNIT_VARIABLES.entries())
      totals.set(name, await squaresOf(rows.columns[v], rows.unit, control));
    return totals;
  }
  const units = moments.moments.length / (width * width);
  const all = (i: number, j: number) => {
    let sum = 0;
    for (let u = 0; u < units; u++) sum += moments.moments[(u * width + i) * width + j];
    return sum;
  };
  const count = all(0, 0);
  return new Map(
    UNIT_VARIABLES.map((name, v) => {
      let total = 0;
      for (let j = layout[2 * v]; j < layout[2 * v] + layout[2 * v + 1]; j++)
        total += all(j, j) - all(0, j) ** 2 / count;
      return [name, total];
    }),
  );
}

async function squaresOf(column: RowColumn | null, unit: Int32Array, control?: Control): Promise<number> {
  if (!column) return 0;
  const { values, width, mean, factor } = column;
  const sums = new Float64Array(width);
  const pace = new Pace({ signal: control?.signal }, 1);
  let [count, total] = [0, 0];
  await inStretches(values, width, pace, (from, to) => {
    for (let at = from; at < to; at += width) {
      if (unit[at / width] < 0) continue;
      count++;
      for (let j = 0; j < width; j++) {
        const v = (values[at + j] - mean[j]) * factor[j];
        sums[j] += v;
        total += v * v;
      }
    }
  });
  return sums.reduce((left, sum) => left - sum ** 2 / Math.max(1, count), total);
}

/** Fits every fold, and every fold without each group, in one call of the backend. */
export async function foldErrors(
  data: FoldedMoments,
  question: FoldedQuestion,
  backend: Backend,
  control?: Control,
): Promise<FoldErrors> {
  const { moments, fold } = data;
  const group = renumbered(data.group);
  const [units, groups] = [fold.length, greatestOf(group) + 1];
  const latentDims = Int32Array.from(question.latentDims);
  const answer = await backend.estimate(
    {
      units,
      width: moments.width,
      moments: moments.moments,
      rows: moments.rows,
      layout: moments.layout,
      folds: greatestOf(fold) + 1,
      groups,
      fold,
      group,
      objectives: question.objectives,
      chosen: question.chosen ? Int32Array.from(question.chosen) : null,
      latentDims,
      ridges: question.ridges,
      grid: RIDGES,
    },
    control,
  );
  requireOk(answer.status[0], 'estimate');
  const totals = await totalsOf(moments, control);
  const sums = (objective: number, latent: number, metric: EstimatedMetric): ErrorSums | null => {
    const m = ESTIMATED.indexOf(metric);
    const at = ((objective * latentDims.length + latent) * ESTIMATED.length + m) * 2;
    if (Number.isNaN(answer.training[at + 1])) return null;
    const target = TARGETS[metric];
    return {
      num: part(answer.held, at, units),
      den: part(answer.held, at + 1, units),
      training: [answer.training[at], answer.training[at + 1]],
      replicates: ratios(answer, at, groups),
      total: target ? (totals.get(target) ?? null) : null,
      units: data.units,
    };
  };
  return { ridges: answer.ridges, sums };
}

const part = (values: Float64Array, row: number, length: number) =>
  values.subarray(row * length, (row + 1) * length);

function ratios(answer: EstimatesAnswer, at: number, groups: number): Float64Array {
  const [num, den] = [part(answer.replicates, at, groups), part(answer.replicates, at + 1, groups)];
  return num.map((v, g) => (den[g] > 0 ? v / den[g] : Number.NaN));
}

function rowsWithoutFold(data: FoldedMoments, rows: UnitRows, left: number): FoldedMoments {
  const kept = Array.from(data.fold.keys()).filter((u) => data.fold[u] !== left);
  const place = new Map(kept.map((u, i) => [u, i]));
  const fold = renumbered(Int32Array.from(kept, (u) => data.fold[u]));
  return {
    moments: { ...data.moments, rows: { ...rows, unit: rows.unit.map((u) => place.get(u) ?? -1) } },
    fold,
    group: fold,
    units: kept.length,
  };
}

/** The same data without one fold: its folds renumbered, its groups dealt anew. */
export function withoutFold(data: FoldedMoments, left: number): FoldedMoments {
  const { moments, fold } = data;
  if (moments.rows) return rowsWithoutFold(data, moments.rows, left);
  const size = moments.width ** 2;
  const kept = Array.from(fold.keys()).filter((u) => fold[u] !== left);
  const own = new Float64Array(kept.length * size);
  kept.forEach((u, i) => {
    own.set(moments.moments.subarray(u * size, (u + 1) * size), i * size);
  });
  const inner = renumbered(Int32Array.from(kept, (u) => fold[u]));
  return {
    moments: { ...moments, moments: own },
    fold: inner,
    group: groupsOf(inner, moments.layout[1]),
    units: kept.length,
  };
}

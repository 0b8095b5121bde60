import { z } from 'zod';
import { backendField, controlFields } from '../backend/control.js';
import { type Backend, type Control, STATUS } from '../backend/requests.js';
import { defaultBackend } from '../backend/select.js';
import { requireOk } from '../backend/status.js';
import { boundary } from '../base/boundary.js';
import { RELATIVE_TOLERANCE } from '../base/conventions.js';
import { ExolamError } from '../base/errors.js';
import { greatestOf } from '../base/extremes.js';
import { describes, integer, numberThat, parseOptions } from '../base/validate.js';
import { checkedFolds, foldsOf, unitsOf } from '../data/units.js';
import { failureOf, type NotMeasurable } from '../metrics/interval.js';
import { meanOfSums, momentsAbout, type Placed, sumsOver } from '../moments/of-rows.js';
import { categoriesOf, type EstimatedData, type Scale, scaledColumns } from '../moments/of-units.js';
import { permutation } from '../random/permutation.js';

export interface LabelCurveOptions extends Control {
  /** Latents, at least as many as the action has directions: its coordinates, or one less than its categories. */
  readonly latentDim: number;
  /** What the mean squared error of labelled actions weighs beside that of o', in the units that `scale` leaves; at least 0. */
  readonly weight: number;
  /** Numbers of labelled transitions, at least 1, in each training set. Default: 10, 20, 50, .. up to all. */
  readonly counts?: readonly number[] | undefined;
  /** Numbers of episodes that are labelled whole. Default: 1, 2, 5, .. up to all; none where an episode is one transition. */
  readonly episodeCounts?: readonly number[] | undefined;
  /** Seeded draws of labels, from 1. Default 20. */
  readonly draws?: number | undefined;
  /** Of draws and folds. Default 0. */
  readonly seed?: number | undefined;
  /** Default `standard`: units of measure say nothing. */
  readonly scale?: Scale | undefined;
  /** The fold of each unit, from 0. Default: seeded. */
  readonly folds?: readonly number[] | undefined;
  /** Few distinct whole values in one column of actions are categories. Default true. */
  readonly discreteActions?: boolean | undefined;
  /** Of every regression, relative to the regressors' mean variance, at least 0. Default 1e-4. */
  readonly ridge?: number | undefined;
  /** Random starts of each training beside those with a closed form; the least loss wins. Default 2. */
  readonly starts?: number | undefined;
  /** Iterations of each start at most, from 1. Default 2000. */
  readonly iterations?: number | undefined;
  /** What computes. Default: {@link defaultBackend}. */
  readonly backend?: Backend | undefined;
}

/** Over draws of labels. */
export interface Spread {
  readonly mean: number;
  /** 5th and 95th percentile. */
  readonly low: number;
  readonly high: number;
}

export interface LabelPoint {
  /** Labelled transitions in a training set, on average over folds and draws. */
  readonly transitions: number;
  /** Episodes that were labelled whole; null where single transitions were. */
  readonly episodes: number | null;
  /** Null without the exogenous state, and where it cannot be measured. */
  readonly leakage: Spread | null;
  /** Null where it cannot be measured. */
  readonly actionError: Spread | null;
  /** Why each of them cannot be measured, or null. */
  readonly reasons: Readonly<Record<'leakage' | 'actionError', NotMeasurable | null>>;
  /** Share of the trainings that reached the tolerance; the others were stopped where the loss is nearly flat. */
  readonly converged: number;
}

/** Leakage and action error against the number of labels. Plain data. */
export interface LabelCurve {
  readonly latentDim: number;
  readonly weight: number;
  readonly scale: Scale;
  readonly ridge: number;
  readonly draws: number;
  readonly seed: number;
  /** What `leakage` is: innovationLeakage where the data has x, futureLeakage where it has x' alone. */
  readonly metric: 'innovationLeakage' | 'futureLeakage' | null;
  /** Coordinates of x': latentDim of them are about all that z can carry. */
  readonly exogenousDim: number;
  readonly folds: readonly number[];
  readonly transitions: readonly LabelPoint[];
  /** Empty where the data is one episode, or an episode one transition. */
  readonly episodes: readonly LabelPoint[];
}

const DEFAULT_DRAWS = 20;
export const DEFAULT_LABEL_RIDGE = 1e-4;
/** Numbers in the moments of one batch, at most. */
const BATCH_NUMBERS = 4_000_000;

const optionsSchema = describes<LabelCurveOptions>()(
  z.strictObject({
    ...controlFields,
    latentDim: integer(1),
    weight: numberThat('a finite number of at least 0', (v) => v >= 0),
    counts: z.array(integer(1)).min(1).optional(),
    episodeCounts: z.array(integer(1)).min(1).optional(),
    draws: integer(1).default(DEFAULT_DRAWS),
    seed: integer(0).default(0),
    scale: z.enum(['standard', 'given']).default('standard'),
    folds: z.array(integer(0)).optional(),
    discreteActions: z.boolean().default(true),
    ridge: numberThat('a finite number of at least 0', (v) => v >= 0).default(DEFAULT_LABEL_RIDGE),
    starts: integer(0).default(2),
    iterations: integer(1).default(2000),
    backend: backendField,
  }),
);
type Checked = z.output<typeof optionsSchema> & { readonly backend: Backend };

/** Columns [1, o, x, o', 0, a, x'] of a row: the zeros make [o', 0] as wide as [o, x], which are given together. */
interface Columns {
  readonly width: number;
  readonly placed: readonly Placed[];
  readonly observation: number;
  readonly observationNext: number;
  readonly action: number;
  readonly exogenousNext: number;
  readonly d: number;
  readonly dx: number;
  readonly da: number;
  /** Latents that leave W free: directions of the action, of which categories have one less than columns. */
  readonly leastLatents: number;
  readonly metric: LabelCurve['metric'];
}

async function columnsOf(t: EstimatedData, { scale, discreteActions, signal }: Checked): Promise<Columns> {
  const categories = t.action && discreteActions ? categoriesOf(t.action, t.actionDim) : null;
  const { found } = await scaledColumns(t, scale, categories, { signal });
  const { observation, observationNext, action, exogenous, exogenousNext } = found;
  if (!observation || !observationNext || !action)
    throw new ExolamError('input', 'labelCurve: expected data with actions, but this data has none');
  const d = observation.width;
  const isKnown = exogenous && exogenousNext;
  const seen = isKnown ? exogenous.width : 0;
  const next = 1 + d + seen;
  const acts = next + d + seen;
  const future = acts + action.width;
  const placed = [
    { column: observation, begin: 1 },
    { column: observationNext, begin: next },
    { column: action, begin: acts },
  ];
  if (isKnown) placed.push({ column: exogenous, begin: 1 + d });
  if (exogenousNext) placed.push({ column: exogenousNext, begin: future });
  return {
    width: future + (exogenousNext?.width ?? 0),
    placed,
    observation: 1,
    observationNext: next,
    action: acts,
    exogenousNext: exogenousNext ? future : -1,
    d,
    dx: exogenousNext?.width ?? 0,
    da: action.width,
    leastLatents: categories ? action.width - 1 : action.width,
    metric: isKnown ? 'innovationLeakage' : exogenousNext ? 'futureLeakage' : null,
  };
}

/** One training set: its moments, those of the held-out fold about its mean, and the rows that may be labelled. */
interface Fold {
  readonly train: Float64Array;
  readonly heldOut: Float64Array;
  readonly rows: Int32Array;
  readonly episodes: readonly Int32Array[];
}

async function foldsWith(
  unit: Int32Array,
  fold: Int32Array,
  columns: Columns,
  { backend, signal, threads }: Checked,
): Promise<Fold[]> {
  const rowsOf: number[][] = Array.from(fold, () => []);
  unit.forEach((u, row) => {
    rowsOf[u].push(row);
  });
  const count = greatestOf(fold) + 1;
  const { width, placed } = columns;
  const sums: Float64Array[] = [];
  for (let f = 0; f < count; f++) {
    const rows = rowsOf.filter((_, u) => fold[u] === f).flat();
    sums.push(await sumsOver(rows, placed, width, backend, { signal, threads }));
  }
  return sums.map((heldOut, f) => {
    const total = heldOut.map((_, i) => sums.reduce((sum, s, g) => (g === f ? sum : sum + s[i]), 0));
    const mean = meanOfSums(total, width);
    const episodes = rowsOf.filter((_, u) => fold[u] !== f).map((rows) => Int32Array.from(rows));
    return {
      train: momentsAbout(total, width, mean),
      heldOut: momentsAbout(heldOut, width, mean),
      rows: Int32Array.from(episodes.flatMap((rows) => Array.from(rows))),
      episodes,
    };
  });
}

/** The labelled rows of one draw, for every number of them: each set holds the one before. */
type Nested = readonly Int32Array[];

/** Held-out squared errors with z and without it, and of the training mean. */
interface Errors {
  readonly num: number;
  readonly den: number;
  readonly total: number;
}
interface Judged {
  readonly labels: number;
  readonly converged: boolean;
  readonly action: Errors;
  readonly leakage: Errors | null;
}

/** Encoders trained with the labels of one draw in one fold, and judged on the fold. */
async function judgedDraw(fold: Fold, nested: Nested, c: Columns, options: Checked): Promise<Judged[]> {
  const { backend, signal, threads, latentDim, ridge } = options;
  const size = c.width ** 2;
  const control = { signal, threads };
  const judged: Judged[] = [];
  const batch = Math.max(1, Math.floor(BATCH_NUMBERS / size));
  let sums = new Float64Array(size);
  let taken = 0;
  for (let first = 0; first < nested.length; first += batch) {
    const part = nested.slice(first, first + batch);
    const labelled = new Float64Array(part.length * size);
    for (const [i, rows] of part.entries()) {
      // All labels are all rows, whose moments are there.
      if (rows.length === fold.rows.length) {
        labelled.set(fold.train, i * size);
        continue;
      }
      const more = await sumsOver(rows.subarray(taken), c.placed, c.width, backend, control);
      sums = sums.map((v, j) => v + more[j]);
      taken = rows.length;
      labelled.set(momentsAbout(sums, c.width, meanOfSums(sums, c.width)), i * size);
    }
    const found = await backend.trainMoments(
      {
        count: part.length,
        sets: 1,
        width: c.width,
        moments: fold.train,
        set: new Int32Array(part.length),
        labelled,
        weight: new Float64Array(part.length).fill(options.weight),
        observationDim: c.d,
        actionDim: c.da,
        observation: c.observation,
        observationNext: c.observationNext,
        action: c.action,
        latentDim,
        ridge,
        relativeTolerance: RELATIVE_TOLERANCE,
        starts: options.starts,
        seed: options.seed,
        iterations: options.iterations,
      },
      control,
    );
    for (const [i, rows] of part.entries()) {
      // Where labels hardly suffice the loss is nearly flat: the best point found then serves.
      const isStopped = found.status[i] === STATUS.notConverged && found.gradient[i] > 0;
      if (!isStopped) requireOk(found.status[i], 'labelCurve');
      const at = i * latentDim * c.d;
      const encoder = (values: Float64Array) => values.subarray(at, at + latentDim * c.d);
      judged.push({
        labels: rows.length,
        converged: !isStopped,
        ...(await errorsOf(fold, encoder(found.encoderC), encoder(found.encoderD), c, options)),
      });
    }
  }
  return judged;
}

/** (rows, d) with zeros to the right of each row. */
function widened(rows: Float64Array, d: number, width: number): Float64Array {
  const out = new Float64Array((rows.length / d) * width);
  for (let i = 0; i * d < rows.length; i++) out.set(rows.subarray(i * d, (i + 1) * d), i * width);
  return out;
}

async function errorsOf(
  fold: Fold,
  encoderC: Float64Array,
  encoderD: Float64Array,
  c: Columns,
  { backend, signal, threads, latentDim, ridge }: Checked,
): Promise<Pick<Judged, 'action' | 'leakage'>> {
  /** Errors of the variable at a column, given the first `seen` columns of [o, x]. */
  const errors = async (begin: number, width: number, seen: number): Promise<Errors> => {
    const answer = await backend.probe(
      {
        width: c.width,
        train: fold.train,
        heldOut: fold.heldOut,
        observation: c.observation,
        observationNext: c.observationNext,
        observationDim: seen,
        encoderC: widened(encoderC, c.d, seen),
        encoderD: widened(encoderD, c.d, seen),
        rows: latentDim,
        latentDims: Int32Array.of(latentDim),
        targets: Int32Array.of(begin, width),
        ridge,
        pairObservation: -1,
        pairObservationNext: -1,
      },
      { signal, threads },
    );
    const [den] = answer.remaining;
    let total = 0;
    for (let j = begin; j < begin + width; j++) total += fold.heldOut[j * c.width + j];
    return { num: answer.conditional[0] * den, den, total };
  };
  const seen = c.metric === 'innovationLeakage' ? c.d + c.dx : c.d;
  return {
    action: await errors(c.action, c.da, c.d),
    leakage: c.metric ? await errors(c.exogenousNext, c.dx, seen) : null,
  };
}

/** The value below which a share of them lies, interpolated. */
function quantile(sorted: readonly number[], share: number): number {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}

function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  return {
    mean: values.reduce((sum, v) => sum + v, 0) / values.length,
    low: quantile(sorted, 0.05),
    high: quantile(sorted, 0.95),
  };
}

/** Over draws, each with the errors of its folds: of the ratio of errors as it is reported, or why there is none to report. */
function spreadOfDraws(
  draws: readonly (readonly Errors[])[],
  reported = (ratio: number) => ratio,
): { readonly spread: Spread | null; readonly reason: NotMeasurable | null } {
  const sum = (errors: readonly Errors[], of: keyof Errors) => errors.reduce((s, e) => s + e[of], 0);
  const ratios = draws.map((folds) => sum(folds, 'num') / sum(folds, 'den'));
  const mean = ratios.reduce((s, r) => s + r, 0) / ratios.length;
  const all = draws.flat();
  const reason = failureOf(mean, sum(all, 'den'), sum(all, 'total'));
  return { spread: reason === null ? spreadOf(ratios.map(reported)) : null, reason };
}

/** The point of one number of labels from draws of folds: errors are summed over folds before they are divided. */
function pointOf(draws: readonly (readonly Judged[])[], episodes: number | null): LabelPoint {
  const all = draws.flat();
  const action = spreadOfDraws(draws.map((folds) => folds.map((judged) => judged.action)));
  const known = all.every(({ leakage }) => leakage !== null);
  const leakage = known
    ? spreadOfDraws(
        draws.map((folds) => folds.map((judged) => judged.leakage as Errors)),
        (r) => 1 - r,
      )
    : { spread: null, reason: null };
  return {
    transitions: all.reduce((sum, { labels }) => sum + labels, 0) / all.length,
    episodes,
    leakage: leakage.spread,
    actionError: action.spread,
    reasons: { leakage: leakage.reason, actionError: action.reason },
    converged: all.filter(({ converged }) => converged).length / all.length,
  };
}

/** 1, 2, 5, 10, .. from `least` on, below `most`, and `most` itself. */
export function roundCounts(least: number, most: number): number[] {
  const counts: number[] = [];
  for (let decade = 1; decade < most; decade *= 10)
    for (const digit of [1, 2, 5]) if (digit * decade >= least) counts.push(digit * decade);
  return [...counts.filter((n) => n < most), most];
}

function checkedCounts(name: string, asked: readonly number[] | undefined, least: number, most: number) {
  const counts = [...new Set(asked ?? roundCounts(least, most))].sort((a, b) => a - b);
  const last = counts[counts.length - 1];
  if (last <= most) return counts;
  throw new ExolamError(
    'input',
    `${name}: expected at most ${most}, what the smallest training set holds, but received ${last}`,
  );
}

/**
 * Leakage and action error of a linear LAM that was trained with few labels, on held-out episodes: reconstruction from all
 * transitions of the training folds, the action head from the labelled ones alone (docs/theory.md section 6, item 1), over
 * seeded draws of labels, against the number of labelled transitions and of labelled episodes. Throws {@link ExolamError}.
 */
export function labelCurve(t: EstimatedData, options: LabelCurveOptions): Promise<LabelCurve> {
  return boundary('labelCurve', async () => {
    const checked = parseOptions(optionsSchema, options);
    return curveOf(t, { ...checked, backend: checked.backend ?? defaultBackend() });
  });
}

async function curveOf(t: EstimatedData, options: Checked): Promise<LabelCurve> {
  const { latentDim, draws, seed } = options;
  const columns = await columnsOf(t, options);
  if (latentDim > columns.d || latentDim < columns.leastLatents)
    throw new ExolamError(
      'input',
      `latentDim: expected from ${columns.leastLatents} (directions of the action) to ${columns.d} (observationDim) but received ${latentDim}`,
    );
  const { count, unit, blocks } = unitsOf(t.episode);
  const fold = options.folds ? checkedFolds(options.folds, count) : foldsOf(count, blocks, seed);
  if (count < 2 || greatestOf(fold) < 1)
    throw new ExolamError('data', 'labelCurve: expected at least 2 transitions to hold some out');
  const folds = await foldsWith(unit, fold, columns, options);
  const least = (of: (f: Fold) => number) => Math.min(...folds.map(of));
  const counts = checkedCounts(
    'counts',
    options.counts,
    10,
    least((f) => f.rows.length),
  );
  const alone = count === t.count && options.episodeCounts === undefined;
  const whole =
    blocks || alone
      ? []
      : checkedCounts(
          'episodeCounts',
          options.episodeCounts,
          1,
          least((f) => f.episodes.length),
        );

  const byCount: Judged[][][] = counts.map(() => []);
  const byEpisodes: Judged[][][] = whole.map(() => []);
  const total = draws * folds.length;
  for (let draw = 0; draw < draws; draw++) {
    for (const [f, part] of folds.entries()) {
      const order = (n: number) => permutation(n, seed + draw * folds.length + f);
      const rows = order(part.rows.length).map((i) => part.rows[i]);
      const single = counts.map((n) => rows.subarray(0, n));
      const chosen = Array.from(order(part.episodes.length), (i) => part.episodes[i]);
      const episodes = whole.map((n) => Int32Array.from(chosen.slice(0, n).flatMap((r) => Array.from(r))));
      for (const [nested, into] of [
        [single, byCount],
        [episodes, byEpisodes],
      ] as const)
        (await judgedDraw(part, nested, columns, options)).forEach((judged, i) => {
          into[i][draw] ??= [];
          into[i][draw].push(judged);
        });
      options.onProgress?.(draw * folds.length + f + 1, total);
    }
  }
  return {
    latentDim,
    weight: options.weight,
    scale: options.scale,
    ridge: options.ridge,
    draws,
    seed,
    metric: columns.metric,
    exogenousDim: columns.dx,
    folds: Array.from(fold),
    transitions: byCount.map((of) => pointOf(of, null)),
    episodes: byEpisodes.map((of, i) => pointOf(of, whole[i])),
  };
}

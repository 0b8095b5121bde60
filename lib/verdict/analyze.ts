import { z } from 'zod';
import { backendField, controlFields } from '../backend/control.js';
import type { Backend, Control, FittedObjective } from '../backend/requests.js';
import { defaultBackend } from '../backend/select.js';
import { boundary } from '../base/boundary.js';
import { ExolamError } from '../base/errors.js';
import { greatestOf } from '../base/extremes.js';
import { describes, integer, parseOptions } from '../base/validate.js';
import { version } from '../base/version.js';
import { requireTransitions } from '../data/accept.js';
import { MINIMUM_TRANSITIONS } from '../data/checks.js';
import type { Transitions } from '../data/transitions.js';
import { matrix } from '../linalg/matrix.js';
import {
  checkedLatentDims,
  differencesOf,
  FEW_UNITS,
  fittedObjective,
  intervalsOf,
  type Prepared,
  portion,
  prepare,
  reported,
  ridgesOf,
  tableOf,
} from '../metrics/estimates.js';
import { type FoldErrors, foldErrors } from '../metrics/fold-errors.js';
import { type MadeOf, madeOf } from '../metrics/made-of.js';
import type { Scale } from '../moments/of-units.js';
import {
  BY_TRAINING,
  nameOfObjective,
  type ObjectiveSpec,
  objectiveSchema,
  type ResolvedObjective,
  resolveObjective,
  throughProjection,
} from '../solve/objectives.js';
import { DEFAULT_RIDGE, levelField, ridgeField } from '../solve/of-moments.js';
import { wholeFit } from '../solve/of-units.js';
import type { Analysis, LatentRow } from './analysis.js';
import { type Labels, labelsOf } from './labels.js';
import { type RemedyRequest, remediesOf } from './remedies.js';
import { repeatedNote } from './repeated.js';
import { type Circumstances, latentDimOfVerdict, verdictOf } from './sentence.js';

export interface AnalyzeOptions extends Control {
  /** Latent dimensions to report, 1 to observationDim each, in any order. Default 1 to 16, as far as the observation is wide. */
  readonly latentDims?: readonly number[] | undefined;
  /** Default: reconstruction and, with actions, action supervision of a weight that makes them count ten times the innovation. */
  readonly objectives?: readonly ObjectiveSpec[] | undefined;
  /**
   * `standard`: every column at unit standard deviation, so that units of measure say nothing. `given`: as it is. Default: `given`
   * where the coordinates share one unit (pixels), else `standard`.
   */
  readonly scale?: Scale | undefined;
  /** Reconstruct in whitened observations (each direction of variance above the tolerance counts alike). Default false. */
  readonly whiten?: boolean | undefined;
  /** The fold of each episode in order of appearance (of each block, where there is one long episode), from 0. Default: seeded. */
  readonly folds?: readonly number[] | undefined;
  /** Of the default folds, an integer from 0. Default 0. */
  readonly seed?: number | undefined;
  /** Ridge of every regression on o, relative to each regressor's own variance, at least 0. Default: chosen inside each fold. */
  readonly ridge?: number | undefined;
  /** Share below which a leakage counts as none, from 0 up to, not including, 1. Default 0.1. */
  readonly level?: number | undefined;
  /** Whether few distinct whole values in one column of actions are categories. Default true. */
  readonly discreteActions?: boolean | undefined;
  /** Also measure what each remedy would do, and what few labels: most of the time on wide observations. Default true. */
  readonly remedies?: boolean | undefined;
  /** What computes. Default: {@link defaultBackend}. */
  readonly backend?: Backend | undefined;
}

/** Share below which a leakage counts as none, where nothing else is said. */
export const DEFAULT_LEVEL = 0.1;

/** {@link AnalyzeOptions}, checked and with the defaults that the data does not decide. */
export const analyzeOptionsSchema = describes<AnalyzeOptions>()(
  z.strictObject({
    ...controlFields,
    latentDims: z.array(integer(1)).min(1).optional(),
    objectives: z.array(objectiveSchema).min(1).optional(),
    scale: z.enum(['standard', 'given']).optional(),
    whiten: z.boolean().default(false),
    folds: z.array(integer(0)).optional(),
    seed: integer(0).default(0),
    ridge: ridgeField.unwrap().optional(),
    level: levelField.default(DEFAULT_LEVEL),
    discreteActions: z.boolean().default(true),
    remedies: z.boolean().default(true),
    backend: backendField,
  }),
);
export type Checked = z.output<typeof analyzeOptionsSchema>;

/** How much the default action supervision weighs: variance of the weighted actions over that of the innovation. */
const SUPERVISION = 10;
/** Parts of the progress: the one pass over rows, then the fits of the objectives, remedies, and labels. */
const PARTS = { rows: 0.2, objectives: 0.5, remedies: 0.75 } as const;

/** Options with the defaults that the data decides. */
function settled(t: Transitions, options: Checked) {
  const { whiten, seed, level, discreteActions, remedies, folds } = options;
  const latentDims =
    options.latentDims ?? Array.from({ length: Math.min(16, t.observationDim) }, (_, i) => i + 1);
  const scale: Scale = options.scale ?? (t.sharedUnit ? 'given' : 'standard');
  return {
    latentDims: checkedLatentDims(latentDims, t.observationDim),
    scale,
    whiten,
    seed,
    ridge: options.ridge ?? null,
    level,
    discreteActions,
    remedies,
    ...(folds ? { folds } : {}),
  };
}

type Settled = ReturnType<typeof settled>;

/** The verdict on a user's own transitions: theory.md sections 2 to 4, docs/estimates.md. Throws {@link ExolamError}. */
export function analyze(data: Transitions, options: AnalyzeOptions = {}): Promise<Analysis> {
  return boundary('analyze', async () => {
    const checked = parseOptions(analyzeOptionsSchema, options);
    return (await analysed(data, checked)).analysis;
  });
}

/** An analysis and, where there are enough units, what it was made from: more can be asked of the same folds. */
export interface Analysed {
  readonly analysis: Analysis;
  readonly judged: {
    readonly data: Prepared;
    readonly errors: FoldErrors;
    /** Place of the verdict's latent dimension among those of `errors`. */
    readonly latent: number;
  } | null;
}

/** Where a verdict is given, and why there. */
export type Place = Pick<Circumstances, 'latentDim' | 'because'>;

/** The analysis; its verdict where it is best given, or at `place`. */
export async function analysed(t: Transitions, options: Checked, place?: Place): Promise<Analysed> {
  requireTransitions(t, 'data');
  if (t.count < MINIMUM_TRANSITIONS)
    throw new ExolamError(
      'data',
      `${t.count} transitions are too few: at least ${MINIMUM_TRANSITIONS} are needed to fit some and judge on others`,
    );
  const set = settled(t, options);
  const backend = options.backend ?? defaultBackend();
  const control: Control = {
    signal: options.signal,
    onProgress: options.onProgress,
    threads: options.threads,
  };
  const { latentDims: _, remedies: __, ridge: ___, whiten: ____, level: _____, ...preparing } = set;
  const data = await prepare(t, preparing, backend, portion(control, 0, PARTS.rows));
  const objectives = options.objectives?.map((spec) => resolveObjective(spec as ObjectiveSpec));
  return 'moments' in data
    ? await estimated(t, set, data, objectives, place, backend, control)
    : { analysis: fewUnits(t, set, data, objectives, backend), judged: null };
}

/** The objectives that are asked for, or the default ones. */
async function objectivesOf(
  t: Transitions,
  asked: readonly ResolvedObjective[] | undefined,
  whole: ReturnType<typeof wholeFit>,
): Promise<readonly ResolvedObjective[]> {
  if (asked) return asked;
  const plain = resolveObjective({ kind: 'reconstruction' });
  if (!t.action) return [plain];
  const weight = await supervisionWeight(whole);
  if (weight === null) return [plain];
  return [plain, resolveObjective({ kind: 'action-supervised', weight, labelFraction: 1 })];
}

/** What the actions weigh where nobody says so; null where the observation leaves nothing of them. */
async function supervisionWeight(whole: ReturnType<typeof wholeFit>): Promise<number | null> {
  const { innovation, action } = await whole.variances(DEFAULT_RIDGE);
  return action > 0 ? Number(((SUPERVISION * innovation) / action).toPrecision(3)) : null;
}

/** The latent dimensions of an objective: supervision is answered from the width of the action on. */
function usableDims(
  { spec, supervised }: ResolvedObjective,
  latentDims: readonly number[],
  actionWidth: number,
  notes: string[],
): readonly number[] {
  if (!supervised) return latentDims;
  const usable = latentDims.filter((k) => k >= actionWidth);
  if (usable.length < latentDims.length)
    notes.push(
      `${spec.kind} is answered from latentDim ${actionWidth} (the width of the action) on: below it there is no closed form for a policy that reacts to the observation; ${BY_TRAINING}`,
    );
  return usable;
}

/** How many numbers the action takes: of m categories, m - 1 say all. */
const actionWidthOf = (t: Transitions, { moments }: Prepared) =>
  moments.categories ? moments.categories.length - 1 : t.actionDim;

/** The objectives that have an answer at some of the latent dimensions, and at which. */
async function answerable(
  t: Transitions,
  set: Settled,
  data: Prepared,
  asked: readonly ResolvedObjective[] | undefined,
  whole: ReturnType<typeof wholeFit>,
  notes: string[],
): Promise<Map<ResolvedObjective, readonly number[]>> {
  const actionWidth = actionWidthOf(t, data);
  const all = await objectivesOf(t, asked, whole);
  const dims = new Map(all.map((o) => [o, usableDims(o, set.latentDims, actionWidth, notes)]));
  const usable = new Map([...dims].filter(([, own]) => own.length > 0));
  if (usable.size > 0) return usable;
  throw new ExolamError(
    'unsupported',
    `latentDims: expected some of at least ${actionWidth}, the width of the action, but received ${set.latentDims.join(', ')}: below it there is no closed form for a policy that reacts to the observation; ${BY_TRAINING}`,
  );
}

/** Minima over all rows and estimates, a row for each objective and latent dimension. */
async function latentRows(
  dims: ReadonlyMap<ResolvedObjective, readonly number[]>,
  fitted: readonly FittedObjective[],
  whole: ReturnType<typeof wholeFit>,
  errors: FoldErrors,
  set: Settled,
  control: Control,
  notes: string[],
): Promise<{ readonly latent: LatentRow[]; readonly spectrum: readonly number[] }> {
  const latent: LatentRow[] = [];
  let spectrum: readonly number[] = [];
  for (const [v, [objective, usable]] of [...dims].entries()) {
    const solution = await whole.solve(fitted[v], middleOf(errors.ridges), control);
    if (v === 0) spectrum = solution.spectrum;
    latent.push(...rowsOf(objective, solution, usable, set, errors, v));
    if (solution.rank < usable[usable.length - 1])
      notes.push(
        `${objective.spec.kind}: the problem has rank ${solution.rank}; latents beyond it carry nothing`,
      );
  }
  return { latent, spectrum };
}

async function estimated(
  t: Transitions,
  set: Settled,
  data: Prepared,
  asked: readonly ResolvedObjective[] | undefined,
  where: Place | undefined,
  backend: Backend,
  control: Control,
): Promise<Analysed> {
  const notes = [...t.notes, ...categoryNote(data), ...repeatedNote(t, data)];
  const whole = wholeFit(data.moments, backend, control);
  const dims = await answerable(t, set, data, asked, whole, notes);
  const objectives = [...dims.keys()];
  const fitted = await Promise.all(
    objectives.map(async (o) => {
      const own = fittedObjective(o.spec, t, data.moments);
      return set.whiten ? whitened(own, t.observationDim, whole) : own;
    }),
  );
  const ridges = ridgesOf(set.ridge ?? undefined, greatestOf(data.fold) + 1);
  const errors = await foldErrors(
    data,
    { objectives: fitted, latentDims: set.latentDims, ridges },
    backend,
    portion(control, PARTS.rows, PARTS.objectives),
  );
  const { latent, spectrum } = await latentRows(dims, fitted, whole, errors, set, control, notes);
  const actionWidth = actionWidthOf(t, data);
  const place = where ?? latentDimOfVerdict(set.latentDims, actionWidth);
  const { latentDim } = place;
  const latentAt = set.latentDims.indexOf(latentDim);
  const before = intervalsOf(errors, 0, latentAt);
  const { level, ridge } = set;
  const request = { transitions: t, data, whole, latentDim, level, ridge, actionWidth, before, backend };
  const remedies = set.remedies
    ? await remediesOf(request, portion(control, PARTS.objectives, PARTS.remedies))
    : { remedies: [], notes: [] };
  const labels = set.remedies
    ? await fewLabels(request, set, middleOf(errors.ridges), portion(control, PARTS.remedies, 1))
    : { labels: null, notes: [] };
  control.onProgress?.(1, 1);
  const analysis: Analysis = {
    ...frameOf(t, set, data, backend),
    categories: data.moments.categories,
    folds: Array.from(data.folds),
    groups: Array.from(data.groups),
    ridges: Array.from(errors.ridges),
    spectrum,
    latent,
    differences: differencesFrom(objectives, latent, set, errors),
    remedies: remedies.remedies,
    labels: labels.labels,
    notes: [...notes, ...remedies.notes, ...labels.notes],
    verdict: verdictOf(before, circumstancesOf(objectives[0], place, set, data, null)),
  };
  return { analysis, judged: { data, errors, latent: latentAt } };
}

async function fewLabels(r: RemedyRequest, set: Settled, ridge: number, control: Control): Promise<Labels> {
  const weight = r.transitions.action ? await supervisionWeight(r.whole) : null;
  if (weight === null) return { labels: null, notes: [] };
  const { scale, seed, discreteActions } = set;
  const folds = Array.from(r.data.folds);
  return labelsOf({ ...r, weight, scale, seed, discreteActions, ridge, folds }, control);
}

/** The same objective on W h, h what it sees of o. */
async function whitened(
  { rows, coefficients, projection, projectionDim }: FittedObjective,
  observationDim: number,
  whole: ReturnType<typeof wholeFit>,
): Promise<FittedObjective> {
  const own = projectionDim > 0 ? matrix(projectionDim, observationDim, projection) : null;
  const w = await whole.whitening(own);
  return { rows: throughProjection(rows), coefficients, projection: w.data, projectionDim: w.rows };
}

const middleOf = (values: Float64Array) =>
  Array.from(values).sort((a, b) => a - b)[Math.floor(values.length / 2)];

function categoryNote({ moments }: Prepared): string[] {
  return moments.categories
    ? [
        `the action holds ${moments.categories.length} distinct whole values in one column and is read as categories; --continuous-actions reads it as a quantity`,
      ]
    : [];
}

function rowsOf(
  { spec }: ResolvedObjective,
  {
    trace,
    spectrum,
    rank,
  }: { readonly trace: number; readonly spectrum: readonly number[]; readonly rank: number },
  usable: readonly number[],
  { latentDims }: Settled,
  errors: FoldErrors,
  objective: number,
): LatentRow[] {
  return usable.map((latentDim) => ({
    latentDim,
    objective: spec,
    // A sum of squares: below zero only by rounding.
    loss: Math.max(
      0,
      spectrum.slice(0, latentDim).reduce((left, value) => left - value, trace),
    ),
    rank,
    metrics: tableOf(intervalsOf(errors, objective, latentDims.indexOf(latentDim))),
    madeOf: madeOfTable(madeOf(errors, objective, latentDims.indexOf(latentDim))),
  }));
}

const madeOfTable = (m: MadeOf | null): LatentRow['madeOf'] =>
  m && {
    exogenous: reported(m.exogenous),
    action: reported(m.action),
    both: reported(m.both),
    neither: reported(m.neither),
  };

function differencesFrom(
  objectives: readonly ResolvedObjective[],
  latent: readonly LatentRow[],
  { latentDims }: Settled,
  errors: FoldErrors,
): Analysis['differences'] {
  const [from, ...others] = objectives;
  return others.flatMap((objective, i) =>
    latent
      .filter((row) => row.objective === objective.spec)
      .map(({ latentDim }) => ({
        latentDim,
        objective: objective.spec,
        from: from.spec,
        metrics: differencesOf(errors, i + 1, latentDims.indexOf(latentDim)),
      })),
  );
}

function circumstancesOf(
  objective: ResolvedObjective,
  place: Place,
  { level }: Settled,
  { units, blocks }: { readonly units: number; readonly blocks: boolean },
  reason: string | null,
): Circumstances {
  const unit = blocks ? 'block' : 'episode';
  const { spec } = objective;
  const name = spec.kind === 'composition' ? nameOfObjective(spec) : spec.kind;
  return { objective: name, ...place, units, unit, level, reason };
}

/** What does not depend on the estimates. */
function frameOf(
  t: Transitions,
  set: Settled,
  { units, blocks }: { readonly units: number; readonly blocks: boolean },
  backend: Backend,
) {
  const { name, isa } = backend.info();
  const source = { path: null, options: { ...set }, version, backend: `${name} (${isa})` };
  return {
    source,
    transitions: t.count,
    observationDim: t.observationDim,
    actionDim: t.actionDim,
    episodes: new Set(t.episode).size,
    absentEpisodes: t.episodes.absent.length,
    units,
    unit: blocks ? ('block' as const) : ('episode' as const),
    scale: set.scale,
    level: set.level,
  };
}

/** Too few episodes to hold any out: exact minima are all that can be told. */
function fewUnits(
  t: Transitions,
  set: Settled,
  { count, blocks }: { readonly count: number; readonly blocks: boolean },
  asked: readonly ResolvedObjective[] | undefined,
  backend: Backend,
): Analysis {
  const objective = asked?.[0] ?? resolveObjective({ kind: 'reconstruction' });
  const place = latentDimOfVerdict(set.latentDims, t.actionDim);
  const units = { units: count, blocks };
  return {
    ...frameOf(t, set, units, backend),
    categories: null,
    folds: [],
    groups: [],
    ridges: [],
    spectrum: [],
    latent: [],
    differences: [],
    remedies: [],
    labels: null,
    notes: [...t.notes],
    verdict: verdictOf({}, circumstancesOf(objective, place, set, units, FEW_UNITS)),
  };
}

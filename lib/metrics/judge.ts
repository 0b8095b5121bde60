import { z } from 'zod';
import { backendField, controlFields } from '../backend/control.js';
import type { Backend, Control } from '../backend/requests.js';
import { defaultBackend } from '../backend/select.js';
import { boundary } from '../base/boundary.js';
import { STILL_COLUMN } from '../base/conventions.js';
import { ExolamError } from '../base/errors.js';
import { describes, integer, numberThat, parse, parseOptions } from '../base/validate.js';
import { checkedFolds, foldsOf, groupsOf, type Units, unitsOf } from '../data/units.js';
import type { Estimate, EstimateTable } from './estimates.js';
import { portion } from './estimates.js';
import type { FoldErrors } from './fold-errors.js';
import type { Answer } from './interval.js';
import { linearErrors, linearMetrics } from './judge-linear.js';
import { type NonlinearErrors, nonlinearErrors, nonlinearMetrics } from './judge-nonlinear.js';
import {
  type JudgedRows,
  leadingComponents,
  NONLINEAR_METRICS,
  type NonlinearMetric,
  type PreparedRows,
  rowsField,
  standardised,
} from './judged-rows.js';

export interface JudgeOptions extends Control {
  /** `linear`: the metrics of `analyze`; `nonlinear`: those of random Fourier features. Default: both. */
  readonly probes?: readonly ('linear' | 'nonlinear')[] | undefined;
  /** Random Fourier features of each probe, 8 to 1024. Default 128. */
  readonly features?: number | undefined;
  /** Leading principal components that stand for o where it is given, 1 to 512. Default 64; all of o where it is no wider. */
  readonly components?: number | undefined;
  /**
   * What the interval's jackknife leaves out at a time: `units` (episodes or blocks of rows, 20 groups at most), or `folds`, in a
   * quarter of the time and with rough intervals, while a model trains. Default `units`.
   */
  readonly jackknife?: 'units' | 'folds' | undefined;
  /** The fold of each unit, from 0 without gaps. Default: 5 folds, seeded. */
  readonly folds?: readonly number[] | undefined;
  /** Of the default folds and of the features: an integer from 0. Default 0. */
  readonly seed?: number | undefined;
  /** A leakage below it counts as none, from 0 up to, not including, 1. Default 0.1. */
  readonly level?: number | undefined;
  /** What computes. Default: {@link defaultBackend}. */
  readonly backend?: Backend | undefined;
}

const optionsSchema = describes<JudgeOptions>()(
  z.strictObject({
    ...controlFields,
    probes: z
      .array(z.enum(['linear', 'nonlinear']))
      .min(1)
      .default(['linear', 'nonlinear']),
    features: integer(8, 1024).default(128),
    components: integer(1, 512).default(64),
    jackknife: z.enum(['units', 'folds']).default('units'),
    folds: z.array(z.number()).optional(),
    seed: integer(0).default(0),
    level: numberThat('a number from 0 up to, not including, 1', (v) => v >= 0 && v < 1).default(0.1),
    backend: backendField,
  }),
);
type Checked = z.output<typeof optionsSchema>;

/** What is judged: z of every row, as a Float32Array or Float64Array, or codes of a codebook. */
export interface JudgedLatents {
  /** (count, latentDim) */
  readonly latents: Float32Array | Float64Array;
  readonly latentDim: number;
  /** (count, latentDim): z of the paired view of each row, for `consistencyError`. */
  readonly pairLatents?: Float32Array | Float64Array | undefined;
}

export interface LatentJudgement {
  /** Units that folds are made of, and whether they are blocks of rows. */
  readonly units: number;
  readonly blocks: boolean;
  readonly folds: readonly number[];
  readonly level: number;
  /** As `analyze` has them; absent unless asked for. */
  readonly linear?: { readonly metrics: EstimateTable; readonly answer: Answer } | undefined;
  /** Absent unless asked for. */
  readonly nonlinear?: { readonly metrics: Partial<Record<NonlinearMetric, Estimate>> } | undefined;
  /** Why there are no estimates, or null. */
  readonly reason: string | null;
}

/** What a judgement is made of: errors by linear probes and by nonlinear ones, as far as they were asked for. */
export interface LatentErrors {
  readonly linear?: FoldErrors | undefined;
  readonly nonlinear?: NonlinearErrors | undefined;
}

/** Blocks that independent rows are cut into. */
const BLOCKS = 20;
const FEWEST_UNITS = 4;

/** Judges latents of one set of rows: made once, asked as often as a training run is evaluated. */
export class LatentJudge {
  private constructor(
    private readonly rows: PreparedRows | null,
    private readonly units: Units,
    private readonly count: number,
    private readonly options: Checked,
    private readonly backend: Backend,
  ) {}

  /** Checks the rows and prepares what does not depend on latents. Throws {@link ExolamError}. */
  static create(rows: JudgedRows, options: JudgeOptions = {}): Promise<LatentJudge> {
    return boundary('LatentJudge.create', async () => {
      const checked = parseOptions(optionsSchema, options);
      const backend = checked.backend ?? defaultBackend();
      const units = unitsOfRows(rows);
      const enough = units.count >= FEWEST_UNITS;
      const prepared = enough ? await prepare(rows, units, checked, backend) : null;
      return new LatentJudge(prepared, units, rows.count, checked, backend);
    });
  }

  /** The metrics of these latents, each with its interval. `control` stops and watches this call; `probes` are those of this call alone. */
  judge(
    latents: JudgedLatents,
    { probes = this.options.probes, ...control }: Control & Pick<JudgeOptions, 'probes'> = {},
  ): Promise<LatentJudgement> {
    return boundary('LatentJudge.judge', async () => {
      const { level } = this.options;
      const errors = await this.errors(latents, { ...control, probes });
      const about = { units: this.units.count, blocks: this.units.blocks, level };
      if (!this.rows) return { ...about, folds: [], reason: 'fewer than 4 episodes' };
      return {
        ...about,
        folds: Array.from(this.rows.fold),
        linear: errors.linear && linearMetrics(errors.linear, level),
        nonlinear: errors.nonlinear && { metrics: nonlinearMetrics(errors.nonlinear) },
        reason: null,
      };
    });
  }

  /** The squared errors, unit by unit, that the metrics are made of; none of rows that are too few for any. */
  async errors(
    latents: JudgedLatents,
    { probes = this.options.probes, ...control }: Control & Pick<JudgeOptions, 'probes'> = {},
  ): Promise<LatentErrors> {
    const { latentDim } = parse(latentsSchema, latents, 'latents');
    const z = rowsField(latents.latents, this.count, latentDim, 'latents');
    const pair = latents.pairLatents && rowsField(latents.pairLatents, this.count, latentDim, 'pairLatents');
    const { rows, backend, options } = this;
    if (!rows) return {};
    const watched = { signal: options.signal, threads: options.threads, ...control };
    const half = probes.length === 2 ? 0.5 : 1;
    return {
      linear: probes.includes('linear')
        ? await linearErrors(rows, z, pair, latentDim, backend, portion(watched, 0, half))
        : undefined,
      nonlinear: probes.includes('nonlinear')
        ? await nonlinearErrors(rows, z, latentDim, options, backend, portion(watched, 1 - half, 1))
        : undefined,
    };
  }
}

export { NONLINEAR_METRICS, type NonlinearMetric };

const latentsSchema = z.looseObject({ latentDim: integer(1, 4096) });

/**
 * What latents that any model made hold of the action and of the exogenous state, by linear and by nonlinear probes, cross-fitted
 * with 95 % intervals (docs/estimates.md, "Latents of any model"). To judge often on the same rows: {@link LatentJudge}.
 */
export function judgeLatents(
  rows: JudgedRows,
  latents: JudgedLatents,
  options: JudgeOptions = {},
): Promise<LatentJudgement> {
  return boundary('judgeLatents', async () => {
    const { onProgress, ...others } = parseOptions(optionsSchema, options);
    const judge = await LatentJudge.create(rows, others);
    return judge.judge(latents, { onProgress });
  });
}

const rowsSchema = z.looseObject({ count: integer(8) });

/** Independent rows are dealt to 20 units in blocks: any split of them is as good. */
function unitsOfRows(rows: JudgedRows): Units {
  const { count } = parse(rowsSchema, rows, 'rows');
  const { episode } = rows;
  if (episode === undefined)
    return {
      count: Math.min(BLOCKS, count),
      unit: Int32Array.from({ length: count }, (_, i) => Math.floor((i * Math.min(BLOCKS, count)) / count)),
      blocks: false,
    };
  if (episode.length !== count)
    throw new ExolamError('input', `episode: expected ${count} numbers but received ${episode.length}`);
  return unitsOf(episode);
}

async function prepare(
  rows: JudgedRows,
  units: Units,
  options: Checked,
  backend: Backend,
): Promise<PreparedRows> {
  const { count, observationDim, actionDim = 0, exogenousDim = 0 } = rows;
  const field = (values: JudgedRows['action'], width: number, name: string) =>
    values && standardised(rowsField(values, count, width, name), count, width);
  const o = rowsField(rows.observation, count, observationDim, 'observation');
  const action = field(rows.action, actionDim, 'action');
  const exogenous = field(rows.exogenous, exogenousDim, 'exogenous');
  const exogenousNext = field(rows.exogenousNext, exogenousDim, 'exogenousNext');
  if (!action && !exogenousNext)
    throw new ExolamError('input', 'rows: expected action or exogenousNext, but both are absent');
  const { values, width } = await leadingComponents(
    centred(o, count, observationDim),
    count,
    observationDim,
    options.components,
    backend,
    options,
  );
  if (width === 0) throw new ExolamError('data', 'observation: expected a coordinate that moves');
  const fold = options.folds
    ? checkedFolds(options.folds, units.count)
    : foldsOf(units.count, units.blocks, options.seed);
  const group = options.jackknife === 'folds' ? fold.slice() : groupsOf(fold, width);
  return {
    count,
    observation: values,
    observationDim: width,
    action,
    actionDim: action ? actionDim : 0,
    exogenous: exogenousNext && exogenous,
    exogenousNext,
    exogenousDim: exogenousNext ? exogenousDim : 0,
    units,
    fold,
    group,
  };
}

/** Columns less their means; one that never moves is 0, exactly. */
function centred(values: Float32Array | Float64Array, count: number, width: number): Float64Array {
  const mean = new Float64Array(width);
  const [largest, farthest] = [new Float64Array(width), new Float64Array(width)];
  for (let i = 0; i < values.length; i++) mean[i % width] += values[i] / count;
  for (let i = 0; i < values.length; i++) {
    const j = i % width;
    largest[j] = Math.max(largest[j], Math.abs(values[i]));
    farthest[j] = Math.max(farthest[j], Math.abs(values[i] - mean[j]));
  }
  return Float64Array.from(values, (v, i) => {
    const j = i % width;
    return farthest[j] > STILL_COLUMN * largest[j] ? v - mean[j] : 0;
  });
}

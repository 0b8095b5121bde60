import type { Backend, Control } from '../backend/requests.js';
import type { Estimate, EstimateTable } from '../metrics/estimates.js';
import type { Answer } from '../metrics/interval.js';
import { LatentJudge, type LatentJudgement, type NonlinearMetric } from '../metrics/judge.js';
import { rowsSource, type Setting } from './setting.js';

/** Of the rows of a world that models are judged on, the same for all of them: no run trains under such a seed. */
export const JUDGED_SEED = 2 ** 52;
/** Of an even share of the rows: a code that has less is not in use. */
const IN_USE = 0.1;

/** Estimates of docs/theory.md section 4 on rows that training does not see, each with its 95 % interval. */
export interface Estimated {
  /** Episodes, or blocks of rows that are independent of each other: what intervals leave out in turn. */
  readonly units: number;
  /** By linear probes: the names and the fields of `analyze`. */
  readonly linear: EstimateTable;
  /** By nonlinear probes: of the end of a run alone. Names: docs/estimates.md, "Latents of any model". */
  readonly nonlinear?: Partial<Record<NonlinearMetric, Estimate>> | undefined;
  /** Whether the latents leak: by the linear estimates, and of the end of a run by the nonlinear ones too. */
  readonly answer: Answer;
  /** Why there are no estimates, or null. */
  readonly reason: string | null;
}

/** A leakage above it is a leak, as in `analyze`. */
export const LEVEL = 0.1;

/**
 * The answer of both kinds of probe. Each is a lower bound of what the latents carry, so one above the level is enough for `leaks`,
 * and `does-not-leak` takes all of them.
 */
export function answerOfBoth(linear: Answer, nonlinear: Estimated['nonlinear']): Answer {
  const leakage = nonlinear?.innovationLeakage ?? nonlinear?.futureLeakage;
  if (!leakage) return linear;
  if (leakage.reason === null && (leakage.low ?? 0) > LEVEL) return 'leaks';
  const clean = leakage.reason === null && (leakage.high ?? 1) < LEVEL;
  return linear === 'does-not-leak' && !clean ? 'cannot-tell' : linear;
}

/** The end of a run, with what nonlinear probes add to its estimates. */
export async function withNonlinear<Figures extends { readonly estimates?: Estimated | undefined }>(
  figures: Figures,
  run: { nonlinear(judges: Judges): Promise<Estimated | undefined> },
  judges: Judges,
): Promise<Figures> {
  const { estimates: linear } = figures;
  const own = await run.nonlinear(judges);
  if (!own) return figures;
  if (!linear || !own.nonlinear) return { ...figures, estimates: linear ?? own };
  const answer = answerOfBoth(linear.answer, own.nonlinear);
  return { ...figures, estimates: { ...linear, nonlinear: own.nonlinear, answer } };
}

/** How many of its rows a codebook puts to use. */
export interface CodebookUse {
  /** Rows with at least a tenth of an even share, of the codebook of each part of z. */
  readonly used: readonly number[];
  /** exp of the entropy of their use: the size of the codebook where all are used alike. */
  readonly perplexity: readonly number[];
}

/** z of so many rows, and the codes that stand for it where there are any. */
export type LatentsOf = (
  observation: Float32Array,
  observationNext: Float32Array,
  rows: number,
) => Promise<{ readonly latent: Float32Array | Float64Array; readonly codes?: Int32Array }>;

/** Rows that latents are judged on, ready. */
interface Judged {
  readonly source: unknown;
  readonly count: number;
  readonly views: readonly (readonly [Float32Array, Float32Array])[];
  /** Null where there is nothing to ask of them, for a reason. */
  readonly judge: LatentJudge | null;
  readonly reason: string | null;
}

/** What computes during one call, and the rows that its models are judged on. */
export class Judges {
  /** Those of the last world or data: runs that follow each other share them, and no more are held at a time. */
  private last: Judged | null = null;

  constructor(
    readonly backend: Backend,
    readonly control: Control,
  ) {}

  /** By linear probes, as a line of the log has it. */
  async evaluated(
    setting: Setting,
    latentsOf: LatentsOf,
  ): Promise<{
    metrics: Readonly<Record<string, number>>;
    estimates?: Estimated;
    codebook?: CodebookUse;
  }> {
    if (!setting.config.probes.includes('linear')) return { metrics: {} };
    const { found, reason, codes } = await this.judged(setting, latentsOf, 'linear');
    const linear = found?.linear?.metrics ?? {};
    const metrics: Record<string, number> = {};
    for (const [name, { value }] of Object.entries(linear)) if (value !== null) metrics[name] = value;
    const answer = found?.linear?.answer ?? 'unknown';
    const estimates = { units: found?.units ?? 0, linear, answer, reason };
    const book = setting.shape.codebook;
    return { metrics, estimates, ...(book ? { codebook: useOf(codes, book.codes, book.size) } : {}) };
  }

  /** By nonlinear probes, at the end of a run; undefined where they are not asked for, or cannot be. Linear ones are empty. */
  async nonlinear(setting: Setting, latentsOf: LatentsOf): Promise<Estimated | undefined> {
    if (!setting.config.probes.includes('nonlinear')) return undefined;
    const { found, reason } = await this.judged(setting, latentsOf, 'nonlinear');
    const nonlinear = found?.nonlinear?.metrics;
    if (!nonlinear && reason === null) return undefined;
    // Without the share of z that is exogenous the answer is at most that it leaks.
    const isKnown = nonlinear?.innovationLeakage ?? nonlinear?.futureLeakage;
    const answer = answerOfBoth(isKnown ? 'cannot-tell' : 'unknown', nonlinear);
    return { units: found?.units ?? 0, linear: {}, nonlinear, answer, reason };
  }

  private async judged(
    setting: Setting,
    latentsOf: LatentsOf,
    probe: 'linear' | 'nonlinear',
  ): Promise<{ found: LatentJudgement | null; reason: string | null; codes: Int32Array }> {
    const { views, judge, count, reason } = await this.rowsOf(setting);
    const [own, pair] = await Promise.all(views.map(([o, next]) => latentsOf(o, next, count)));
    const codes = own.codes ?? new Int32Array(0);
    if (!judge) return { found: null, reason, codes };
    const { latentDim } = setting.config.model;
    const latents = { latents: own.latent, latentDim, pairLatents: pair?.latent };
    const found = await judge.judge(latents, { ...this.control, onProgress: undefined, probes: [probe] });
    return { found, reason: found.reason, codes };
  }

  private async rowsOf(setting: Setting): Promise<Judged> {
    const { evaluation } = setting;
    if (this.last?.source === evaluation && this.last.count === countOf(setting)) return this.last;
    this.last = null;
    const { source, episode } = judgedSource(setting);
    const count = countOf(setting);
    const hasPair = source.kind !== 'rows' || source.pair.length > 0;
    const needs = { pair: hasPair, later: 0, states: true };
    const rows = await this.backend.drawRows(
      { source, seed: JUDGED_SEED, first: 0, count, needs },
      this.control,
    );
    const views: [Float32Array, Float32Array][] = [[rows.observation, rows.observationNext]];
    if (hasPair) views.push([rows.pairObservation, rows.pairObservationNext]);
    const known = <T extends Float32Array>(values: T) => (values.length > 0 ? values : undefined);
    const asked = {
      ...{ count, episode, observation: rows.observation, observationDim: source.observationDim },
      ...{ action: known(rows.action), actionDim: source.actionDim },
      exogenous: known(rows.exogenous),
      exogenousNext: known(rows.exogenousNext),
      exogenousDim: source.exogenousDim,
    };
    const reason = reasonAgainst(asked);
    const { signal, threads } = this.control;
    const judge = reason ? null : await LatentJudge.create(asked, { backend: this.backend, signal, threads });
    this.last = { source: evaluation, count, views, judge, reason };
    return this.last;
  }
}

function countOf({ evaluation, config }: Setting): number {
  return evaluation.kind === 'rows'
    ? Math.min(evaluation.rows, config.evaluationRows)
    : config.evaluationRows;
}

/** Of data as many rows as are judged, spread evenly over those held out. */
function judgedSource(setting: Setting) {
  const { evaluation, data } = setting;
  if (!data) return { source: evaluation, episode: undefined };
  const count = countOf(setting);
  const rows = Int32Array.from(
    { length: count },
    (_, i) => data.heldOut[Math.floor((i * data.heldOut.length) / count)],
  );
  const source = rowsSource(data.scaled, rows, new Int32Array(0), false);
  return { source, episode: bundled(rows.map((row) => data.transitions.episode[row])) };
}

/** Moments of features are kept a unit: of more episodes than this, several that follow each other are one. */
const MOST_UNITS = 40;

function bundled(episode: Int32Array): Int32Array {
  const places = new Map<number, number>();
  for (const one of episode) if (!places.has(one)) places.set(one, places.size);
  const { size } = places;
  if (size <= MOST_UNITS) return episode;
  return episode.map((one) => Math.floor(((places.get(one) as number) * MOST_UNITS) / size));
}

/** Fewer rows leave folds empty. */
const FEWEST_ROWS = 8;

function reasonAgainst(rows: {
  readonly count: number;
  readonly observation: Float32Array;
  readonly observationDim: number;
  readonly action: Float32Array | undefined;
  readonly exogenousNext: Float32Array | undefined;
}): string | null {
  const { count, observation, observationDim: d, action, exogenousNext } = rows;
  if (!action && !exogenousNext) return 'neither the action nor the exogenous state is known';
  if (count < FEWEST_ROWS) return `fewer than ${FEWEST_ROWS} transitions held out`;
  if (observation.every((v, i) => v === observation[i % d])) return 'no held-out observation moves';
  return null;
}

/** (rows, parts) codes as the use of each part's codebook. */
function useOf(codes: Int32Array, parts: number, size: number): CodebookUse {
  const rows = codes.length / parts;
  const shares = Array.from({ length: parts }, () => new Float64Array(size));
  codes.forEach((code, i) => {
    shares[i % parts][code] += 1 / rows;
  });
  const entropy = (own: Float64Array) => own.reduce((sum, p) => sum - (p > 0 ? p * Math.log(p) : 0), 0);
  return {
    used: shares.map((own) => own.filter((p) => p >= IN_USE / size).length),
    perplexity: shares.map((own) => Math.exp(entropy(own))),
  };
}

import { z } from 'zod';
import { backendField, controlFields } from '../backend/control.js';
import type { Backend, Control, MomentsAnswer } from '../backend/requests.js';
import { RELATIVE_TOLERANCE } from '../backend/requests.js';
import { defaultBackend } from '../backend/select.js';
import { requireOk } from '../backend/status.js';
import { boundary } from '../base/boundary.js';
import { ExolamError } from '../base/errors.js';
import { requireMemory } from '../base/memory.js';
import { describes, integer, numberThat, parse, parseOptions, quote } from '../base/validate.js';
import { version } from '../base/version.js';
import { requireTransitions } from '../data/accept.js';
import { splitOf } from '../data/split.js';
import type { Transitions } from '../data/transitions.js';
import { multiply } from '../linalg/dense.js';
import { columns, matrix, scale } from '../linalg/matrix.js';
import type { Sizes } from '../metrics/second-moments.js';
import { type DrawnMoments, momentsOfDraw } from '../moments/drawn.js';
import { meanOf, secondMoments, type Variables, variablesOf } from '../moments/of-data.js';
import { categoriesOf, oneHot, type Scale } from '../moments/of-units.js';
import {
  BY_TRAINING,
  hasKind,
  type ObjectiveSpec,
  objectiveSchema,
  type ResolvedObjective,
  resolveObjective,
} from '../solve/objectives.js';
import { requireVariables, ridgeField } from '../solve/of-moments.js';
import { type Case, prepare, solve } from '../solve/population.js';
import { type Input, inputOf } from '../solve/whitening.js';
import { type Decoder, type Encoder, populationDecoder } from './decoder.js';
import { LinearLam } from './linear-lam.js';
import { type LinearLamParts, productOf, requireGauge } from './parts.js';
import { factorsOf, inGivenUnits, ofScaled, scaledMoments } from './scaling.js';

/** What every fit to second moments asks for; the options mean what they mean to `analyze`. */
interface SampleCase {
  /** What z is to be best at. */
  readonly objective: ObjectiveSpec;
  /** Coordinates of z, 1 to observationDim. */
  readonly latentDim: number;
  /** Ridge of every regression, relative to the regressors' mean variance, at least 0. Default 1e-3. */
  readonly ridge?: number | undefined;
  /** Reconstruct in whitened observations; predictions are observations all the same. Default false. */
  readonly whiten?: boolean | undefined;
}

/** What to fit to moments that were drawn without their transitions. */
export interface MomentsCase extends SampleCase {
  /** What `drawMoments` gave. */
  readonly moments: DrawnMoments;
  /** Which of its draws, from 0. Default 0. */
  readonly draw?: number | undefined;
}

/** What to fit to a data set. */
export interface DataCase extends SampleCase {
  /** The data: of `openData` or of `transitions`. */
  readonly data: Transitions;
  /**
   * Units in which the objective counts: `standard`, every column at unit standard deviation, as `analyze` does for vectors; `given`.
   * The model is one of observations as they are given either way. Default `given`.
   */
  readonly scale?: Scale | undefined;
  /** Share of the episodes left out of the fit, those that `analyze` would hold out: from 0 up to, not including, 1. Default 0. */
  readonly heldOut?: number | undefined;
  /** Whether few distinct whole values in one column of actions are categories, as they are to `analyze`. Default true. */
  readonly discreteActions?: boolean | undefined;
}

export interface FitLinearLamOptions extends Control {
  /** The state gauge of the latents. Default: the objective's own (docs/theory.md). None but that for `cross-exogenous`. */
  readonly gauge?: 'innovation' | 'difference' | undefined;
  /** Shape of one observation, kept with the model, e.g. [15, 20, 3]; its product is observationDim. Default [observationDim]. */
  readonly observationShape?: readonly number[] | undefined;
  /** What computes. Default: {@link defaultBackend}. */
  readonly backend?: Backend | undefined;
}

const sampleFields = {
  objective: objectiveSchema,
  latentDim: integer(1),
  ridge: ridgeField,
  whiten: z.boolean().default(false),
};

const dataCaseSchema = describes<DataCase>()(
  z.strictObject({
    ...sampleFields,
    data: z.custom<Transitions>(
      (value) => typeof value === 'object' && value !== null,
      'expected transitions, such as openData() or transitions() give,',
    ),
    scale: z.enum(['standard', 'given']).default('given'),
    heldOut: numberThat('a share of at least 0 and less than 1', (v) => v >= 0 && v < 1).default(0),
    discreteActions: z.boolean().default(true),
  }),
);

const momentsCaseSchema = describes<MomentsCase>()(
  z.strictObject({
    ...sampleFields,
    moments: z.custom<DrawnMoments>(
      (value) => typeof value === 'object' && value !== null,
      'expected what drawMoments() gives,',
    ),
    draw: integer(0).default(0),
  }),
);

const optionsSchema = describes<FitLinearLamOptions>()(
  z.strictObject({
    ...controlFields,
    gauge: z.enum(['innovation', 'difference']).optional(),
    observationShape: z.array(integer(1)).min(1).optional(),
    backend: backendField,
  }),
);
type Checked = z.output<typeof optionsSchema>;

/**
 * Fits a linear latent action model: to the exact moments of a world, to the transitions of a data set, or to moments drawn for so
 * many transitions. C and D are those of `solve` and `analyze`. Throws {@link ExolamError}: `input` for a case or option that is not accepted, `unsupported` where the
 * objective has no closed form, `numerical` where nothing is left to encode.
 */
export function fitLinearLam(
  question: Case | DataCase | MomentsCase,
  options: FitLinearLamOptions = {},
): Promise<LinearLam> {
  return boundary('fitLinearLam', async () => {
    const checked = parseOptions(optionsSchema, options);
    const { gauge } = checked;
    const has = (key: string) => typeof question === 'object' && question !== null && key in question;
    if (has('data')) {
      const known = parse(dataCaseSchema, question, '', 'case');
      requireTransitions(known.data, 'data');
      return inGauge(gauge, question.objective, () => fitData(known, checked));
    }
    if (has('moments')) {
      const known = parse(momentsCaseSchema, question, '', 'case');
      return inGauge(gauge, question.objective, () => fitMoments(known, checked));
    }
    prepare(question as Case, '');
    return inGauge(gauge, question.objective, () => fitPopulation(question as Case, checked));
  });
}

async function inGauge(
  gauge: Checked['gauge'],
  objective: ObjectiveSpec,
  partsOf: () => Promise<LinearLamParts>,
): Promise<LinearLam> {
  if (gauge !== undefined) requireGauge(gauge, objective);
  const lam = new LinearLam(await partsOf());
  return gauge === undefined ? lam : lam.withGauge(gauge);
}

function shapeOf(shape: readonly number[] | undefined, observationDim: number): readonly number[] {
  if (shape === undefined) return [observationDim];
  if (productOf(shape) === observationDim) return [...shape];
  throw new ExolamError(
    'input',
    `observationShape: expected positive integers whose product is observationDim (${observationDim}) but received ${quote(shape)}`,
  );
}

async function fitPopulation(question: Case, options: Checked): Promise<LinearLamParts> {
  const prepared = prepare(question, '');
  const { objective } = prepared;
  const d = prepared.world.spec.observationDim;
  const observationShape = shapeOf(options.observationShape, d);
  const m = objective.projection?.rows ?? d;
  // A, and what it is made from.
  requireMemory(4 * m * d * 8, `a decoder of ${d} coordinates`);
  const { signal, onProgress, threads, backend } = options;
  const solution = await solve(question, { signal, onProgress, threads, backend, encoder: true });
  const { C, D } = solution.encoder as NonNullable<typeof solution.encoder>;
  const encoder = { C: solution.gauge === 'difference' ? scale(-1, D) : C, D };
  const decoder = await populationDecoder(prepared, encoder, solution.spectrum, backend ?? defaultBackend(), {
    signal,
    threads,
  });
  const zero = new Float64Array(d);
  return {
    objective: objective.spec,
    gauge: solution.gauge,
    observationShape,
    encoder,
    decoder,
    means: { observation: zero, observationNext: zero, decoded: zero, prediction: new Float64Array(m) },
    loss: solution.loss,
    rank: solution.rank,
    spectrum: solution.spectrum,
    fit: { source: 'population' },
    fittedWith: version,
  };
}

function checkLatentDim(
  latentDim: number,
  t: Pick<Sizes, 'observationDim' | 'actionDim'>,
  supervised: boolean,
): void {
  if (latentDim > t.observationDim)
    throw new ExolamError(
      'input',
      `latentDim: expected an integer between 1 and observationDim (${t.observationDim}) but received ${quote(latentDim)}`,
    );
  if (supervised && latentDim < t.actionDim)
    throw new ExolamError(
      'unsupported',
      `latentDim: expected at least ${t.actionDim}, the width of the action, but received ${latentDim}: below it action supervision has no closed form for a policy that reacts to the observation; ${BY_TRAINING}`,
    );
}

function rowsOf(t: Transitions, heldOut: number): Int32Array {
  const rows = heldOut === 0 ? Int32Array.from({ length: t.count }, (_, i) => i) : splitOf(t, heldOut).train;
  if (rows.length >= 2) return rows;
  throw new ExolamError(
    'data',
    `${rows.length} transitions are too few to fit a model to; at least 2 are needed`,
  );
}

/** The same data with one column of actions for each category. */
function withCategories(t: Transitions, categories: readonly number[]): Transitions {
  return { ...t, action: oneHot(t.action as Float64Array, categories), actionDim: categories.length };
}

async function fitData(question: z.output<typeof dataCaseSchema>, options: Checked): Promise<LinearLamParts> {
  const { data, heldOut } = question;
  const objective = resolveObjective(question.objective);
  requireVariables(objective, data);
  const categories =
    data.action && question.discreteActions ? categoriesOf(data.action, data.actionDim) : null;
  const t = categories ? withCategories(data, categories) : data;
  // Of m categories, m - 1 say all.
  const actionDim = categories ? categories.length - 1 : t.actionDim;
  checkLatentDim(question.latentDim, { observationDim: t.observationDim, actionDim }, objective.supervised);
  shapeOf(options.observationShape, t.observationDim);
  const rows = rowsOf(t, heldOut);
  const backend = options.backend ?? defaultBackend();
  const mean = meanOf(t, rows);
  const moments = await secondMoments(t, rows, mean, backend, options);
  const variables = variablesOf(t);
  const factors = question.scale === 'standard' ? await factorsOf(t, variables, categories, options) : null;
  return fitSample(
    { variables, mean, moments, transitions: rows.length, factors },
    objective,
    question,
    options,
  );
}

async function fitMoments(
  question: z.output<typeof momentsCaseSchema>,
  options: Checked,
): Promise<LinearLamParts> {
  const { sample, objective } = sampleOf(question.moments, question.draw, question.objective);
  checkLatentDim(question.latentDim, question.moments.layout, objective.supervised);
  return fitSample(sample, objective, question, options);
}

/** One of the draws, and what is asked of it. */
function sampleOf(
  drawn: DrawnMoments,
  draw: number,
  spec: ObjectiveSpec,
): { readonly sample: Sample; readonly objective: ResolvedObjective } {
  const moments = momentsOfDraw(drawn, draw, 'moments');
  const { layout, transitions, width } = drawn;
  const objective = resolveObjective(spec);
  requireVariables(objective, {
    observationDim: layout.observationDim,
    action: layout.action >= 0,
    pairObservation: layout.pairObservation >= 0,
  });
  const mean = new Float64Array(width);
  return { sample: { variables: drawn, mean, moments, transitions, factors: null }, objective };
}

/**
 * Models of several latent dimensions fitted to one draw, each as `fitLinearLam` has it, or why it is refused: one problem, of whose
 * eigenvectors each takes the leading ones.
 */
export async function fitEach(
  {
    moments,
    objective: spec,
    ridge,
  }: Pick<MomentsCase, 'moments' | 'objective'> & { readonly ridge: number },
  latentDims: readonly number[],
  control: Control,
): Promise<(LinearLamParts | ExolamError)[]> {
  const { sample, objective } = sampleOf(moments, 0, spec);
  const options = optionsSchema.parse(control);
  const refusals = latentDims.map((latentDim) => {
    try {
      checkLatentDim(latentDim, moments.layout, objective.supervised);
      return null;
    } catch (error) {
      if (error instanceof ExolamError && error.kind === 'unsupported') return error;
      throw error;
    }
  });
  const asked = latentDims.filter((_, i) => refusals[i] === null);
  if (asked.length === 0) return refusals as ExolamError[];
  const solve = (latentDim: number) =>
    solveSample(sample, objective, { latentDim, ridge, whiten: false }, options);
  const widest = await solve(Math.max(...asked));
  return Promise.all(
    latentDims.map(
      async (latentDim, i) =>
        refusals[i] ?? partsOf(isNested(objective) ? widest : await solve(latentDim), latentDim),
    ),
  );
}

/** Whether what the decoder knows of o is the same for every latentDim: not where z holds what o tells of it. */
const isNested = ({ rows }: ResolvedObjective) => rows.gauge === 'innovation' || rows.f.length === 0;

/** Second moments about a mean, of so many transitions. */
interface Sample {
  readonly variables: Variables;
  readonly mean: Float64Array;
  readonly moments: Float64Array;
  readonly transitions: number;
  /** What each column is multiplied with before the fit; null: nothing. */
  readonly factors: Float64Array | null;
}

/** Encoder and decoder of observations as they were given, from those of the problem that was solved. */
function mapsOf(
  answer: MomentsAnswer,
  { rows: { gauge }, restore }: Input,
  latentDim: number,
  d: number,
  factors: Float64Array | null,
  isProjected: boolean,
): { readonly encoder: Encoder; readonly decoder: Decoder } {
  const D = matrix(latentDim, d, answer.encoderD);
  const found = { C: gauge === 'difference' ? scale(-1, D) : matrix(latentDim, d, answer.encoderC), D };
  const m = answer.decoderB.length / latentDim;
  const decoded: Decoder = {
    A: matrix(m, d, answer.decoderA),
    B: matrix(m, latentDim, answer.decoderB),
    innovationC: matrix(latentDim, d, answer.innovationC),
  };
  const restored: Decoder = restore
    ? { ...decoded, A: multiply(restore, decoded.A), B: multiply(restore, decoded.B) }
    : decoded;
  return factors
    ? inGivenUnits(found, restored, factors, isProjected)
    : { encoder: found, decoder: restored };
}

/** What is asked of a sample. */
interface SampleQuestion {
  readonly latentDim: number;
  readonly ridge: number;
  readonly whiten: boolean;
}

/** A problem that was solved, with its widest latents. */
interface SolvedSample {
  readonly sample: Sample;
  readonly objective: ResolvedObjective;
  readonly question: SampleQuestion;
  readonly observationShape: readonly number[];
  readonly ofObservation: Float64Array | null;
  readonly seen: Input;
  readonly answer: MomentsAnswer;
}

async function fitSample(
  sample: Sample,
  objective: ResolvedObjective,
  question: SampleQuestion,
  options: Checked,
): Promise<LinearLamParts> {
  return partsOf(await solveSample(sample, objective, question, options), question.latentDim);
}

async function solveSample(
  sample: Sample,
  objective: ResolvedObjective,
  question: SampleQuestion,
  options: Checked,
): Promise<SolvedSample> {
  const { variables, moments: given, factors } = sample;
  const { latentDim, ridge, whiten } = question;
  const { width, layout } = variables;
  const { observationDim: d } = layout;
  const observationShape = shapeOf(options.observationShape, d);
  const backend = options.backend ?? defaultBackend();
  const moments = factors ? scaledMoments(given, factors) : given;
  const ofObservation = factors?.subarray(layout.observation, layout.observation + d) ?? null;
  const scaled = ofObservation ? ofScaled(objective, ofObservation) : objective;
  const seen = await inputOf(scaled, whiten, moments, variables, backend);
  const request = {
    count: 1,
    width,
    moments,
    layout,
    objective: seen.rows,
    coefficients: Float64Array.from(objective.coefficients),
    projection: seen.projection?.data ?? new Float64Array(0),
    projectionDim: seen.projection?.rows ?? 0,
    latentDim,
    decoder: true,
    ridge,
    relativeTolerance: RELATIVE_TOLERANCE,
  };
  const answer = await backend.solveMoments(request, { ...options, onProgress: undefined });
  requireOk(answer.status[0], 'fitLinearLam');
  return { sample, objective, question, observationShape, ofObservation, seen, answer };
}

/** The leading latents of an answer. */
function narrowed(answer: MomentsAnswer, widest: number, latentDim: number, d: number): MomentsAnswer {
  if (latentDim === widest) return answer;
  const rows = (values: Float64Array) => values.subarray(0, latentDim * d);
  const B = matrix(answer.decoderB.length / widest, widest, answer.decoderB);
  return {
    ...answer,
    encoderC: rows(answer.encoderC),
    encoderD: rows(answer.encoderD),
    innovationC: rows(answer.innovationC),
    decoderB: columns(B, 0, latentDim).data,
  };
}

/** The model of a latent dimension no wider than what was solved. */
function partsOf(solved: SolvedSample, latentDim: number): LinearLamParts {
  const { sample, objective, question, observationShape, ofObservation, seen, answer } = solved;
  const { variables, mean, transitions, factors } = sample;
  const { layout } = variables;
  const { ridge, whiten } = question;
  const d = layout.observationDim;
  const { encoder, decoder } = mapsOf(
    narrowed(answer, question.latentDim, latentDim, d),
    seen,
    latentDim,
    d,
    ofObservation,
    objective.projection !== null,
  );
  const spectrum = new Float64Array(latentDim);
  spectrum.set(answer.spectrum.subarray(0, latentDim));
  const meanAt = (begin: number) => mean.slice(begin, begin + d);
  // The view that the decoder sees and predicts.
  const paired = hasKind(objective.spec, 'cross-exogenous');
  const next = meanAt(paired ? layout.pairObservationNext : layout.observationNext);
  const { projection } = objective;
  return {
    objective: objective.spec,
    gauge: seen.rows.gauge,
    observationShape,
    encoder,
    decoder,
    means: {
      observation: meanAt(layout.observation),
      observationNext: meanAt(layout.observationNext),
      decoded: meanAt(paired ? layout.pairObservation : layout.observation),
      prediction: projection ? multiply(projection, matrix(d, 1, next)).data : next,
    },
    // A sum of squares: below zero only by rounding.
    loss: Math.max(
      0,
      spectrum.reduce((left, value) => left - value, answer.trace[0]),
    ),
    rank: answer.rank[0],
    spectrum,
    fit: { source: 'data', transitions, ridge, whiten, ...(factors ? { scale: 'standard' as const } : {}) },
    fittedWith: version,
  };
}

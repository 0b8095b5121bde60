/**
 * The seam between the product and its numerical core: a handful of batched calls on typed arrays, implemented twice,
 * by the addon (`native/addon`) and in plain TypeScript (`lib/backend/reference`). Callers validate first: every size and
 * every finiteness check has happened before a request reaches a backend. Matrices are row-major, one problem after
 * another, everything f64 unless said. Names and formulas: docs/theory.md.
 */

import type { DrawRequest, Rows } from './batch-sources.js';
import { type DescentAnswer, type DescentSettings, descentArrays } from './descent-requests.js';
import type { FeatureMomentsRequest, NestedAnswer, NestedRequest } from './judging-requests.js';
import type {
  ApplyAnswer,
  ApplyRequest,
  TrainLossAnswer,
  TrainLossRequest,
  TrainStepsAnswer,
  TrainStepsRequest,
} from './train-requests.js';
import type { View } from './views.js';

/** How a long call is watched and stopped. */
export interface Control {
  /** Stops the call when it fires: it then rejects with an ExolamError of kind `cancelled`. Default: nothing stops it. */
  readonly signal?: AbortSignal | undefined;
  /** Called from time to time while the call runs: `done` of `total` units of work. Default: nobody is told. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Worker threads, 1 to 1024. Default: all cores. The answer's bits do not depend on it. */
  readonly threads?: number | undefined;
}

/** What an objective may refer to. The order is the numbering shared with native/core/objective.h. */
export const VARIABLES = [
  'observation', // o
  'observationNext', // o'
  'pairObservation', // o2: same s, a; exogenous pair and sensor noise redrawn
  'pairObservationNext', // o2'
  'action', // a
  'encoderNoise', // n1: N(0, I) of the width of what it is added to, fresh
  'decoderNoise', // n2, likewise
] as const;
export type Variable = (typeof VARIABLES)[number];

/** coefficient x variable; `coefficient` is a column of the request's `coefficients`, or null for 1. */
export interface Term {
  readonly variable: Variable;
  readonly coefficient: number | null;
  readonly negative?: boolean;
}

/** A sum of terms of equal width; `projected`: the observations in it are seen through the projection P (h = P o). */
export interface Block {
  readonly terms: readonly Term[];
  readonly projected: boolean;
}

/**
 * An objective as data: theory.md section 2 with target y, free regressor f, bottleneck regressor e (each a stack of
 * blocks) and penalty P = sum over `penalties` of weight x cov(of given `given`), stacks too, `of` having the width of e.
 * `gauge`: the state gauge of the reported encoder, z = G (e - E[e | f]) or z = G e, augmentation noise left out.
 * Zero coefficients of y, f, e are allowed.
 */
export interface ObjectiveRows {
  readonly y: readonly Block[];
  readonly f: readonly Block[];
  readonly e: readonly Block[];
  readonly penalties: readonly {
    readonly of: readonly Block[];
    readonly given: readonly Block[];
    readonly weight: number;
  }[];
  readonly gauge: 'innovation' | 'difference' | 'encoder';
}

/** World parameters of a population request, one column each, in this order (native/core/population.h). */
export const PARAMETERS = [
  'endogenousDecay',
  'exogenousDecay',
  'actionScale',
  'exogenousScale',
  'policyNoise',
  'processNoise',
  'sensorNoise',
  'stateFeedback',
  'exogenousFeedback',
  'actionExogenousCorrelation',
  'exogenousInitialScale',
  'complementDim', // observationDim less the reduced basis: coordinates that hold sensor noise alone
  'hiddenExogenousDim', // coordinates of x beside exogenousDim that neither observations nor actions see
] as const;

/** Metrics of theory.md section 4, the columns of a population answer in this order. Infinity where exact. */
export const POPULATION_METRICS = [
  'actionError',
  'futureLeakage',
  'actionInformation',
  'futureInformation',
  'consistencyError',
  'rawActionError',
  'rawExogenousNextError',
  'rawObservationError',
  'innovationLeakage',
  'latentShare.exogenous',
  'latentShare.action',
] as const;

/**
 * Which end of a metric's range is the least favourable: the one that says that z knows less of the action, more of the
 * exogenous state, or more of the current observation. Where latents tie, that end is reported.
 */
export const LEAST_FAVOURABLE: Readonly<Record<(typeof POPULATION_METRICS)[number], 'high' | 'low'>> = {
  actionError: 'high',
  futureLeakage: 'high',
  actionInformation: 'low',
  futureInformation: 'high',
  consistencyError: 'high',
  rawActionError: 'high',
  rawExogenousNextError: 'low',
  rawObservationError: 'low',
  innovationLeakage: 'high',
  'latentShare.exogenous': 'high',
  'latentShare.action': 'low',
};

/**
 * Many worlds of one shape under one objective. Everything is in a reduced orthonormal basis of span[Es Ex | rows of P]
 * (theory.md section 1): `basis` coordinates, whatever observationDim is.
 */
export interface PopulationRequest {
  readonly count: number;
  readonly basis: number;
  readonly endogenousDim: number;
  readonly exogenousDim: number;
  readonly actionDim: number;
  /** Rows of the projection in a basis of its own range; 0: none. */
  readonly projectionDim: number;
  /** Ascending; one answer for each, from one solve. */
  readonly latentDims: Int32Array;
  readonly objective: ObjectiveRows;
  /** (PARAMETERS.length, count) */
  readonly parameters: Float64Array;
  /** (coefficient columns, count) */
  readonly coefficients: Float64Array;
  /** (count): which of the stacked matrices below each problem uses. */
  readonly matrixIndex: Int32Array;
  /** (m, basis, endogenousDim + exogenousDim): [Es Ex] in the reduced basis. */
  readonly mixing: Float64Array;
  /** (m, endogenousDim, actionDim) */
  readonly actionEffect: Float64Array;
  /** (m, actionDim, endogenousDim) and (m, actionDim, exogenousDim), before their scalar parameters. */
  readonly stateFeedback: Float64Array;
  readonly exogenousFeedback: Float64Array;
  /** (m, projectionDim, basis) */
  readonly projection: Float64Array;
  readonly relativeTolerance: number;
  /** Also return the encoders in the reduced basis, of the largest latentDim. */
  readonly encoder: boolean;
}

/** Outcome of one problem (native/core/status.h); sentences in lib/backend/status.ts. */
export const STATUS = { ok: 0, nonFinite: 1, notConverged: 2, emptyProblem: 3 } as const;

export interface PopulationAnswer {
  /** (count, K) for the K latentDims. */
  readonly loss: Float64Array;
  /** (count, max latentDim): leading eigenvalues of M, descending, the complement's included; 0 beyond the rank. */
  readonly spectrum: Float64Array;
  /** (count): eigenvalues of M above relativeTolerance times the largest, the complement's included. */
  readonly rank: Int32Array;
  /** (count, K): the eigenvalue after the k leading ones; 0 beyond the rank. */
  readonly next: Float64Array;
  /** (count, K): 0 where it ties with the one before, so that the minimiser is not unique; else 1. */
  readonly unique: Uint8Array;
  /** (POPULATION_METRICS.length, count, K): where the minimiser is not unique, the least favourable value of each. */
  readonly metrics: Float64Array;
  /** Likewise the most favourable value, where the minimiser is not unique; elsewhere 0. */
  readonly favourable: Float64Array;
  /**
   * (count, max latentDim, basis) each, or empty: C and D in the reduced basis. Rows are in the order of `spectrum`; a row
   * whose eigenvalue belongs to the complement (or lies beyond the rank) is zero, and `complement` (count, max latentDim)
   * then holds 1 where the row is one of the complement's coordinates. `complementEncoder` (count, 2): c and d of such a row.
   */
  readonly encoderC: Float64Array;
  readonly encoderD: Float64Array;
  readonly complement: Uint8Array;
  readonly complementEncoder: Float64Array;
  readonly status: Uint8Array;
}

/** The arrays of a population answer, all zero: those of an earlier answer of the same sizes, or fresh ones. */
export function populationArrays(r: PopulationRequest, into?: PopulationAnswer): PopulationAnswer {
  if (into) {
    for (const array of Object.values(into)) array.fill(0);
    return into;
  }
  const width = r.latentDims.length;
  const k = r.latentDims[width - 1] ?? 0;
  const encoder = r.encoder ? r.count * k * r.basis : 0;
  return {
    loss: new Float64Array(r.count * width),
    spectrum: new Float64Array(r.count * k),
    rank: new Int32Array(r.count),
    next: new Float64Array(r.count * width),
    unique: new Uint8Array(r.count * width),
    metrics: new Float64Array(POPULATION_METRICS.length * r.count * width),
    favourable: new Float64Array(POPULATION_METRICS.length * r.count * width),
    encoderC: new Float64Array(encoder),
    encoderD: new Float64Array(encoder),
    complement: new Uint8Array(r.count * k),
    complementEncoder: new Float64Array(2 * r.count),
    status: new Uint8Array(r.count),
  };
}

/** The variables of a joint moment matrix: first column of each, -1 where absent. */
export interface MomentLayout {
  readonly observationDim: number;
  readonly actionDim: number;
  readonly observation: number;
  readonly observationNext: number;
  readonly pairObservation: number;
  readonly pairObservationNext: number;
  readonly action: number;
}

/** One or more joint second-moment matrices of one layout under one objective: the data-level route. */
export interface MomentsRequest {
  readonly count: number;
  /** Side of each moment matrix. */
  readonly width: number;
  /** (count, width, width), symmetric. */
  readonly moments: Float64Array;
  /** The moments are not needed any more and may be overwritten, where that saves memory. Default false. */
  readonly spoil?: boolean | undefined;
  readonly layout: MomentLayout;
  readonly objective: ObjectiveRows;
  /** (coefficient columns, count) */
  readonly coefficients: Float64Array;
  /** (projectionDim, observationDim), one for all problems. */
  readonly projection: Float64Array;
  readonly projectionDim: number;
  readonly latentDim: number;
  /** Also the decoder that goes with the encoder (docs/linear-lam.md). Default false. */
  readonly decoder?: boolean | undefined;
  /** Added to the diagonal of the free regressor's moments, relative to their mean diagonal. */
  readonly ridge: number;
  readonly relativeTolerance: number;
}

export interface MomentsAnswer {
  /** (count): tr S_yy of the residual target, so that the loss of latentDim k is trace - sum of k eigenvalues. */
  readonly trace: Float64Array;
  /** (count, all): every eigenvalue of M that can be non-zero, descending; all = width of e. */
  readonly spectrum: Float64Array;
  readonly rank: Int32Array;
  /** (count, latentDim, observationDim) each; rows beyond the rank are zero. */
  readonly encoderC: Float64Array;
  readonly encoderD: Float64Array;
  /**
   * Empty unless asked for: y ~ A o + B z in the width m of y without its actions. A (count, m, observationDim), B (count, m,
   * latentDim), zero where an eigenvalue is, and C of the innovation gauge (count, latentDim, observationDim).
   */
  readonly decoderA: Float64Array;
  readonly decoderB: Float64Array;
  readonly innovationC: Float64Array;
  readonly status: Uint8Array;
}

/** Width of a stack of blocks at data level. */
export function dataWidth(
  stack: readonly Block[],
  { layout, projectionDim }: Pick<MomentsRequest, 'layout' | 'projectionDim'>,
): number {
  const width = (b: Block) => {
    if (b.terms[0].variable === 'action') return layout.actionDim;
    return b.projected ? projectionDim : layout.observationDim;
  };
  return stack.reduce((sum, b) => sum + width(b), 0);
}

/** y without its actions: what a decoder decodes. */
export function decodedOf(rows: ObjectiveRows): readonly Block[] {
  return rows.y.filter((b) => b.terms[0].variable !== 'action');
}

/** The arrays of a moments answer, all zero. */
export function momentsArrays(r: MomentsRequest): MomentsAnswer {
  const { count, latentDim } = r;
  const d = r.layout.observationDim;
  const decoded = r.decoder ? dataWidth(decodedOf(r.objective), r) : 0;
  return {
    trace: new Float64Array(count),
    spectrum: new Float64Array(count * dataWidth(r.objective.e, r)),
    rank: new Int32Array(count),
    encoderC: new Float64Array(count * latentDim * d),
    encoderD: new Float64Array(count * latentDim * d),
    decoderA: new Float64Array(count * decoded * d),
    decoderB: new Float64Array(count * decoded * latentDim),
    innovationC: new Float64Array(r.decoder ? count * latentDim * d : 0),
    status: new Uint8Array(count),
  };
}

/** y and e of an objective given its f, and nothing solved: penalties and gauge are not read. */
export type ConditionRequest = Omit<MomentsRequest, 'latentDim' | 'decoder'>;

/** Widths of the stacks: ny, nf, ne. */
export interface ConditionAnswer {
  /** (count, nf, ny), (count, nf, ne): y ~ yOnF^T f, e ~ eOnF^T f. */
  readonly yOnF: Float64Array;
  readonly eOnF: Float64Array;
  /** (count, ny, ne): cov(y, e given f). */
  readonly cross: Float64Array;
  readonly status: Uint8Array;
}

/** The arrays of a condition answer, all zero. */
export function conditionArrays(r: ConditionRequest): ConditionAnswer {
  const [ny, nf, ne] = [r.objective.y, r.objective.f, r.objective.e].map((stack) => dataWidth(stack, r));
  return {
    yOnF: new Float64Array(r.count * nf * ny),
    eOnF: new Float64Array(r.count * nf * ne),
    cross: new Float64Array(r.count * ny * ne),
    status: new Uint8Array(r.count),
  };
}

/**
 * Linear ridge probes of theory.md section 4 on data: fitted on `train`, judged on `heldOut` (both joint second moments of one
 * layout, centred by the training means). For every prefix of the encoder's rows in `latentDims` and every target:
 * conditional = E|t - probe(o, z)|^2 / E|t - probe(o)|^2 and raw = E|t - probe(z)|^2 / E|t|^2, on held-out moments.
 */
export interface ProbeRequest {
  readonly width: number;
  readonly train: Float64Array;
  readonly heldOut: Float64Array;
  readonly observation: number;
  readonly observationNext: number;
  readonly observationDim: number;
  /** (rows, observationDim) each. */
  readonly encoderC: Float64Array;
  readonly encoderD: Float64Array;
  readonly rows: number;
  readonly latentDims: Int32Array;
  /** (targets, 2): first column and width of each target. */
  readonly targets: Int32Array;
  /** Relative to the mean diagonal of the regressors' training moments; latents as regressors have unit variance. */
  readonly ridge: number;
  /** First columns of the paired view (o2, o2'), both -1 where there is none. */
  readonly pairObservation: number;
  readonly pairObservationNext: number;
}

export interface ProbeAnswer {
  /** (latentDims, targets) each. NaN where the target has no variance left to explain. */
  readonly conditional: Float64Array;
  readonly raw: Float64Array;
  /** (targets): E|t - probe(o)|^2 on held-out moments. */
  readonly remaining: Float64Array;
  /**
   * (latentDims, targets): Gaussian I(t; z | o) in nats, from the latent's side because z is narrow: half the log of
   * det cov(z - probe(o)) over det cov(z - probe(o, t)), probes fitted on training moments, covariances held out; at least 0,
   * Infinity where t leaves less than 1e-9 of a direction of z.
   */
  readonly information: Float64Array;
  /** (latentDims): E|z - z2|^2 / (2 tr cov z) on held-out moments, z2 from the paired view; NaN without one. */
  readonly consistency: Float64Array;
}

/** Metrics that are estimated fold by fold, in the order shared with native/core/estimates.h. */
export const ESTIMATED = [
  'actionError', // |a - E[a given o, z]|^2 over |a - E[a given o]|^2
  'futureLeakage', // the same of x': one minus it is the leakage
  'innovationLeakage', // x' given o, x and z, over x' given o and x
  'latentShare.exogenous', // what x' given (o, x) leaves of z given (o, x) at unit variance
  'latentShare.action', // what a given o leaves of it
  'endogenousError', // the clean o' given o and z, over it given o
  'consistencyError', // |z - z2|^2 over 2 |z - mean|^2, z2 the paired view's, both at unit variance given o
  'rawActionError', // |a - E[a given z]|^2 over |a - mean|^2
  'rawExogenousNextError',
  'rawObservationError', // of o
  'latentShare.either', // what x' given (o, x) and a given o leave of it together
] as const;
export type EstimatedMetric = (typeof ESTIMATED)[number];

/** Variables of a unit's moments, in the order of an estimates request's layout. */
export const UNIT_VARIABLES = [
  'observation',
  'observationNext',
  'action',
  'exogenous',
  'exogenousNext',
  'endogenousNext',
  'pairObservation',
  'pairObservationNext',
] as const;
export type UnitVariable = (typeof UNIT_VARIABLES)[number];

/** An objective with its numbers, and the projection that it sees observations through. */
export interface FittedObjective {
  readonly rows: ObjectiveRows;
  readonly coefficients: readonly number[];
  /** (projectionDim, observationDim), empty without one. */
  readonly projection: Float64Array;
  readonly projectionDim: number;
  /**
   * In (0, 1]: in the place of `projection`, each model makes its own of the moments that it is fitted on. The direction of o' given o
   * in which x' given o shows most keeps this much of itself, one in which it does not show is left alone (estimates.md).
   */
  readonly gain?: number;
}

/** A variable as rows: less `mean`, times `factor`, column by column. */
export interface RowColumn {
  /** (rows, width) */
  readonly values: Float64Array;
  readonly width: number;
  readonly mean: Float64Array;
  readonly factor: Float64Array;
}

/** Rows of data in the place of their moments. */
export interface UnitRows {
  /** (UNIT_VARIABLES.length): null where the data lacks it. */
  readonly columns: readonly (RowColumn | null)[];
  /** (rows): the unit of each, -1 for a row that is left out. */
  readonly unit: Int32Array;
}

/**
 * theory.md section 4, "Metrics on data": for each fold of units a model of each objective and its probes, fitted on the units
 * of the other folds and judged on the fold's; and the same once more for each group of units, fitted without it.
 */
export interface EstimatesRequest {
  readonly units: number;
  /** Side of a unit's moments. */
  readonly width: number;
  /** (units, width, width): sums over the unit's rows of products of [1, variables]; column 0 is the 1. Empty where `rows` are given. */
  readonly moments: Float64Array;
  /** What the moments are of, where they would take too much memory: then groups are the folds. */
  readonly rows: UnitRows | null;
  /** (UNIT_VARIABLES.length, 2): first column and width of each variable; width 0 where the data lacks it. */
  readonly layout: Int32Array;
  /** At least 3; every fold has units. */
  readonly folds: number;
  readonly groups: number;
  /** (units) each; the units of a group are in one fold. */
  readonly fold: Int32Array;
  readonly group: Int32Array;
  readonly objectives: readonly FittedObjective[];
  /** (folds): the one objective that each fold fits, where it was chosen inside the fold; null: every fold fits all. */
  readonly chosen: Int32Array | null;
  /** Ascending. */
  readonly latentDims: Int32Array;
  /** (folds): ridge of everything regressed on o, relative to each regressor's training variance; NaN: chosen from `grid`. */
  readonly ridges: Float64Array;
  /** Ascending: of these the smallest whose error on inner folds is within a tenth of the least. */
  readonly grid: Float64Array;
}

/** Covariance of rows, (width - 1, width - 1): the constant's column is left out. */
export type RowCovarianceRequest = Pick<EstimatesRequest, 'width' | 'layout'> & { readonly rows: UnitRows };

/** A = objectives, or 1 where each fold has its own; L = latentDims, M = ESTIMATED. NaN where the data lacks a variable. */
export interface EstimatesAnswer {
  /** (folds) */
  readonly ridges: Float64Array;
  /** (A, L, M, 2, units): held-out sums of squared errors, with z and without. */
  readonly held: Float64Array;
  /** (A, L, M, 2): the same on training units, summed over folds. */
  readonly training: Float64Array;
  /** (A, L, M, 2, groups): held-out sums over the units outside the group, of the models fitted without it. */
  readonly replicates: Float64Array;
  /** (1) */
  readonly status: Uint8Array;
}

/** The arrays of an estimates answer, before the work. */
export function estimatesArrays(r: EstimatesRequest): EstimatesAnswer {
  const size = (r.chosen ? 1 : r.objectives.length) * r.latentDims.length * ESTIMATED.length * 2;
  return {
    ridges: r.ridges.slice(),
    held: new Float64Array(size * r.units),
    training: new Float64Array(size),
    replicates: new Float64Array(size * r.groups),
    status: new Uint8Array(1),
  };
}

/**
 * Linear LAMs trained on second moments by full-batch L-BFGS (theory.md section 6, item 1): reconstruction from the moments of
 * all rows, the action head from those of the labelled rows alone,
 *
 *     E_all |o' - A o - B z|^2 + weight E_labelled |a - W o - H z|^2,    z = D (o' - Gamma o),
 *
 * with A, B, W and H at their best for every D. For latentDim >= actionDim W is free, since C = H^+ W costs the reconstruction
 * nothing.
 */
export interface TrainMomentsRequest {
  readonly count: number;
  /** Sets of all rows that the problems share. */
  readonly sets: number;
  /** Side of each moment matrix. */
  readonly width: number;
  /** (sets, width, width): second moments of all rows, about their mean. */
  readonly moments: Float64Array;
  /** (count): the set of each problem. */
  readonly set: Int32Array;
  /** (count, width, width): second moments of the labelled rows, about their own mean. */
  readonly labelled: Float64Array;
  /** (count): weight x labelFraction. */
  readonly weight: Float64Array;
  readonly observationDim: number;
  readonly actionDim: number;
  /** First columns. */
  readonly observation: number;
  readonly observationNext: number;
  readonly action: number;
  readonly latentDim: number;
  /** Added to the diagonal of o's moments, of all rows and of the labelled ones, relative to their mean diagonal. */
  readonly ridge: number;
  readonly relativeTolerance: number;
  /** Random starts beside those with a closed form; the least loss wins. */
  readonly starts: number;
  readonly seed: number;
  /** At most, of every start. */
  readonly iterations: number;
}

export interface TrainMomentsAnswer {
  /** (count) each: the loss, its reconstruction, and what the head leaves of the labelled actions, without the weight. */
  readonly loss: Float64Array;
  readonly reconstruction: Float64Array;
  readonly head: Float64Array;
  /** (count): |gradient| |D| over the loss of an empty encoder, where the best start ended, and its iterations. */
  readonly gradient: Float64Array;
  readonly steps: Int32Array;
  /** (count, latentDim, observationDim) each; rows beyond the innovation's rank are zero. z has unit variance given o. */
  readonly encoderC: Float64Array;
  readonly encoderD: Float64Array;
  readonly status: Uint8Array;
}

/** The arrays of a training answer, all zero. */
export function trainMomentsArrays(r: TrainMomentsRequest): TrainMomentsAnswer {
  const encoder = r.count * r.latentDim * r.observationDim;
  return {
    loss: new Float64Array(r.count),
    reconstruction: new Float64Array(r.count),
    head: new Float64Array(r.count),
    gradient: new Float64Array(r.count),
    steps: new Int32Array(r.count),
    encoderC: new Float64Array(encoder),
    encoderD: new Float64Array(encoder),
    status: new Uint8Array(r.count),
  };
}

/** Worlds trained by gradients: those of a population request, whose objective may lack a closed form. */
export interface PopulationDescentRequest
  extends Omit<PopulationRequest, 'latentDims' | 'encoder'>,
    DescentSettings {}

/** The arrays of its answer. */
export function populationDescentArrays(r: PopulationDescentRequest): DescentAnswer {
  const { basis: observationDim, actionDim, projectionDim } = r;
  const width = (stack: readonly Block[]) =>
    dataWidth(stack, { layout: { observationDim, actionDim } as MomentLayout, projectionDim });
  return descentArrays(r, {
    observation: observationDim,
    y: width(r.objective.y),
    f: width(r.objective.f),
    metrics: POPULATION_METRICS.length,
  });
}

/** The same of data. */
export interface MomentsDescentRequest extends ConditionRequest, DescentSettings {
  /** (count, width, width): moments of the rows that the head sees; of all rows the same as `moments`. */
  readonly labelled: Float64Array;
}

/** The arrays of its answer. */
export function momentsDescentArrays(r: MomentsDescentRequest): DescentAnswer {
  return descentArrays(r, {
    observation: r.layout.observationDim,
    y: dataWidth(r.objective.y, r),
    f: dataWidth(r.objective.f, r),
    metrics: 0,
  });
}

/** c = x^T x summed over rows, after subtracting `mean` from each row. */
export interface AccumulateRequest {
  readonly rows: number;
  readonly width: number;
  /** (rows, width) */
  readonly data: Float64Array;
  /** (width) */
  readonly mean: Float64Array;
}

/** c = op(a) op(b), op the identity or the transpose. */
export interface MultiplyRequest {
  /** Of c: op(a) is (rows, inner), op(b) is (inner, cols). */
  readonly rows: number;
  readonly inner: number;
  readonly cols: number;
  readonly a: Float64Array;
  readonly b: Float64Array;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** Transitions first .. first + count of a world: every variable as rows. Element order of the streams: docs/theory.md. */
export interface SampleRequest {
  readonly first: number;
  readonly count: number;
  readonly seed: number;
  readonly observationDim: number;
  readonly endogenousDim: number;
  readonly exogenousDim: number;
  readonly actionDim: number;
  /** (PARAMETERS.length) as in a population request; complementDim is not read. */
  readonly parameters: Float64Array;
  /** What stands in place of `mixing`, which is then empty, in a nonlinear world. */
  readonly view?: View | undefined;
  /** (observationDim, endogenousDim + exogenousDim) and the others as in PopulationRequest, one each. */
  readonly mixing: Float64Array;
  readonly actionEffect: Float64Array;
  readonly stateFeedback: Float64Array;
  readonly exogenousFeedback: Float64Array;
  readonly pair: boolean;
}

/** Numbers of an observation: Float64Array, or Float32Array from sampleF32. */
export interface SampleAnswer<Observation = Float64Array> {
  /** (count, observationDim) each; the pair's are empty unless asked for. */
  readonly observation: Observation;
  readonly observationNext: Observation;
  readonly pairObservation: Observation;
  readonly pairObservationNext: Observation;
  /** (count, actionDim) */
  readonly action: Float64Array;
  /** (count, exogenousDim) */
  readonly exogenous: Float64Array;
  readonly exogenousNext: Float64Array;
  /** (count, endogenousDim) */
  readonly endogenous: Float64Array;
  readonly endogenousNext: Float64Array;
}

/**
 * Second moments of `degrees` independent rows of a normal distribution of covariance loadings loadings^T and mean 0, drawn
 * without the rows: loadings W loadings^T / degrees with W a Wishart matrix of so many degrees of freedom, at a cost that does
 * not depend on them. Draw n depends on seed, sources, degrees and n alone.
 */
export interface WishartRequest {
  /** Draws first .. first + count. */
  readonly first: number;
  readonly count: number;
  readonly seed: number;
  readonly degrees: number;
  readonly width: number;
  readonly sources: number;
  /** (width, sources) */
  readonly loadings: Float64Array;
}

export interface BackendInfo {
  readonly name: 'native' | 'wasm' | 'reference';
  /** Instruction set in use, and those compiled in that this CPU has. */
  readonly isa: string;
  readonly isas: readonly string[];
  readonly threads: number;
}

export interface Backend {
  info(): BackendInfo;
  /** `into`, here and below: an earlier answer of the same sizes, whose arrays this one takes over: fresh memory costs time. */
  solvePopulation(
    request: PopulationRequest,
    control?: Control,
    into?: PopulationAnswer,
  ): Promise<PopulationAnswer>;
  solveMoments(request: MomentsRequest, control?: Control): Promise<MomentsAnswer>;
  conditionMoments(request: ConditionRequest, control?: Control): Promise<ConditionAnswer>;
  probe(request: ProbeRequest, control?: Control): Promise<ProbeAnswer>;
  estimate(request: EstimatesRequest, control?: Control): Promise<EstimatesAnswer>;
  rowCovariance(request: RowCovarianceRequest, control?: Control): Promise<Float64Array>;
  trainMoments(request: TrainMomentsRequest, control?: Control): Promise<TrainMomentsAnswer>;
  /** Gradient steps of one run, and of many at once, a core each: train-requests.ts. */
  trainSteps(request: TrainStepsRequest, control?: Control): Promise<TrainStepsAnswer>;
  trainBatch(requests: readonly TrainStepsRequest[], control?: Control): Promise<TrainStepsAnswer[]>;
  trainLoss(request: TrainLossRequest, control?: Control): Promise<TrainLossAnswer>;
  applyNetwork(request: ApplyRequest, control?: Control): Promise<ApplyAnswer>;
  drawRows(request: DrawRequest, control?: Control): Promise<Rows>;
  descendPopulation(request: PopulationDescentRequest, control?: Control): Promise<DescentAnswer>;
  descendMoments(request: MomentsDescentRequest, control?: Control): Promise<DescentAnswer>;
  /** (units, width, width) */
  featureMoments(request: FeatureMomentsRequest, control?: Control): Promise<Float64Array>;
  nestedErrors(request: NestedRequest, control?: Control): Promise<NestedAnswer>;
  /** (width, width) */
  accumulate(request: AccumulateRequest, control?: Control): Promise<Float64Array>;
  /** (rows, cols) */
  multiply(request: MultiplyRequest, control?: Control): Promise<Float64Array>;
  sample(request: SampleRequest, control?: Control, into?: SampleAnswer): Promise<SampleAnswer>;
  /**
   * The same transitions with observations in f32: states as in `sample`, mixed in f32, with sensor noise of the f32 streams (its
   * own numbers). Less than half the time where there is sensor noise.
   */
  sampleF32(
    request: SampleRequest,
    control?: Control,
    into?: SampleAnswer<Float32Array>,
  ): Promise<SampleAnswer<Float32Array>>;
  /** (count, width, width), symmetric */
  wishart(request: WishartRequest, control?: Control): Promise<Float64Array>;
  /** Elements first .. first + count of the N(0, 1) stream (seed, stream); into (count), where given. */
  normals(seed: number, stream: number, first: number, count: number, into?: Float64Array): Float64Array;
  /** The same of the f32 stream (seed, stream): other numbers, at less than half the time. To 1e-6 between backends. */
  normalsF32(seed: number, stream: number, first: number, count: number, into?: Float32Array): Float32Array;
  /** `count` symmetric n x n matrices -> eigenvalues descending (count, n), eigenvectors as rows (count, n, n). */
  symmetricEigen(
    matrices: Float64Array,
    n: number,
    count: number,
    control?: Control,
    into?: { values: Float64Array; vectors: Float64Array },
  ): Promise<{ values: Float64Array; vectors: Float64Array }>;
  /** `count` positive definite n x n systems with m right sides each, (count, n, m). */
  choleskySolve(
    matrices: Float64Array,
    rightSides: Float64Array,
    n: number,
    m: number,
    count: number,
    control?: Control,
    into?: Float64Array,
  ): Promise<Float64Array>;
}

export { RELATIVE_TOLERANCE } from '../base/conventions.js';

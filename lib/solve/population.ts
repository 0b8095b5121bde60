import { z } from 'zod';
import { backendField, controlFields } from '../backend/control.js';
import {
  type Backend,
  type Control,
  type ObjectiveRows,
  PARAMETERS,
  POPULATION_METRICS,
  type PopulationAnswer,
  type PopulationRequest,
  RELATIVE_TOLERANCE,
} from '../backend/requests.js';
import { defaultBackend } from '../backend/select.js';
import { requireOk } from '../backend/status.js';
import { boundary } from '../base/boundary.js';
import { SHORT_DIRECTION } from '../base/conventions.js';
import { ExolamError } from '../base/errors.js';
import { requireMemory } from '../base/memory.js';
import { describes, parse, parseOptions, quote } from '../base/validate.js';
import { multiply, norm } from '../linalg/dense.js';
import { type Matrix, matrix, transpose } from '../linalg/matrix.js';
import { type SeenStates, seenStates } from '../world/seen-states.js';
import {
  parameterOf,
  policyReacts,
  reduce,
  type World,
  type WorldSpec,
  worldOf,
  worldSchema,
} from '../world/world.js';
import {
  BY_TRAINING,
  type CheckedObjective,
  hasKind,
  type ObjectiveSpec,
  objectiveOf,
  objectiveSchema,
  type ResolvedObjective,
  requireProjection,
  type TrainableObjective,
  trainableOf,
} from './objectives.js';

/** One population-level question: a world, an objective, a latent dimension. */
export interface Case {
  /** The world; what is left out has its default (docs/theory.md section 1). Default `{}`. */
  readonly world?: WorldSpec | undefined;
  /** What z is to be best at. */
  readonly objective: ObjectiveSpec;
  /** Width of z, from 1 to observationDim. */
  readonly latentDim: number;
  /** What a golden case expects; not read. */
  readonly expected?: unknown;
}

/** A case with several widths of z: solved at once, an answer for each, in this order. */
export interface MultiCase extends Omit<Case, 'latentDim'> {
  /** Widths of z, from 1 to observationDim, one at least, in any order. */
  readonly latentDims: readonly number[];
}

/** Either of the two, before it is known which. */
interface AnyCase extends Omit<Case, 'latentDim'> {
  readonly latentDim?: number | undefined;
  readonly latentDims?: readonly number[] | undefined;
}

const latentDimSchema = z.int().min(1);

const caseSchema = describes<AnyCase>()(
  z.strictObject({
    world: worldSchema.prefault({}),
    objective: objectiveSchema,
    latentDim: latentDimSchema.optional(),
    latentDims: z.array(latentDimSchema).min(1).optional(),
    expected: z.unknown().optional(),
  }),
);

/** A case that was not answered, where the others are (`throwOnFailure: false`). */
export interface Failure {
  /** Its place among the cases, or its name. */
  readonly case: number | string;
  readonly error: ExolamError;
}

export type PopulationMetric = (typeof POPULATION_METRICS)[number];

/** The exact answer to a {@link Case}, with what it answers, so that it can stand alone and be joined with others. */
export interface Solution {
  /** The case's place among those that were asked, or its name. */
  readonly case: number | string;
  /** World and objective with every default. */
  readonly world: WorldSpec;
  readonly objective: ObjectiveSpec;
  readonly latentDim: number;
  /**
   * Minimum of the objective: E|y - A f - B G e|^2 plus penalties. Of action supervision together with exogenous-robust in a world
   * with sensor noise a lower bound of what a model can reach, not more (docs/theory.md, "Composition").
   */
  readonly loss: number;
  /** The latentDim leading eigenvalues of M, descending. */
  readonly spectrum: Float64Array;
  /** The eigenvalue after them. */
  readonly next: number;
  /** Numerical rank of M; latents beyond it carry nothing. */
  readonly rank: number;
  /** False where the last eigenvalue ties with the next: any of the tied directions serve as well. */
  readonly unique: boolean;
  /**
   * theory.md section 4; a metric that is not defined in this world (0 / 0) is absent. Infinity where exact. Where the answer is
   * not unique, each is the least favourable value that a minimiser has.
   */
  readonly metrics: Readonly<Partial<Record<PopulationMetric, number>>>;
  /** Where the answer is not unique: each metric's most and least favourable value over all minimisers. */
  readonly ranges?: Readonly<Partial<Record<PopulationMetric, readonly [most: number, least: number]>>>;
  readonly gauge: 'innovation' | 'difference' | 'encoder';
  /** C and D, (latentDim, observationDim): z = C o + D o'. Rows beyond the rank are zero. */
  readonly encoder?: { readonly C: Matrix; readonly D: Matrix };
}

/** Whether the closed form is a lower bound alone: the head sees what the penalty takes from z, where o does not tell all of the state. */
export function isLowerBound({ world, objective }: Pick<Solution, 'world' | 'objective'>): boolean {
  const has = (kind: 'exogenous-robust' | 'action-supervised') => hasKind(objective, kind);
  return (world.sensorNoise ?? 0) > 0 && has('exogenous-robust') && has('action-supervised');
}

export interface SolveOptions extends Control {
  /** Also return the encoder's matrices. Default false. */
  readonly encoder?: boolean | undefined;
  /** What computes. Default: {@link defaultBackend}. */
  readonly backend?: Backend | undefined;
  /** What messages and answers call each case, e.g. its file. Default: its place, and nothing in messages about a single one. */
  readonly names?: readonly string[] | undefined;
  /** False: a case that cannot be answered is a {@link Failure} among the solutions of the others. Default true. */
  readonly throwOnFailure?: boolean | undefined;
}

const optionsSchema = describes<SolveOptions>()(
  z.strictObject({
    ...controlFields,
    encoder: z.boolean().default(false),
    backend: backendField,
    names: z.array(z.string()).optional(),
    throwOnFailure: z.boolean().default(true),
  }),
);
/** Of one case: there are no others for whose sake not to throw. */
const oneOptionsSchema = optionsSchema.omit({ throwOnFailure: true });
/** Options, checked. */
type Checked = z.output<typeof optionsSchema>;

/** Solves one case of one latentDim exactly. Throws {@link ExolamError}. */
export function solve(question: Case, options: Omit<SolveOptions, 'throwOnFailure'> = {}): Promise<Solution> {
  return boundary('solve', async () => {
    const checked = parseOptions(oneOptionsSchema, options);
    if ((question as Partial<MultiCase> | null)?.latentDims !== undefined)
      throw new ExolamError('input', 'latentDims: expected one latentDim; solveBatch answers several');
    const [solution] = await solveAll([question], { ...checked, throwOnFailure: true });
    return solution as Solution;
  });
}

/** Eight problems share the lanes of a vector, and each has numbers of eight bytes. */
const LANES = 8 * 8;
/** Matrices of coordinates and sources that solving a problem takes at least, with and without a paired view. */
const LEAST_MATRICES = { paired: 50, single: 18 } as const;

/** A case, checked: its world, rows of its objective, and both in the reduced basis. */
export interface Prepared {
  readonly world: World;
  readonly objective: ResolvedObjective;
  /** In the order asked for, and each once in ascending order, as a backend wants them. */
  readonly asked: readonly number[];
  readonly latentDims: readonly number[];
  /** The largest of them. */
  readonly latentDim: number;
  readonly mixing: Matrix;
  readonly projection: Matrix | null;
  readonly basis: () => Matrix;
  /** The states that this basis and the actions see. */
  readonly states: SeenStates;
}

/** The latent dimensions of a case, `latentDim` or `latentDims`. */
function askedDims(
  {
    latentDim,
    latentDims,
  }: { readonly latentDim?: number | undefined; readonly latentDims?: readonly number[] | undefined },
  named: (field: string) => string,
): readonly number[] {
  if (latentDim !== undefined && latentDims !== undefined)
    throw new ExolamError('input', `${named('latentDims')}: expected latentDim or latentDims, not both`);
  if (latentDims !== undefined) return latentDims;
  return [parse(latentDimSchema, latentDim, named('latentDim'))];
}

/** The case, checked, with its world made; `what` is what messages call it. Throws where it has no closed form. */
export function prepare(question: Case | MultiCase, what: string): Prepared {
  return preparedWith(question, what, (spec, _, __, name) => objectiveOf(spec, name));
}

/** A case of one latentDim for gradients, which need no closed form; its world may have been made already. */
export function prepareForTraining(
  question: Case,
  what: string,
  made?: World,
): Prepared & { readonly objective: TrainableObjective } {
  const resolve = (spec: CheckedObjective, world: World, k: number, name: string) =>
    trainableOf(spec, k >= world.spec.actionDim || !policyReacts(world), name);
  return preparedWith(made ? { ...question, world: undefined } : question, what, resolve, made);
}

function preparedWith<Objective extends ResolvedObjective>(
  question: Case | MultiCase,
  what: string,
  resolve: (spec: CheckedObjective, world: World, latentDim: number, what: string) => Objective,
  made?: World,
): Prepared & { readonly objective: Objective } {
  const named = (field: string) => (what ? `${what}: ${field}` : field);
  const checked = parse(caseSchema, question, what, what || 'case');
  const world = made ?? worldOf(checked.world, named('world'));
  const least = checked.latentDim ?? 1;
  const objective = resolve(checked.objective, world, least, named('objective'));
  const { observationDim, actionDim } = world.spec;
  requireProjection(objective, observationDim, named('objective'));
  const asked = askedDims(checked, named);
  const field = named(checked.latentDims ? 'latentDims' : 'latentDim');
  for (const latentDim of asked) {
    if (latentDim > observationDim)
      throw new ExolamError(
        'input',
        `${field}: expected at most observationDim (${observationDim}) but received ${latentDim}`,
      );
    if (objective.supervised && latentDim < actionDim && policyReacts(world))
      throw new ExolamError(
        'unsupported',
        `${field}: expected at least actionDim (${actionDim}) but received ${latentDim}: with action supervision and a policy that reacts to the observation there is no closed form below actionDim; ${BY_TRAINING}`,
      );
  }
  const latentDims = [...new Set(asked)].sort((a, b) => a - b);
  const latentDim = latentDims[latentDims.length - 1];
  const reduced = reduce(world, objective.projection);
  // P M = 0: h = P o is 0 in every state of the world.
  if (reduced.projection?.rows === 0)
    throw new ExolamError(
      'numerical',
      `${what ? `${what}: ` : ''}nothing is left to encode: the projection is 0 on all that the observation holds`,
    );
  const states = seenStates(world, reduced.mixing);
  requireScratch(states, actionDim, objective.needsPair, named('world'));
  return { world, objective, asked, latentDims, latentDim, ...reduced, states };
}

/** Refuses a problem whose matrices this machine cannot hold. */
function requireScratch(states: SeenStates, actionDim: number, paired: boolean, what: string): void {
  const coordinates = states.mixing.rows;
  const sources = states.endogenousDim + states.exogenousDim;
  const least =
    LEAST_MATRICES[paired ? 'paired' : 'single'] * coordinates * Math.max(coordinates, sources) +
    3 * actionDim * (sources + actionDim) +
    4 * states.exogenousDim ** 2;
  requireMemory(LANES * least, `${what}: a problem of ${coordinates} coordinates and ${sources} states`);
}

/** Rows of objectives as text; those of one form are one object mostly. */
const texts = new WeakMap<ObjectiveRows, string>();

function textOf(rows: ObjectiveRows): string {
  let text = texts.get(rows);
  if (text === undefined) {
    text = JSON.stringify(rows);
    texts.set(rows, text);
  }
  return text;
}

/** What tells cases apart that cannot travel to the backend together: shape, latent dimensions, form of the objective. */
export function groupKey({ world, mixing, projection, latentDims, objective, states }: Prepared): string {
  const { endogenousDim, exogenousDim } = states;
  const projected = projection?.rows ?? 0;
  return `${mixing.rows} ${endogenousDim} ${exogenousDim} ${world.spec.actionDim} ${projected} ${latentDims.join()} ${textOf(objective.rows)}`;
}

/**
 * The exact answers to many cases, in their order; those of one shape and one kind of objective travel to the backend together.
 * A case with `latentDims` has one for each of them. Throws {@link ExolamError} for the first case that is not accepted or
 * has no answer, unless `throwOnFailure` is false.
 */
export function solveBatch(
  questions: readonly (Case | MultiCase)[],
  options: SolveOptions & { readonly throwOnFailure: false },
): Promise<(Solution | Failure)[]>;
export function solveBatch(
  questions: readonly (Case | MultiCase)[],
  options?: SolveOptions & { readonly throwOnFailure?: true | undefined },
): Promise<Solution[]>;
export function solveBatch(
  questions: readonly (Case | MultiCase)[],
  options: SolveOptions = {},
): Promise<(Solution | Failure)[]> {
  return boundary('solveBatch', async () => {
    const checked = parseOptions(optionsSchema, options);
    if (!Array.isArray(questions))
      throw new ExolamError('input', `cases: expected a list of cases but received ${quote(questions)}`);
    // A list with holes has cases that are nothing, and says so.
    return solveAll(Array.from(questions), checked);
  });
}

/** C and D of every latent dimension that was asked for. */
function requireEncoderMemory({ asked, world }: Prepared, what: string): void {
  const { observationDim: d } = world.spec;
  const rows = asked.reduce((sum, k) => sum + k, 0);
  requireMemory(
    2 * 8 * rows * d,
    `${what ? `${what}: ` : ''}the encoder of ${rows} latents of ${d} coordinates`,
  );
}

async function solveAll(
  questions: readonly (Case | MultiCase)[],
  options: Checked,
): Promise<(Solution | Failure)[]> {
  const nameOf = (i: number) => options.names?.[i] ?? (questions.length === 1 ? '' : `case ${i}`);
  const labelOf = (i: number) => options.names?.[i] ?? i;
  const answers = new Array<(Solution | Failure)[]>(questions.length);
  const guarded = <T>(i: number, run: () => T): T | undefined => {
    try {
      return run();
    } catch (error) {
      if (options.throwOnFailure || !(error instanceof ExolamError)) throw error;
      answers[i] = [{ case: labelOf(i), error }];
      return undefined;
    }
  };
  const groups = new Map<string, { readonly prepared: Prepared[]; readonly members: number[] }>();
  questions.forEach((question, i) => {
    const prepared = guarded(i, () => {
      const made = prepare(question, nameOf(i));
      if (options.encoder) requireEncoderMemory(made, nameOf(i));
      return made;
    });
    if (!prepared) return;
    const key = groupKey(prepared);
    const group = groups.get(key);
    if (group) {
      group.prepared.push(prepared);
      group.members.push(i);
    } else groups.set(key, { prepared: [prepared], members: [i] });
  });
  const backend = options.backend ?? defaultBackend();
  let before = 0;
  for (const { prepared, members } of groups.values()) {
    const request = requestOf(prepared, options.encoder);
    const answer = await backend.solvePopulation(request, {
      ...options,
      onProgress: options.onProgress
        ? (done, total) => options.onProgress?.(before + (members.length * done) / total, questions.length)
        : undefined,
    });
    before += members.length;
    members.forEach((i, n) => {
      const all = guarded(i, () => {
        requireOk(answer.status[n], nameOf(i) || 'solve');
        return prepared[n].asked.map((k) =>
          solutionOf(labelOf(i), prepared[n], request, answer, n, k, options.encoder),
        );
      });
      if (all) answers[i] = all;
    });
  }
  return answers.flat();
}

/** The answer of latentDim k to problem n of a request. */
function solutionOf(
  label: number | string,
  p: Prepared,
  request: PopulationRequest,
  answer: PopulationAnswer,
  n: number,
  k: number,
  encoder: boolean,
): Solution {
  const { count, latentDims } = request;
  const row = n * latentDims.length + latentDims.indexOf(k);
  const metrics: Partial<Record<PopulationMetric, number>> = {};
  const ranges: Partial<Record<PopulationMetric, readonly [number, number]>> = {};
  const unique = answer.unique[row] === 1;
  let at = row;
  for (const name of POPULATION_METRICS) {
    const value = answer.metrics[at];
    if (!Number.isNaN(value)) {
      metrics[name] = value;
      if (!unique) ranges[name] = [answer.favourable[at], value];
    }
    at += count * latentDims.length;
  }
  const spectrum = answer.spectrum.slice(n * p.latentDim, n * p.latentDim + k);
  return {
    case: label,
    world: p.world.spec,
    objective: p.objective.spec,
    latentDim: k,
    loss: answer.loss[row],
    spectrum,
    next: answer.next[row],
    rank: answer.rank[n],
    unique,
    metrics,
    ...(unique ? {} : { ranges }),
    gauge: p.objective.rows.gauge,
    ...(encoder ? { encoder: fullEncoder(p, answer, n, k) } : {}),
  };
}

/** One request for cases of one shape and one kind of objective; their parameters become columns. */
export function requestOf(group: readonly Prepared[], encoder: boolean): PopulationRequest {
  const [first] = group as [Prepared];
  const count = group.length;
  const { matrixIndex, owners } = sharedMatrices(group);
  const stack = (pick: (p: Prepared) => Matrix) => {
    const size = pick(first).data.length;
    const out = new Float64Array(size * owners.length);
    owners.forEach((p, m) => {
      out.set(pick(p).data, m * size);
    });
    return out;
  };
  const parameters = new Float64Array(PARAMETERS.length * count);
  const strengths = first.objective.coefficients.length;
  const coefficients = new Float64Array(strengths * count);
  for (let n = 0; n < count; n++) {
    const { world, mixing, objective, states } = group[n];
    const beside = {
      complementDim: world.spec.observationDim - mixing.rows,
      hiddenExogenousDim: states.hiddenExogenousDim,
    };
    let at = n;
    for (const name of PARAMETERS) {
      parameters[at] = parameterOf(world, name, beside);
      at += count;
    }
    for (let c = 0; c < strengths; c++) coefficients[c * count + n] = objective.coefficients[c];
  }
  return {
    count,
    basis: first.mixing.rows,
    endogenousDim: first.states.endogenousDim,
    exogenousDim: first.states.exogenousDim,
    actionDim: first.world.spec.actionDim,
    projectionDim: first.projection?.rows ?? 0,
    latentDims: Int32Array.from(first.latentDims),
    objective: first.objective.rows,
    parameters,
    coefficients,
    matrixIndex,
    mixing: stack((p) => p.states.mixing),
    actionEffect: stack((p) => p.states.actionEffect),
    stateFeedback: stack((p) => p.states.stateFeedback),
    exogenousFeedback: stack((p) => p.states.exogenousFeedback),
    projection: first.projection ? stack((p) => p.projection as Matrix) : new Float64Array(0),
    relativeTolerance: RELATIVE_TOLERANCE,
    encoder,
  };
}

/** Whose matrices travel, and which of them each case has: cases that follow each other mostly differ in numbers alone. */
function sharedMatrices(group: readonly Prepared[]): {
  matrixIndex: Int32Array;
  owners: readonly Prepared[];
} {
  const matrixIndex = new Int32Array(group.length);
  const owners: Prepared[] = [];
  for (let n = 0; n < group.length; n++) {
    const [own, last] = [group[n], owners[owners.length - 1]];
    const same =
      last !== undefined &&
      own.mixing === last.mixing &&
      own.projection === last.projection &&
      own.world.actionEffect === last.world.actionEffect &&
      own.world.stateFeedback === last.world.stateFeedback &&
      own.world.exogenousFeedback === last.world.exogenousFeedback;
    if (!same) owners.push(own);
    matrixIndex[n] = owners.length - 1;
  }
  return { matrixIndex, owners };
}

/** C and D on o itself: rows of the reduced basis mapped back, those of the complement on directions orthogonal to it. */
function fullEncoder(
  p: Prepared,
  answer: Pick<PopulationAnswer, 'encoderC' | 'encoderD' | 'complement' | 'complementEncoder'>,
  n: number,
  k: number,
): { C: Matrix; D: Matrix } {
  const all = p.latentDim;
  const q = p.mixing.rows;
  const basis = p.basis();
  const lift = (rows: Float64Array) =>
    multiply(matrix(k, q, rows.slice(n * all * q, (n * all + k) * q)), transpose(basis));
  const C = lift(answer.encoderC);
  const D = lift(answer.encoderD);
  let next = 0;
  for (let i = 0; i < k; i++) {
    if (!answer.complement[n * all + i]) continue;
    const direction = complementDirection(basis, next++);
    for (let j = 0; j < basis.rows; j++) {
      C.data[i * basis.rows + j] = answer.complementEncoder[2 * n] * direction[j];
      D.data[i * basis.rows + j] = answer.complementEncoder[2 * n + 1] * direction[j];
    }
  }
  return { C, D };
}

/** The index-th unit vector orthogonal to the basis and to those before it: projected axes, short ones passed over. */
function complementDirection(basis: Matrix, index: number): Float64Array {
  const d = basis.rows;
  const found: Float64Array[] = [];
  for (let axis = 0; axis < d && found.length <= index; axis++) {
    const v = new Float64Array(d);
    v[axis] = 1;
    for (let pass = 0; pass < 2; pass++) {
      for (let c = 0; c < basis.cols; c++) {
        let dot = 0;
        for (let j = 0; j < d; j++) dot += v[j] * basis.data[j * basis.cols + c];
        for (let j = 0; j < d; j++) v[j] = v[j] - dot * basis.data[j * basis.cols + c];
      }
      for (const u of found) {
        const dot = u.reduce((sum, x, j) => sum + x * v[j], 0);
        for (let j = 0; j < d; j++) v[j] = v[j] - dot * u[j];
      }
    }
    const length = norm(v);
    if (length > SHORT_DIRECTION) found.push(v.map((x) => x / length));
  }
  return found[index];
}

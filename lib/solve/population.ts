import { z } from 'zod';
import {
  type Backend,
  type Control,
  PARAMETERS,
  POPULATION_METRICS,
  type PopulationRequest,
  RELATIVE_TOLERANCE,
} from '../backend/requests.js';
import { defaultBackend } from '../backend/select.js';
import { requireOk } from '../backend/status.js';
import { ExolamError } from '../base/errors.js';
import { parse } from '../base/validate.js';
import { type Matrix, matrix, multiply, transpose } from '../linalg/matrix.js';
import {
  createWorld,
  parameterColumn,
  policyReacts,
  reduce,
  type World,
  type WorldSpec,
  worldSchema,
} from '../world/world.js';
import {
  type ObjectiveSpec,
  objectiveSchema,
  type ResolvedObjective,
  requireProjection,
  resolveObjective,
} from './objectives.js';

const caseSchema = z.strictObject({
  world: worldSchema.prefault({}),
  objective: objectiveSchema,
  latentDim: z.int().min(1),
  expected: z.unknown().optional(),
});

/** One population-level question: a world, an objective, a latent dimension. `expected` of a golden case is ignored. */
export interface Case {
  readonly world?: WorldSpec;
  readonly objective: ObjectiveSpec;
  readonly latentDim: number;
  readonly expected?: unknown;
}

export type PopulationMetric = (typeof POPULATION_METRICS)[number];

/** The exact answer to a {@link Case}. */
export interface Solution {
  /** Minimum of the objective: E|y - A f - B G e|^2 plus penalties. */
  readonly loss: number;
  /** The latentDim leading eigenvalues of M, descending. */
  readonly spectrum: Float64Array;
  /** Numerical rank of M; latents beyond it carry nothing. */
  readonly rank: number;
  /** theory.md section 4; a metric that is not defined in this world (0 / 0) is absent. Infinity where exact. */
  readonly metrics: Readonly<Partial<Record<PopulationMetric, number>>>;
  readonly gauge: 'innovation' | 'difference' | 'encoder';
  /** C and D, (latentDim, observationDim): z = C o + D o'. Rows beyond the rank are zero. */
  readonly encoder?: { readonly C: Matrix; readonly D: Matrix };
}

export interface SolveOptions extends Control {
  /** Also return the encoder's matrices. Default false. */
  readonly encoder?: boolean;
  readonly backend?: Backend;
  /** What messages call each case, e.g. its file; default: nothing for one case, "case 0" and so on for several. */
  readonly names?: readonly string[];
}

/** Solves one case exactly. Throws {@link ExolamError}. */
export async function solve(question: Case, options: SolveOptions = {}): Promise<Solution> {
  const [solution] = await solveBatch([question], options);
  return solution;
}

/** A case, checked, with what a backend needs of it. */
export interface Prepared {
  readonly world: World;
  readonly objective: ResolvedObjective;
  readonly latentDim: number;
  readonly mixing: Matrix;
  readonly projection: Matrix | null;
  readonly basis: () => Matrix;
}

/** Checks one case and makes its world; `what` is what messages call it. */
export function prepare(question: Case, what: string): Prepared {
  const named = (field: string) => (what ? `${what}: ${field}` : field);
  const checked = parse(caseSchema, question, what);
  const world = createWorld(checked.world as WorldSpec, named('world'));
  const objective = resolveObjective(checked.objective as ObjectiveSpec, named('objective'));
  const { observationDim, actionDim } = world.spec;
  requireProjection(objective, observationDim, named('objective'));
  const field = named('latentDim');
  if (checked.latentDim > observationDim) {
    throw new ExolamError(
      'input',
      `${field}: expected at most observationDim (${observationDim}) but received ${checked.latentDim}`,
    );
  }
  if (objective.supervised && checked.latentDim < actionDim && policyReacts(world)) {
    throw new ExolamError(
      'unsupported',
      `${field}: expected at least actionDim (${actionDim}) but received ${checked.latentDim}: with action supervision and a policy that reacts to the observation there is no closed form below actionDim; use \`exolam train\``,
    );
  }
  return { world, objective, latentDim: checked.latentDim, ...reduce(world, objective.projection) };
}

/** Solves many cases: those of one shape and one kind of objective travel to the backend together. */
export async function solveBatch(
  questions: readonly Case[],
  options: SolveOptions = {},
): Promise<Solution[]> {
  const nameOf = (i: number) => options.names?.[i] ?? (questions.length === 1 ? '' : `case ${i}`);
  const prepared = questions.map((q, i) => prepare(q, nameOf(i)));
  const groups = new Map<string, number[]>();
  prepared.forEach((p, i) => {
    const { endogenousDim, exogenousDim, actionDim } = p.world.spec;
    const shape = [
      p.mixing.rows,
      endogenousDim,
      exogenousDim,
      actionDim,
      p.projection?.rows ?? 0,
      p.latentDim,
    ];
    const key = JSON.stringify([shape, p.objective.rows]);
    groups.set(key, [...(groups.get(key) ?? []), i]);
  });
  const solutions = new Array<Solution>(questions.length);
  const backend = options.backend ?? defaultBackend();
  let before = 0;
  for (const members of groups.values()) {
    const group = members.map((i) => prepared[i]);
    const answer = await backend.solvePopulation(requestOf(group, options.encoder ?? false), {
      ...options,
      onProgress: options.onProgress
        ? (done, total) => options.onProgress?.(before + (members.length * done) / total, questions.length)
        : undefined,
    });
    before += members.length;
    members.forEach((i, n) => {
      const p = group[n];
      requireOk(answer.status[n], nameOf(i) || 'solve');
      const k = p.latentDim;
      const metrics: Partial<Record<PopulationMetric, number>> = {};
      POPULATION_METRICS.forEach((name, m) => {
        const value = answer.metrics[m * group.length + n];
        if (!Number.isNaN(value)) metrics[name] = value;
      });
      solutions[i] = {
        loss: Math.max(0, answer.loss[n]), // a sum of squares: below zero only by rounding
        spectrum: answer.spectrum.slice(n * k, (n + 1) * k),
        rank: answer.rank[n],
        metrics,
        gauge: p.objective.rows.gauge,
        ...(options.encoder ? { encoder: fullEncoder(p, answer, n) } : {}),
      };
    });
  }
  return solutions;
}

/** Cases of one shape and one kind of objective as one request. */
export function requestOf(group: readonly Prepared[], encoder: boolean): PopulationRequest {
  const [first] = group as [Prepared];
  const count = group.length;
  const stack = (pick: (p: Prepared) => Matrix) => {
    const size = pick(first).data.length;
    const out = new Float64Array(size * count);
    group.forEach((p, n) => {
      out.set(pick(p).data, n * size);
    });
    return out;
  };
  const columns = (width: number, pick: (p: Prepared) => ArrayLike<number>) => {
    const out = new Float64Array(width * count);
    group.forEach((p, n) => {
      const values = pick(p);
      for (let c = 0; c < width; c++) out[c * count + n] = values[c];
    });
    return out;
  };
  return {
    count,
    basis: first.mixing.rows,
    endogenousDim: first.world.spec.endogenousDim,
    exogenousDim: first.world.spec.exogenousDim,
    actionDim: first.world.spec.actionDim,
    projectionDim: first.projection?.rows ?? 0,
    latentDims: Int32Array.of(first.latentDim),
    objective: first.objective.rows,
    parameters: columns(PARAMETERS.length, (p) =>
      parameterColumn(p.world, p.world.spec.observationDim - p.mixing.rows),
    ),
    coefficients: columns(first.objective.coefficients.length, (p) => p.objective.coefficients),
    matrixIndex: Int32Array.from({ length: count }, (_, i) => i),
    mixing: stack((p) => p.mixing),
    actionEffect: stack((p) => p.world.actionEffect),
    stateFeedback: stack((p) => p.world.stateFeedback),
    exogenousFeedback: stack((p) => p.world.exogenousFeedback),
    projection: first.projection ? stack((p) => p.projection as Matrix) : new Float64Array(0),
    relativeTolerance: RELATIVE_TOLERANCE,
    encoder,
  };
}

/** C and D on the observation itself: the reduced rows mapped back, the complement's rows on directions of their own. */
function fullEncoder(
  p: Prepared,
  answer: {
    encoderC: Float64Array;
    encoderD: Float64Array;
    complement: Uint8Array;
    complementEncoder: Float64Array;
  },
  n: number,
): { C: Matrix; D: Matrix } {
  const k = p.latentDim;
  const q = p.mixing.rows;
  const basis = p.basis();
  const lift = (all: Float64Array) =>
    multiply(matrix(k, q, all.slice(n * k * q, (n + 1) * k * q)), transpose(basis));
  const C = lift(answer.encoderC);
  const D = lift(answer.encoderD);
  let next = 0;
  for (let i = 0; i < k; i++) {
    if (!answer.complement[n * k + i]) continue;
    const direction = complementDirection(basis, next++);
    for (let j = 0; j < basis.rows; j++) {
      C.data[i * basis.rows + j] = answer.complementEncoder[2 * n] * direction[j];
      D.data[i * basis.rows + j] = answer.complementEncoder[2 * n + 1] * direction[j];
    }
  }
  return { C, D };
}

/** The index-th of an orthonormal family orthogonal to the basis: unit vectors projected off it and off each other. */
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
    const norm = Math.hypot(...v);
    if (norm > 1e-6) found.push(v.map((x) => x / norm));
  }
  return found[index];
}

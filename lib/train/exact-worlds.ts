import type { DescentAnswer, DescentMethod } from '../backend/descent-requests.js';
import {
  type Backend,
  type Control,
  dataWidth,
  type MomentLayout,
  POPULATION_METRICS,
  type PopulationDescentRequest,
  STATUS,
} from '../backend/requests.js';
import { type Matrix, matrix, vstack } from '../linalg/matrix.js';
import type { TrainableObjective } from '../solve/objectives.js';
import {
  type Case,
  groupKey,
  type PopulationMetric,
  type Prepared,
  prepareForTraining,
  requestOf,
} from '../solve/population.js';
import type { World } from '../world/world.js';

/** A world and an objective in the coordinates in which gradients are taken. */
export interface ExactProblem extends Prepared {
  readonly objective: TrainableObjective;
  /** Coordinates outside the basis of the world that were added to it: see {@link exactProblem}. */
  readonly extra: number;
}

/** Where a run is. */
export interface ExactState {
  /** (latentDim, width of e) */
  readonly encoder: Float64Array;
  /** (width of y, and of the action where there is a head, latentDim) */
  readonly decoder: Float64Array;
}

/** How a run goes on. */
export interface ExactSteps {
  readonly method: DescentMethod;
  readonly steps: number;
  readonly rate: number;
  readonly starts: number;
  readonly seed: number;
  readonly state: ExactState;
}

/** Where a run has come to. */
export interface ExactResult {
  readonly status: number;
  readonly loss: number;
  readonly reconstruction: number;
  readonly supervision: number;
  readonly gradient: number;
  readonly step: number;
  readonly metrics: Readonly<Partial<Record<PopulationMetric, number>>>;
  readonly state: ExactState;
  /** In the coordinates of the problem, as the backend gave them. */
  readonly maps: {
    readonly encoderC: Float64Array;
    readonly encoderD: Float64Array;
    readonly decoderF: Float64Array;
    readonly outside: number;
  };
}

/**
 * A case for gradients. Coordinates outside the world's basis hold noise of one law alone, and all rotations of them are alike: [C D]
 * of latentDim rows sees at most 2 latentDim of their directions, which are added to the basis. What it costs does not grow with
 * observationDim. Throws {@link ExolamError} where the case is not accepted.
 */
export function exactProblem(question: Case, what: string, made?: World): ExactProblem {
  const prepared = prepareForTraining(question, what, made);
  const { objective, latentDim, mixing, world, states } = prepared;
  const outside = objective.projection ? 0 : world.spec.observationDim - mixing.rows;
  const noisy =
    world.spec.sensorNoise > 0 || objective.coefficients.slice(0, strengthsOf(objective)).some((c) => c > 0);
  const extra = noisy ? Math.min(outside, 2 * latentDim) : 0;
  const widened = (m: Matrix) => vstack([m, matrix(extra, m.cols)]);
  return {
    ...prepared,
    mixing: widened(mixing),
    states: { ...states, mixing: widened(states.mixing) },
    extra,
  };
}

/** Augmentation noises come first among the coefficients. */
function strengthsOf({ rows, coefficients }: TrainableObjective): number {
  const noisy = rows.e.some((b) => b.terms.some((t) => t.variable === 'encoderNoise'));
  return noisy ? Math.min(2, coefficients.length) : 0;
}

/** Width of y, of the head's action below it, and of e. */
export function stateWidths(problem: ExactProblem): { y: number; head: number; e: number; f: number } {
  const { objective, mixing, projection, world } = problem;
  const { actionDim } = world.spec;
  const layout = { observationDim: mixing.rows, actionDim } as MomentLayout;
  const [y, e, f] = [objective.rows.y, objective.rows.e, objective.rows.f].map((stack) =>
    dataWidth(stack, { layout, projectionDim: projection?.rows ?? 0 }),
  );
  return { y, head: objective.head >= 0 ? actionDim : 0, e, f };
}

/** A state of so many zeros. */
export function zeroState(problem: ExactProblem): ExactState {
  const { y, head, e } = stateWidths(problem);
  const k = problem.latentDim;
  return { encoder: new Float64Array(k * e), decoder: new Float64Array((y + head) * k) };
}

/** Many runs go on, those of one shape and one kind of steps in one call over all cores; answers in their order. */
export async function descendWorlds(
  problems: readonly ExactProblem[],
  runs: readonly ExactSteps[],
  backend: Backend,
  control: Control,
): Promise<ExactResult[]> {
  const groups = new Map<string, number[]>();
  problems.forEach((problem, i) => {
    const { method, steps, starts } = runs[i];
    const key = JSON.stringify([groupKey(problem), problem.objective.head, method, steps, starts]);
    const group = groups.get(key);
    if (group) group.push(i);
    else groups.set(key, [i]);
  });
  const answers = new Array<ExactResult>(problems.length);
  let before = 0;
  for (const members of groups.values()) {
    const request = requestFor(
      members.map((i) => problems[i]),
      members.map((i) => runs[i]),
    );
    const { onProgress } = control;
    const answer = await backend.descendPopulation(request, {
      ...control,
      onProgress: onProgress
        ? (done, total) => onProgress(before + (members.length * done) / total, problems.length)
        : undefined,
    });
    before += members.length;
    members.forEach((i, n) => {
      answers[i] = resultOf(request, answer, n);
    });
  }
  return answers;
}

function requestFor(
  problems: readonly ExactProblem[],
  runs: readonly ExactSteps[],
): PopulationDescentRequest {
  const { latentDims: _, encoder: __, ...request } = requestOf(problems, false);
  const [{ objective, latentDim }] = problems as [ExactProblem];
  const { method, steps, starts } = runs[0];
  const joined = (pick: (state: ExactState) => Float64Array) => {
    const size = pick(runs[0].state).length;
    const out = new Float64Array(size * runs.length);
    runs.forEach(({ state }, n) => {
      out.set(pick(state), n * size);
    });
    return out;
  };
  return {
    ...request,
    ...{ latentDim, head: objective.head, method, steps, starts },
    rate: Float64Array.from(runs, (run) => run.rate),
    seed: Float64Array.from(runs, (run) => run.seed),
    encoderState: joined((state) => state.encoder),
    decoderState: joined((state) => state.decoder),
  };
}

function resultOf(request: PopulationDescentRequest, answer: DescentAnswer, n: number): ExactResult {
  const { count } = request;
  const part = (all: Float64Array) => all.slice((all.length / count) * n, (all.length / count) * (n + 1));
  const metrics: Partial<Record<PopulationMetric, number>> = {};
  POPULATION_METRICS.forEach((name, m) => {
    const value = answer.metrics[m * count + n];
    if (!Number.isNaN(value) && answer.status[n] !== STATUS.nonFinite) metrics[name] = value;
  });
  return {
    status: answer.status[n],
    loss: answer.loss[n],
    reconstruction: answer.reconstruction[n],
    supervision: answer.supervision[n],
    gradient: answer.gradient[n],
    step: answer.step[n],
    metrics,
    state: { encoder: part(answer.encoderState), decoder: part(answer.decoderState) },
    maps: {
      encoderC: part(answer.encoderC),
      encoderD: part(answer.encoderD),
      decoderF: part(answer.decoderF),
      outside: answer.outside[n],
    },
  };
}

import type { Backend, Control } from '../backend/requests.js';
import type { LinearLam } from '../lam/linear-lam.js';
import { multiply, multiplyTransposed, orthonormalise } from '../linalg/dense.js';
import {
  addScaled,
  block,
  firstRows,
  hstack,
  identity,
  type Matrix,
  matrix,
  minus,
  transpose,
} from '../linalg/matrix.js';
import { normals } from '../random/philox.js';
import type { Case } from '../solve/population.js';
import type { World } from '../world/world.js';
import { DescentRun } from './descent-run.js';
import type { Evaluation } from './evaluate.js';
import {
  descendWorlds,
  type ExactProblem,
  type ExactResult,
  type ExactSteps,
  exactProblem,
  stateWidths,
} from './exact-worlds.js';
import { Judges } from './judges.js';
import { linearModel } from './model.js';
import type { Setting } from './setting.js';

/** Stream of directions outside a basis, away from those of worlds and of starts. */
const OUTSIDE = 0x65780004;

/** Exact gradients from the second moments of a world. */
export class ExactRun extends DescentRun {
  readonly problem: ExactProblem;
  private found: ExactResult | null = null;

  constructor(setting: Setting, what: string) {
    const { config, world } = setting;
    const { latentDim } = config.model;
    const question = { objective: config.objective, latentDim } as Case;
    const problem = exactProblem(question, what, world as World);
    super(setting, stateWidths(problem));
    this.problem = problem;
  }

  /** The next so many steps; of lbfgs all of them. */
  request(steps: number): ExactSteps {
    return this.stepsFrom(steps);
  }

  take(found: ExactResult): void {
    this.reached(found);
    this.found = found;
  }

  async evaluate({ backend, control }: Judges): Promise<Evaluation> {
    this.found ??= (await descendWorlds([this.problem], [this.request(0)], backend, control))[0];
    const { loss, metrics } = this.found;
    return { step: this.done, loss, metrics: { ...metrics } };
  }

  async nonlinear(): Promise<undefined> {
    return undefined;
  }

  async model(backend: Backend, control: Control): Promise<LinearLam> {
    if (!this.found) await this.evaluate(new Judges(backend, control));
    const { problem, setting, found } = this as { found: ExactResult } & typeof this;
    const maps = lifted(problem, found);
    const { loss } = found;
    return linearModel(setting, maps, { steps: this.done, loss: Math.max(0, loss) }, backend, control);
  }
}

/** The basis in which a problem is solved, on the user's observation: (observationDim, width). */
function wholeBasis({ basis, extra }: ExactProblem): Matrix {
  const own = basis();
  if (extra === 0) return own;
  const more = matrix(own.rows, extra, normals(0, OUTSIDE, 0, own.rows * extra));
  return orthonormalise(hstack([own, more])).basis;
}

/** A result's maps on the user's observation. */
function lifted(problem: ExactProblem, found: ExactResult) {
  const { objective, latentDim: k, projection } = problem;
  const basis = wholeBasis(problem);
  const q = basis.cols;
  const { y, head, f } = stateWidths(problem);
  const lift = (rows: Float64Array, count: number) => multiplyTransposed(matrix(count, q, rows), basis);
  const d = basis.rows;
  // y without its action, which comes last.
  const actions = head > 0 || !objective.needsAction ? 0 : problem.world.spec.actionDim;
  const decoded = y - actions;
  const states = matrix(y + head, k, found.state.decoder);
  const strength = objective.coefficients[strengthAt(problem)] ?? 0;
  const inside = firstRows(matrix(y, f, found.maps.decoderF), decoded);
  const B = firstRows(states, decoded);
  const H = block(states, decoded, actions + head, 0, k);
  if (strength > 0) for (let i = 0; i < H.data.length; i++) H.data[i] /= strength;
  const maps = {
    C: lift(found.maps.encoderC, k),
    D: lift(found.maps.encoderD, k),
    e: new Float64Array(k),
    H,
    h: new Float64Array(H.rows),
  };
  if (projection) {
    // The problem saw P o in a basis of P's range.
    const full = objective.projection as Matrix;
    const range = orthonormalise(multiply(full, problem.basis())).basis;
    const seen = multiply(transpose(range), full);
    const free = f === 0 ? full : multiply(multiply(range, inside), seen);
    return { ...maps, A: free, B: multiply(range, B), b: new Float64Array(full.rows) };
  }
  const lifts = { ...maps, B: multiply(basis, B), b: new Float64Array(d) };
  if (f === 0) return { ...lifts, A: identity(d) };
  const A = multiplyTransposed(multiply(basis, inside), basis);
  if (found.maps.outside !== 0)
    addScaled(A, found.maps.outside, minus(identity(d), multiplyTransposed(basis, basis)));
  return { ...lifts, A };
}

/** Which coefficient is the action's: after those of augmentation noise. */
function strengthAt({ objective }: ExactProblem): number {
  if (objective.head >= 0) return objective.head;
  const noisy = objective.rows.e.some((b) => b.terms.some((t) => t.variable === 'encoderNoise'));
  return noisy ? 2 : 0;
}

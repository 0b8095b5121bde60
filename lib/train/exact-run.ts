import type { DescentMethod } from '../backend/descent-requests.js';
import { type Backend, type Control, STATUS } from '../backend/requests.js';
import { ExolamError } from '../base/errors.js';
import type { LinearLam } from '../lam/linear-lam.js';
import type { Tensor } from '../lam/safetensors.js';
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
import type { Evaluation } from './evaluate.js';
import {
  descendWorlds,
  type ExactProblem,
  type ExactResult,
  type ExactState,
  type ExactSteps,
  exactProblem,
  stateWidths,
  zeroState,
} from './exact-worlds.js';
import { Judges } from './judges.js';
import { linearModel } from './model.js';
import type { Ending, Run } from './run.js';
import type { Setting } from './setting.js';

/** Streams of starts and of directions outside a basis, away from those of worlds. */
const STREAM = {
  encoder: 0x65780001,
  decoder: 0x65780002,
  rotation: 0x65780003,
  outside: 0x65780004,
} as const;
/** Variance of a start's weights times their number of inputs, as PyTorch's linear layers have it. */
const START_VARIANCE = 1 / 3;

/** Exact gradients from the second moments of a world. */
export class ExactRun implements Run {
  readonly problem: ExactProblem;
  private at: ExactState;
  private found: ExactResult | null = null;
  private done = 0;
  private isAtRest = false;

  constructor(
    readonly setting: Setting,
    what: string,
  ) {
    const { config, world } = setting;
    if (!world)
      throw new ExolamError(
        'unsupported',
        `${what ? `${what}: ` : ''}optimizer.kind: expected one of "adam", "adamw", "sgd" here but received "${config.optimizer.kind}": exact gradients are taken in a linear world`,
      );
    const { latentDim } = config.model;
    const question = { objective: config.objective, latentDim } as Case;
    this.problem = exactProblem(question, what, world);
    this.at = startOf(this.problem, config.seed, config.optimizer.balancedStart);
  }

  get config() {
    return this.setting.config;
  }
  get step(): number {
    return this.done;
  }
  get liveLoss(): number {
    return this.found?.loss ?? Number.NaN;
  }
  get ending(): Ending | null {
    if (this.isAtRest) return 'converged';
    return this.done >= this.config.steps ? 'steps' : null;
  }

  /** The next so many steps; of lbfgs all of them. */
  request(steps: number): ExactSteps {
    const { optimizer, learningRate, seed, steps: all } = this.config;
    const method = optimizer.kind as DescentMethod;
    const { starts } = optimizer;
    return {
      ...{ method, starts, seed, state: this.at },
      steps: method === 'lbfgs' ? all : steps,
      rate: learningRate,
    };
  }

  take(found: ExactResult): void {
    if (found.status === STATUS.nonFinite)
      throw new ExolamError(
        'numerical',
        `the loss is not finite at step ${this.done + found.step}: expected a smaller learningRate than ${this.config.learningRate}`,
      );
    this.found = found;
    this.at = found.state;
    this.done += found.step;
    this.isAtRest = this.config.optimizer.kind === 'lbfgs' && found.status === STATUS.ok;
    // What lbfgs leaves has no next step.
    if (this.config.optimizer.kind === 'lbfgs' && !this.isAtRest) this.done = this.config.steps;
  }

  state(): ReadonlyMap<string, Tensor> {
    const { encoder, decoder } = this.at;
    return new Map([
      ['state.encoder', { shape: [encoder.length], data: encoder }],
      ['state.decoder', { shape: [decoder.length], data: decoder }],
    ]);
  }

  restore(step: number, state: ReadonlyMap<string, Tensor>): void {
    const part = (name: keyof ExactState) => {
      const data = state.get(`state.${name}`)?.data;
      if (data instanceof Float64Array && data.length === this.at[name].length) return data;
      throw new ExolamError(
        'data',
        `checkpoint: expected tensor "state.${name}" of ${this.at[name].length} f64 numbers`,
      );
    };
    this.at = { encoder: part('encoder'), decoder: part('decoder') };
    // lbfgs keeps nothing to go on from: it begins again, to the same bits.
    this.done = this.config.optimizer.kind === 'lbfgs' ? 0 : step;
  }

  async evaluate({ backend, control }: Judges): Promise<Evaluation> {
    this.found ??= (
      await descendWorlds([this.problem], [{ ...this.request(0), steps: 0 }], backend, control)
    )[0];
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

function startOf(problem: ExactProblem, seed: number, balanced: number | undefined): ExactState {
  const { y, head, e } = stateWidths(problem);
  const k = problem.latentDim;
  if (balanced !== undefined) return balancedStart(problem, seed, balanced);
  const drawn = (count: number, stream: number, inputs: number) =>
    normals(seed, stream, 0, count).map((v) => v * Math.sqrt(START_VARIANCE / inputs));
  return {
    encoder: drawn(k * e, STREAM.encoder, e),
    decoder: drawn((y + head) * k, STREAM.decoder, k),
  };
}

/** B = D^T = sqrt(share) R with orthonormal R, on the coordinates of o' alone: what T11 is about. */
function balancedStart(problem: ExactProblem, seed: number, share: number): ExactState {
  const { e, y } = stateWidths(problem);
  const k = problem.latentDim;
  const own = Math.min(e, y);
  const size = Math.max(k, own);
  const R = orthonormalise(matrix(size, size, normals(seed, STREAM.rotation, 0, size * size))).basis;
  const root = Math.sqrt(share);
  const { encoder, decoder } = zeroState(problem);
  // The last block of e is that of o'; of y the first is.
  for (let i = 0; i < k; i++)
    for (let j = 0; j < own; j++) {
      encoder[i * e + e - own + j] = root * R.data[i * size + j];
      decoder[j * k + i] = root * R.data[i * size + j];
    }
  return { encoder, decoder };
}

/** The basis in which a problem is solved, on the user's observation: (observationDim, width). */
function wholeBasis({ basis, extra }: ExactProblem): Matrix {
  const own = basis();
  if (extra === 0) return own;
  const more = matrix(own.rows, extra, normals(0, STREAM.outside, 0, own.rows * extra));
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

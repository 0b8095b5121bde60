import type { DescentMethod } from '../backend/descent-requests.js';
import { type Backend, type Control, STATUS } from '../backend/requests.js';
import { ExolamError } from '../base/errors.js';
import type { LinearLam } from '../lam/linear-lam.js';
import type { Tensor } from '../lam/safetensors.js';
import { orthonormalise } from '../linalg/dense.js';
import { matrix } from '../linalg/matrix.js';
import { normals } from '../random/philox.js';
import type { Evaluation } from './evaluate.js';
import type { ExactState } from './exact-worlds.js';
import type { Estimated, Judges } from './judges.js';
import type { Ending, Run } from './run.js';
import type { Setting } from './setting.js';

/** Streams of starts, away from those of worlds. */
const STREAM = { encoder: 0x65780001, decoder: 0x65780002, rotation: 0x65780003 } as const;
/** Variance of a start's weights times their number of inputs, as PyTorch's linear layers have it. */
const START_VARIANCE = 1 / 3;

/** Widths of what a run descends in: of y, of the head's action below it, and of e. */
export interface Widths {
  readonly y: number;
  readonly head: number;
  readonly e: number;
}

/** Where a call of steps has come to. */
interface Reached {
  readonly status: number;
  readonly step: number;
  readonly loss: number;
  readonly state: ExactState;
}

/** Exact gradients from second moments: where a run is, and how it goes on. */
export abstract class DescentRun implements Run {
  protected at: ExactState;
  protected done = 0;
  private loss = Number.NaN;
  private isAtRest = false;

  constructor(
    readonly setting: Setting,
    widths: Widths,
  ) {
    const { model, seed, optimizer } = setting.config;
    this.at = startOf(widths, model.latentDim, seed, optimizer.balancedStart);
  }

  get config() {
    return this.setting.config;
  }
  get step(): number {
    return this.done;
  }
  get liveLoss(): number {
    return this.loss;
  }
  get ending(): Ending | null {
    if (this.isAtRest) return 'converged';
    return this.done >= this.config.steps ? 'steps' : null;
  }

  /** How the next so many steps are taken; of lbfgs all of them. */
  protected stepsFrom(steps: number) {
    const { optimizer, learningRate, seed, steps: all } = this.config;
    const method = optimizer.kind as DescentMethod;
    const { starts } = optimizer;
    return {
      ...{ method, starts, seed, state: this.at },
      steps: method === 'lbfgs' && steps > 0 ? all : steps,
      rate: learningRate,
    };
  }

  protected reached({ status, step, loss, state }: Reached): void {
    if (status === STATUS.nonFinite)
      throw new ExolamError(
        'numerical',
        `the loss is not finite at step ${this.done + step}: expected a smaller learningRate than ${this.config.learningRate}`,
      );
    this.at = state;
    this.loss = loss;
    this.done += step;
    this.isAtRest = this.config.optimizer.kind === 'lbfgs' && status === STATUS.ok;
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

  abstract evaluate(judges: Judges): Promise<Evaluation>;
  abstract nonlinear(judges: Judges): Promise<Estimated | undefined>;
  abstract model(backend: Backend, control: Control): Promise<LinearLam>;
}

function startOf(widths: Widths, k: number, seed: number, balanced: number | undefined): ExactState {
  const { y, head, e } = widths;
  if (balanced !== undefined) return balancedStart(widths, k, seed, balanced);
  const drawn = (count: number, stream: number, inputs: number) =>
    normals(seed, stream, 0, count).map((v) => v * Math.sqrt(START_VARIANCE / inputs));
  return {
    encoder: drawn(k * e, STREAM.encoder, e),
    decoder: drawn((y + head) * k, STREAM.decoder, k),
  };
}

/** B = D^T = sqrt(share) R with orthonormal R, on the coordinates of o' alone: what T11 is about. */
function balancedStart({ e, y, head }: Widths, k: number, seed: number, share: number): ExactState {
  const own = Math.min(e, y);
  const size = Math.max(k, own);
  const R = orthonormalise(matrix(size, size, normals(seed, STREAM.rotation, 0, size * size))).basis;
  const root = Math.sqrt(share);
  const [encoder, decoder] = [new Float64Array(k * e), new Float64Array((y + head) * k)];
  // The last block of e is that of o'; of y the first is.
  for (let i = 0; i < k; i++)
    for (let j = 0; j < own; j++) {
      encoder[i * e + e - own + j] = root * R.data[i * size + j];
      decoder[j * k + i] = root * R.data[i * size + j];
    }
  return { encoder, decoder };
}

import type { Backend, Control } from '../backend/requests.js';
import { STATUS } from '../backend/requests.js';
import {
  initialState,
  parameterCount,
  type TrainState,
  type TrainStepsAnswer,
  type TrainStepsRequest,
  tensorsOf,
} from '../backend/train-requests.js';
import { ExolamError } from '../base/errors.js';
import type { Tensor } from '../lam/safetensors.js';
import { Diverged, type Evaluation, evaluate, hasExactMetrics, networkLatents } from './evaluate.js';
import type { Estimated, Judges } from './judges.js';
import { modelOf } from './model.js';
import type { Ending, Run } from './run.js';
import type { Setting } from './setting.js';

/** What a state is made of beside the parameters. */
const PARTS = ['first', 'second', 'codebookCounts', 'codebookSums'] as const;

/** Steps on minibatches in f32. */
export class MinibatchRun implements Run {
  private at: TrainState;
  private loss = Number.NaN;

  constructor(readonly setting: Setting) {
    this.at = initialState(setting.shape, setting.config.seed);
  }

  get config() {
    return this.setting.config;
  }
  get step(): number {
    return this.at.step;
  }
  get liveLoss(): number {
    return this.loss;
  }
  get ending(): Ending | null {
    return this.at.step >= this.config.steps ? 'steps' : null;
  }

  /** The next so many steps. */
  request(steps: number): TrainStepsRequest {
    const { shape, projection, source, lossOf, optimiser, config } = this.setting;
    return {
      ...{ shape, projection, source, optimiser, steps },
      objective: lossOf,
      batchSize: config.batchSize,
      seed: config.seed,
      state: this.at,
      traceEvery: steps,
    };
  }

  /** What the backend made of a request; throws where it diverged, and the run stays where it was. */
  take({ state, trace, status, failedAt }: TrainStepsAnswer): void {
    if (status === STATUS.nonFinite) throw new Diverged(failedAt + 1, this.config.learningRate);
    this.at = state;
    this.loss = trace[0];
  }

  state(): ReadonlyMap<string, Tensor> {
    const { shape } = this.setting;
    const { parameters } = this.at;
    const tensors = new Map<string, Tensor>(
      tensorsOf(shape).map(({ name, shape: dims, offset, size }) => [
        name,
        { shape: dims, data: parameters.slice(offset, offset + size) },
      ]),
    );
    for (const part of PARTS)
      tensors.set(`state.${part}`, { shape: [this.at[part].length], data: this.at[part] });
    return tensors;
  }

  restore(step: number, state: ReadonlyMap<string, Tensor>): void {
    const { shape } = this.setting;
    const parameters = new Float32Array(parameterCount(shape));
    for (const { name, offset, size } of tensorsOf(shape)) parameters.set(numbers(state, name, size), offset);
    const part = (name: (typeof PARTS)[number]) => numbers(state, `state.${name}`, this.at[name].length);
    this.at = {
      ...{ step, parameters },
      first: part('first'),
      second: part('second'),
      codebookCounts: part('codebookCounts'),
      codebookSums: part('codebookSums'),
    };
  }

  async evaluate(judges: Judges): Promise<Evaluation> {
    const found = await evaluate(this.setting, this.at.parameters, this.at.step, judges);
    this.loss = found.loss;
    return found;
  }

  async nonlinear(judges: Judges): Promise<Estimated | undefined> {
    if (hasExactMetrics(this.setting)) return undefined;
    return judges.nonlinear(this.setting, networkLatents(this.setting, this.at.parameters, judges));
  }

  model(backend: Backend, control: Control) {
    const about = { steps: this.at.step, loss: Math.max(0, this.loss) };
    return modelOf(this.setting, this.at.parameters, about, backend, control);
  }
}

function numbers(state: ReadonlyMap<string, Tensor>, name: string, size: number): Float32Array {
  const data = state.get(name)?.data;
  if (data instanceof Float32Array && data.length === size) return data;
  throw new ExolamError('data', `checkpoint: expected tensor "${name}" of ${size} f32 numbers`);
}

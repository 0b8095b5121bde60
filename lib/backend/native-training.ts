import { rowArrays } from './batch-sources.js';
import { type Backend, type Control, STATUS } from './requests.js';
import { applyArrays, LOSS_PARTS, type TrainStepsAnswer, type TrainStepsRequest } from './train-requests.js';
import { VIEW_KINDS } from './views.js';

/** The addon's exports; requests are flat tables (see {@link flat}). */
export interface TrainingAddon {
  trainBatch(request: object): Promise<void>;
  trainLoss(request: object): Promise<void>;
  applyNetwork(request: object): Promise<void>;
  drawRows(request: object): Promise<void>;
}

type Run = (
  call: (request: object) => Promise<void>,
  request: object,
  answer: object,
  control: Control | undefined,
) => Promise<void>;

/** Words as numbers, which native/addon/train.cc and train-sources.cc know. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  encoderInput: ['both', 'difference'],
  decoderInput: ['both', 'latent'],
  activation: ['relu', 'gelu', 'tanh'],
  update: ['loss', 'ema'],
  labelMean: ['rows', 'labelled'],
  robustOn: ['latent', 'decoded'],
  'optimiser.kind': ['sgd', 'adam', 'adamw'],
  'source.kind': ['linear-world', 'rows', 'view-world'],
  'view.kind': VIEW_KINDS,
};

/**
 * Objects inside a request as fields `name.field` of one table, as the addon and WebAssembly read them: numbers, flags and typed
 * arrays. Words become numbers, lists of numbers Int32Arrays, and what is null is left out.
 */
function flat(request: object, prefix = ''): Record<string, unknown> {
  const table: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(request) as [string, unknown][]) {
    const name = prefix + key;
    if (value === null || value === undefined) continue;
    if (typeof value === 'string') {
      const words = WORDS[key] ?? WORDS[name.split('.').slice(-2).join('.')];
      table[name] = words?.indexOf(value);
    } else if (Array.isArray(value)) table[name] = Int32Array.from(value as number[]);
    else if (typeof value === 'object' && !ArrayBuffer.isView(value))
      Object.assign(table, flat(value, `${name}.`));
    else table[name] = value;
  }
  return table;
}

/** A run's arrays, which the addon writes to. */
function answerArrays(r: TrainStepsRequest): TrainStepsAnswer {
  const { state, shape } = r;
  return {
    state: {
      step: state.step + r.steps,
      parameters: state.parameters.slice(),
      first: state.first.slice(),
      second: state.second.slice(),
      codebookCounts: state.codebookCounts.slice(),
      codebookSums: state.codebookSums.slice(),
    },
    trace: new Float64Array(LOSS_PARTS.length * Math.ceil(r.steps / r.traceEvery)),
    usage: new Float64Array(shape.codebook ? shape.codebook.codes * shape.codebook.size : 0),
    status: STATUS.ok,
    failedAt: -1,
  };
}

/** Gradient steps in the addon. */
export function gradientSteps(
  addon: TrainingAddon,
  run: Run,
): Pick<Backend, 'trainSteps' | 'trainBatch' | 'trainLoss' | 'applyNetwork' | 'drawRows'> {
  const trainBatch: Backend['trainBatch'] = async (requests, control) => {
    if (requests.length === 0) return [];
    const answers = requests.map(answerArrays);
    const failedAt = new Float64Array(requests.length);
    const request: Record<string, unknown> = { runs: requests.length };
    const arrays: Record<string, unknown> = { failedAt };
    requests.forEach((r, i) => {
      const { state, trace, usage } = answers[i] as TrainStepsAnswer;
      const { step, ...states } = state;
      Object.assign(request, flat(r, `${i}.`));
      Object.assign(arrays, flat({ trace, usage, state: states }, `${i}.`));
    });
    await run(addon.trainBatch, request, arrays, control);
    return answers.map((answer, i) =>
      failedAt[i] < 0
        ? answer
        : {
            ...answer,
            state: (requests[i] as TrainStepsRequest).state,
            status: STATUS.nonFinite,
            failedAt: failedAt[i],
          },
    );
  };
  return {
    trainBatch,
    async trainSteps(request, control) {
      const [answer] = await trainBatch([request], control);
      return answer as TrainStepsAnswer;
    },
    async trainLoss(r, control) {
      const answer = {
        parts: new Float64Array(LOSS_PARTS.length),
        gradient: new Float64Array(r.parameters.length),
      };
      await run(addon.trainLoss, flat(r), answer, control);
      return answer;
    },
    async applyNetwork(r, control) {
      const answer = applyArrays(r);
      const { latent: decodedLatent, ...others } = answer;
      await run(addon.applyNetwork, flat(r), { ...others, decodedLatent }, control);
      return answer;
    },
    async drawRows(r, control) {
      const answer = rowArrays(r.source, r.count, r.needs);
      const { count: _, ...arrays } = answer;
      await run(addon.drawRows, flat(r), arrays, control);
      return answer;
    },
  };
}

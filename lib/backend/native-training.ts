import { rowArrays } from './batch-sources.js';
import { type Backend, type Control, STATUS } from './requests.js';
import { applyArrays, LOSS_PARTS, type TrainStepsAnswer, type TrainStepsRequest } from './train-requests.js';

/** The addon's exports, with the arrays of the answer among a request's fields. */
export interface TrainingAddon {
  trainBatch(request: object): Promise<void>;
  trainLoss(request: object): Promise<void>;
  applyNetwork(request: object): Promise<void>;
  drawRows(request: object): Promise<void>;
}

type Run = (
  call: (request: object) => Promise<void>,
  request: object,
  control: Control | undefined,
) => Promise<void>;

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
    const runs = requests.map((r, i) => {
      const { state, trace, usage } = answers[i] as TrainStepsAnswer;
      return { ...r, trace, usage, state: { ...state, step: r.state.step } };
    });
    await run(addon.trainBatch, { runs, failedAt }, control);
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
      await run(addon.trainLoss, { ...r, ...answer }, control);
      return answer;
    },
    async applyNetwork(r, control) {
      const answer = applyArrays(r);
      const { latent: decodedLatent, ...others } = answer;
      await run(addon.applyNetwork, { ...r, ...others, decodedLatent }, control);
      return answer;
    },
    async drawRows(r, control) {
      const answer = rowArrays(r.source, r.count, r.needs);
      await run(addon.drawRows, { ...r, ...answer }, control);
      return answer;
    },
  };
}

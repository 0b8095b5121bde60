import type { BatchSource } from '../backend/batch-sources.js';
import { STATUS } from '../backend/requests.js';
import {
  type CodebookShape,
  initialState,
  type NetworkShape,
  type TrainObjective,
  type TrainStepsRequest,
} from '../backend/train-requests.js';
import { ExolamError } from '../base/errors.js';
import { type JudgedLatents, LatentJudge, type LatentJudgement } from '../metrics/judge.js';
import type { AnyWorldSpec } from '../world/any-world.js';
import { worldSource } from '../world/batch-source.js';
import { type Projection, withoutExogenous } from './nonlinear-representation.js';
import type { NonlinearSpec } from './nonlinear-spec.js';
import type { Run } from './study.js';

/** What C4 asks of nonlinear models: the remedies of C2 and C3 in their terms. */
export const NONLINEAR_REMEDIES = [
  { id: 'reconstruction', name: 'none: plain reconstruction', claim: 'C1', colour: '#e8590c' },
  { id: 'representation', name: 'representation', claim: 'C2', colour: '#a855d6' },
  { id: 'action-supervised', name: 'action supervision', claim: 'C3', colour: '#2f7ed8' },
  { id: 'exogenous-robust', name: 'exogenous-robust penalty', claim: 'C3', colour: '#b8860b' },
  { id: 'cross-exogenous', name: 'cross-exogenous reconstruction', claim: 'C3', colour: '#2b9a66' },
] as const;
export type NonlinearRemedy = (typeof NONLINEAR_REMEDIES)[number]['id'];

/** One model to train. */
export interface NonlinearRun {
  readonly world: NonlinearSpec['worlds'][number];
  readonly remedy: NonlinearRemedy;
  readonly seed: number;
  readonly codebook: number | null;
}

/** A trained model and what its latents hold. */
export interface NonlinearOutcome extends NonlinearRun {
  readonly loss: number;
  readonly judgement: LatentJudgement;
  /** Share of the last steps' rows that each code had; empty without a codebook. */
  readonly usage: Float64Array;
}

/** Of the rows that models are judged on: no run trains under such a seed. */
const JUDGED_SEED = 2 ** 50;
/** Commitment, decay and revival of a codebook: those of VQ-VAE. */
const BOOK: Omit<CodebookShape, 'size'> = {
  codes: 1,
  update: 'ema',
  decay: 0.99,
  commitment: 0.25,
  reviveBelow: 0.1,
};

function objectiveOf(remedy: NonlinearRemedy, spec: NonlinearSpec): TrainObjective {
  return {
    crossExogenous: remedy === 'cross-exogenous',
    encoderNoise: 0,
    decoderNoise: 0,
    actionWeight: remedy === 'action-supervised' ? spec.weight : 0,
    labelFraction: 1,
    labelMean: 'rows',
    robustWeight: remedy === 'exogenous-robust' ? spec.penalty : 0,
    robustOn: 'latent',
  };
}

/** What a world or data asks of its models beside what all have in common. */
interface ModelSize {
  readonly latentDim: number;
  readonly steps: number;
  /** The prediction is o plus what the decoder gives. Default false. */
  readonly residual?: boolean;
}

/** A model of one objective from its start: what is trained, on what. */
export function stepsOf(
  { remedy, seed, codebook }: Pick<NonlinearRun, 'remedy' | 'seed' | 'codebook'>,
  { latentDim, steps, residual = false }: ModelSize,
  source: BatchSource,
  projection: Projection | null,
  spec: NonlinearSpec,
): TrainStepsRequest {
  const seen = remedy === 'representation' ? projection : null;
  const shape: NetworkShape = {
    observationDim: source.observationDim,
    projectionDim: seen?.rows ?? 0,
    actionDim: remedy === 'action-supervised' ? source.actionDim : 0,
    latentDim,
    encoderInput: 'both',
    decoderInput: 'both',
    residual,
    encoderHidden: [...spec.hidden],
    decoderHidden: [...spec.hidden],
    activation: 'relu',
    bias: true,
    targets: 1,
    codebook: codebook ? { size: codebook, ...BOOK } : null,
  };
  return {
    shape,
    projection: seen?.data ?? new Float32Array(0),
    source,
    objective: objectiveOf(remedy, spec),
    batchSize: spec.batchSize,
    seed,
    optimiser: {
      kind: 'adam',
      learningRate: spec.learningRate,
      momentum: 0,
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-8,
      weightDecay: 0,
      warmupSteps: 0,
      cosineSteps: 0,
      finalShare: 1,
    },
    state: initialState(shape, seed),
    steps,
    traceEvery: Math.ceil(steps / 4),
  };
}

/** Trains models side by side, over all cores; a loss that is not finite is an error that `name` begins. */
export async function trainedModels(
  requests: readonly TrainStepsRequest[],
  names: readonly string[],
  { backend, signal, threads }: Pick<Run, 'backend' | 'signal' | 'threads'>,
): Promise<TrainedModel[]> {
  const answers = await backend.trainBatch(requests, { signal, threads });
  return answers.map(({ status, failedAt, state, trace, usage }, i) => {
    if (status !== STATUS.ok)
      throw new ExolamError('data', `${names[i]}: the loss was not finite at step ${failedAt}`);
    const { shape, projection } = requests[i];
    return { shape, projection, parameters: state.parameters, loss: trace[trace.length / 5 - 1], usage };
  });
}

/** A network as its last step left it. */
export interface TrainedModel extends Pick<TrainStepsRequest, 'shape' | 'projection'> {
  readonly parameters: Float32Array;
  /** Mean loss of the last quarter of its steps, on their rows. */
  readonly loss: number;
  readonly usage: Float64Array;
}

/** z of rows and of their paired views, for a judge. */
export async function latentsOf(
  { shape, projection, parameters }: TrainedModel,
  rows: JudgedViews,
  { backend, signal, threads }: Pick<Run, 'backend' | 'signal' | 'threads'>,
): Promise<JudgedLatents> {
  const latent = async (observation: Float32Array, observationNext: Float32Array) => {
    const asked = { observation, observationNext, latent: null, decoderObservation: null };
    const { count } = rows;
    const answer = await backend.applyNetwork(
      { shape, projection, parameters, rows: count, ...asked },
      { signal, threads },
    );
    return answer.latent;
  };
  return {
    latents: await latent(rows.observation, rows.observationNext),
    pairLatents: await latent(rows.pairObservation, rows.pairObservationNext),
    latentDim: shape.latentDim,
  };
}

/** (count, observationDim) each. */
export interface JudgedViews {
  readonly count: number;
  readonly observation: Float32Array;
  readonly observationNext: Float32Array;
  readonly pairObservation: Float32Array;
  readonly pairObservationNext: Float32Array;
}

/** The world of a run: every seed is another world. */
export function worldOf({ world, seed }: Pick<NonlinearRun, 'world' | 'seed'>): AnyWorldSpec {
  return { ...world.spec, seed } as AnyWorldSpec;
}

/** Trains every run of one world and seed in one call over all cores, and judges each on fresh samples. */
export async function trainTogether(runs: readonly NonlinearRun[], study: Run): Promise<NonlinearOutcome[]> {
  const { backend, signal, threads } = study;
  const spec = study.spec.nonlinear;
  const control = { signal, threads };
  const [first] = runs as [NonlinearRun];
  const world = worldOf(first);
  const source = worldSource(world);
  const needsProjection = runs.some(({ remedy }) => remedy === 'representation');
  const projection = needsProjection ? await withoutExogenous(world, spec.rows, backend, control) : null;
  const requests = runs.map((run) => stepsOf(run, run.world, source, projection, spec));
  const names = runs.map((run) => `${run.world.name}, ${run.remedy}`);
  return judged(runs, await trainedModels(requests, names, study), source, study);
}

async function judged(
  runs: readonly NonlinearRun[],
  models: readonly TrainedModel[],
  source: BatchSource,
  study: Run,
): Promise<NonlinearOutcome[]> {
  const { backend, signal, threads } = study;
  const { nonlinear } = study.spec;
  const control = { signal, threads };
  const count = nonlinear.rows;
  const needs = { pair: true, later: 0, states: true };
  const rows = await backend.drawRows({ source, seed: JUDGED_SEED, first: 0, count, needs }, control);
  const judge = await LatentJudge.create(
    {
      count,
      observation: rows.observation,
      observationDim: source.observationDim,
      action: rows.action,
      actionDim: source.actionDim,
      exogenous: rows.exogenous,
      exogenousNext: rows.exogenousNext,
      exogenousDim: source.exogenousDim,
    },
    {
      backend,
      ...control,
      components: nonlinear.components,
      features: nonlinear.features,
      jackknife: 'folds',
    },
  );
  const outcomes: NonlinearOutcome[] = [];
  for (const [i, run] of runs.entries()) {
    const { loss, usage } = models[i];
    const latents = await latentsOf(models[i], rows, study);
    outcomes.push({ ...run, loss, judgement: await judge.judge(latents, control), usage });
  }
  return outcomes;
}

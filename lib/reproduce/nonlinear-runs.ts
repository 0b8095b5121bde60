import type { BatchSource } from '../backend/batch-sources.js';
import { STATUS } from '../backend/requests.js';
import {
  type CodebookShape,
  initialState,
  type NetworkShape,
  type TrainObjective,
  type TrainStepsAnswer,
  type TrainStepsRequest,
} from '../backend/train-requests.js';
import { ExolamError } from '../base/errors.js';
import { LatentJudge, type LatentJudgement } from '../metrics/judge.js';
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

function shapeOf(
  run: NonlinearRun,
  spec: NonlinearSpec,
  source: BatchSource,
  projection: Projection | null,
): NetworkShape {
  return {
    observationDim: source.observationDim,
    projectionDim: projection?.rows ?? 0,
    actionDim: run.remedy === 'action-supervised' ? source.actionDim : 0,
    latentDim: run.world.latentDim,
    encoderInput: 'both',
    decoderInput: 'both',
    residual: false,
    encoderHidden: [...spec.hidden],
    decoderHidden: [...spec.hidden],
    activation: 'relu',
    bias: true,
    targets: 1,
    codebook: run.codebook ? { size: run.codebook, ...BOOK } : null,
  };
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
  const requests = runs.map((run): TrainStepsRequest => {
    const seen = run.remedy === 'representation' ? projection : null;
    const shape = shapeOf(run, spec, source, seen);
    return {
      shape,
      projection: seen?.data ?? new Float32Array(0),
      source,
      objective: objectiveOf(run.remedy, spec),
      batchSize: spec.batchSize,
      seed: run.seed,
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
      state: initialState(shape, run.seed),
      steps: run.world.steps,
      traceEvery: Math.ceil(run.world.steps / 4),
    };
  });
  const answers = await backend.trainBatch(requests, control);
  answers.forEach(({ status, failedAt }, i) => {
    if (status !== STATUS.ok)
      throw new ExolamError(
        'data',
        `${runs[i].world.name}, ${runs[i].remedy}: the loss was not finite at step ${failedAt}`,
      );
  });
  return judged(runs, requests, answers, source, study);
}

async function judged(
  runs: readonly NonlinearRun[],
  requests: readonly TrainStepsRequest[],
  answers: readonly TrainStepsAnswer[],
  source: BatchSource,
  { backend, signal, threads, spec: { nonlinear } }: Run,
): Promise<NonlinearOutcome[]> {
  const control = { signal, threads };
  const count = nonlinear.rows;
  const needs = { pair: true, later: 0, states: true };
  const rows = await backend.drawRows({ source, seed: JUDGED_SEED, first: 0, count, needs }, control);
  const { observation, observationNext, pairObservation, pairObservationNext } = rows;
  const judge = await LatentJudge.create(
    {
      count,
      observation,
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
    const { shape, projection } = requests[i];
    const { state, trace, usage } = answers[i];
    const latent = async (o: Float32Array, next: Float32Array) =>
      (
        await backend.applyNetwork(
          {
            shape,
            projection,
            parameters: state.parameters,
            rows: count,
            observation: o,
            observationNext: next,
            latent: null,
            decoderObservation: null,
          },
          control,
        )
      ).latent;
    const latents = {
      latents: await latent(observation, observationNext),
      pairLatents: await latent(pairObservation, pairObservationNext),
      latentDim: shape.latentDim,
    };
    outcomes.push({
      ...run,
      loss: trace[trace.length / 5 - 1],
      judgement: await judge.judge(latents, control),
      usage,
    });
  }
  return outcomes;
}

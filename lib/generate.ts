import type { Backend, Control, SampleAnswer, SampleRequest } from './backend.js';
import { writerOf, writeTransitions } from './data/write.js';
import { ExolamError } from './errors.js';
import { defaultBackend } from './select-backend.js';
import { quote } from './validate.js';
import { createWorld, fullMixing, parameterColumn, type WorldSpec } from './world.js';

/** Numbers of one batch, at most: bounds the memory of a stream of samples, whatever its length. */
const BATCH_NUMBERS = 8_000_000;

export interface GenerateOptions extends Control {
  /** How many transitions. */
  readonly samples: number;
  /** Also draw the paired view (o2, o2'). Default false. */
  readonly pairs?: boolean;
  /** Transitions per batch. Default: as many as fit in 64 MB. The rows do not depend on it. */
  readonly batch?: number;
  /** Write each batch over the one before, which saves the time that fresh memory takes. Default false. */
  readonly reuse?: boolean;
  readonly backend?: Backend;
}

/** Consecutive transitions, every variable as rows; `first` is the index of the first. */
export interface SampleBatch extends SampleAnswer {
  readonly first: number;
  readonly count: number;
}

function positive(value: number, field: string): number {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new ExolamError('input', `${field}: expected a positive integer but received ${quote(value)}`);
}

/**
 * Sampled transitions of a world, in batches: transition n is the same whatever the batch, thread count or backend call it is
 * drawn in (to rounding between backends).
 */
export async function* sampleTransitions(
  spec: WorldSpec,
  options: GenerateOptions,
): AsyncGenerator<SampleBatch, void, undefined> {
  const world = createWorld(spec);
  const { observationDim, endogenousDim, exogenousDim, actionDim, seed } = world.spec;
  const samples = positive(options.samples, 'samples');
  const pair = options.pairs ?? false;
  const numbers = (pair ? 4 : 2) * observationDim + actionDim + 2 * (endogenousDim + exogenousDim);
  const batch = positive(options.batch ?? Math.max(1, Math.floor(BATCH_NUMBERS / numbers)), 'batch');
  const backend = options.backend ?? defaultBackend();
  const request: Omit<SampleRequest, 'first' | 'count'> = {
    seed,
    observationDim,
    endogenousDim,
    exogenousDim,
    actionDim,
    parameters: parameterColumn(world, 0),
    mixing: fullMixing(world).data,
    actionEffect: world.actionEffect.data,
    stateFeedback: world.stateFeedback.data,
    exogenousFeedback: world.exogenousFeedback.data,
    pair,
  };
  let answer: SampleAnswer | undefined;
  for (let first = 0; first < samples; first += batch) {
    const count = Math.min(batch, samples - first);
    const into = options.reuse && answer ? shortened(answer, count / Math.min(batch, samples)) : undefined;
    answer = await backend.sample({ ...request, first, count }, { ...options, onProgress: undefined }, into);
    options.onProgress?.(first + count, samples);
    yield { first, count, ...answer };
  }
}

/** The first rows of every array, in the memory of them all. */
function shortened(answer: SampleAnswer, share: number): SampleAnswer {
  const part = (values: Float64Array) => values.subarray(0, Math.round(values.length * share));
  return {
    observation: part(answer.observation),
    observationNext: part(answer.observationNext),
    pairObservation: part(answer.pairObservation),
    pairObservationNext: part(answer.pairObservationNext),
    action: part(answer.action),
    exogenous: part(answer.exogenous),
    exogenousNext: part(answer.exogenousNext),
    endogenous: part(answer.endogenous),
    endogenousNext: part(answer.endogenousNext),
  };
}

/** Sampled transitions as a `.npz` or `.parquet` file that `analyze` reads; the file appears whole or not at all. */
export async function writeSamples(spec: WorldSpec, path: string, options: GenerateOptions): Promise<void> {
  writerOf(path);
  const { observationDim, actionDim, exogenousDim } = createWorld(spec).spec;
  await writeTransitions(
    path,
    positive(options.samples, 'samples'),
    { observationDim, actionDim, exogenousDim, pair: options.pairs ?? false },
    sampleTransitions(spec, { ...options, reuse: true }),
    { signal: options.signal },
  );
}

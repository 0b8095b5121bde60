import type { Backend, Control, SampleAnswer, SampleRequest } from '../backend/requests.js';
import { defaultBackend } from '../backend/select.js';
import { ExolamError } from '../base/errors.js';
import { quote } from '../base/validate.js';
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
  /**
   * f32: observations as Float32Array, half the memory and less than half the time where there is sensor noise. The states are
   * those of f64, sensor noise has numbers of its own. Default f64.
   */
  readonly precision?: 'f64' | 'f32';
  readonly backend?: Backend;
}

/** Consecutive transitions, every variable as rows; `first` is the index of the first. */
export interface SampleBatch<Observation = Float64Array> extends SampleAnswer<Observation> {
  readonly first: number;
  readonly count: number;
}

export function positive(value: number, field: string): number {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new ExolamError('input', `${field}: expected a positive integer but received ${quote(value)}`);
}

/**
 * Sampled transitions of a world, in batches: transition n is the same whatever the batch, thread count or backend call it is
 * drawn in (to rounding between backends).
 */
export function sampleTransitions(
  spec: WorldSpec,
  options: GenerateOptions & { readonly precision: 'f32' },
): AsyncGenerator<SampleBatch<Float32Array>, void, undefined>;
export function sampleTransitions(
  spec: WorldSpec,
  options: GenerateOptions & { readonly precision?: 'f64' },
): AsyncGenerator<SampleBatch, void, undefined>;
export function sampleTransitions(
  spec: WorldSpec,
  options: GenerateOptions,
): AsyncGenerator<SampleBatch | SampleBatch<Float32Array>, void, undefined>;
export async function* sampleTransitions(
  spec: WorldSpec,
  options: GenerateOptions,
): AsyncGenerator<SampleBatch | SampleBatch<Float32Array>, void, undefined> {
  const backend = options.backend ?? defaultBackend();
  const precision = options.precision ?? 'f64';
  if (precision !== 'f64' && precision !== 'f32')
    throw new ExolamError('input', `precision: expected "f64" or "f32" but received ${quote(precision)}`);
  if (precision === 'f32')
    yield* batches<Float32Array>(spec, options, (...request) => backend.sampleF32(...request));
  else yield* batches<Float64Array>(spec, options, (...request) => backend.sample(...request));
}

async function* batches<Observation extends Float64Array | Float32Array>(
  spec: WorldSpec,
  options: GenerateOptions,
  sample: (
    request: SampleRequest,
    control: Control,
    into?: SampleAnswer<Observation>,
  ) => Promise<SampleAnswer<Observation>>,
): AsyncGenerator<SampleBatch<Observation>, void, undefined> {
  const world = createWorld(spec);
  const { observationDim, endogenousDim, exogenousDim, actionDim, seed } = world.spec;
  const samples = positive(options.samples, 'samples');
  const pair = options.pairs ?? false;
  const numbers = (pair ? 4 : 2) * observationDim + actionDim + 2 * (endogenousDim + exogenousDim);
  const batch = positive(options.batch ?? Math.max(1, Math.floor(BATCH_NUMBERS / numbers)), 'batch');
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
  let answer: SampleAnswer<Observation> | undefined;
  for (let first = 0; first < samples; first += batch) {
    const count = Math.min(batch, samples - first);
    const into = options.reuse && answer ? shortened(answer, count / Math.min(batch, samples)) : undefined;
    answer = await sample({ ...request, first, count }, { ...options, onProgress: undefined }, into);
    options.onProgress?.(first + count, samples);
    yield { first, count, ...answer };
  }
}

/** The first rows of every array, in the memory of them all. */
function shortened<Observation extends Float64Array | Float32Array>(
  answer: SampleAnswer<Observation>,
  share: number,
): SampleAnswer<Observation> {
  const part = <Numbers extends Float64Array | Float32Array>(values: Numbers) =>
    values.subarray(0, Math.round(values.length * share)) as Numbers;
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

import { z } from 'zod';
import { backendField, controlFields } from '../backend/control.js';
import type { Backend, Control, SampleAnswer, SampleRequest } from '../backend/requests.js';
import { defaultBackend } from '../backend/select.js';
import { asExolamError } from '../base/boundary.js';
import { requireMemory } from '../base/memory.js';
import { describes, integer, parseOptions } from '../base/validate.js';
import { type AnyWorldSpec, createAnyWorld } from './any-world.js';

/** Numbers of one batch, at most: bounds the memory of a stream of samples, whatever its length. */
const BATCH_NUMBERS = 8_000_000;

export interface GenerateOptions extends Control {
  /** How many transitions, from 1. */
  readonly samples: number;
  /** Also draw the paired view (o2, o2'). Default false. */
  readonly pairs?: boolean | undefined;
  /** Transitions per batch, from 1. Default: as many as fit in 64 MB. The rows do not depend on it. */
  readonly batch?: number | undefined;
  /** Write each batch over the one before, which saves the time that fresh memory takes. Default false. */
  readonly reuse?: boolean | undefined;
  /**
   * f32: observations as Float32Array, half the memory and less than half the time where there is sensor noise. The states are
   * those of f64, sensor noise has numbers of its own. Nonlinear worlds are always seen in f32: there the numbers are the same.
   * Default f64.
   */
  readonly precision?: 'f64' | 'f32' | undefined;
  /** What computes. Default: {@link defaultBackend}. */
  readonly backend?: Backend | undefined;
}

const optionsSchema = describes<GenerateOptions>()(
  z.strictObject({
    ...controlFields,
    samples: integer(1),
    pairs: z.boolean().default(false),
    batch: integer(1).optional(),
    reuse: z.boolean().default(false),
    precision: z.enum(['f64', 'f32']).default('f64'),
    backend: backendField,
  }),
);
type Checked = z.output<typeof optionsSchema>;

/** {@link GenerateOptions}, checked and with defaults. */
export function generateOptions(options: GenerateOptions): Checked {
  return parseOptions(optionsSchema, options);
}

/** Consecutive transitions, every variable as rows; `first` is the index of the first. */
export interface SampleBatch<Observation = Float64Array> extends SampleAnswer<Observation> {
  readonly first: number;
  readonly count: number;
}

/**
 * Sampled transitions of a world, in batches: transition n is the same whatever the batch, thread count or backend call it is
 * drawn in (to rounding between backends).
 */
export function sampleTransitions(
  spec: AnyWorldSpec,
  options: GenerateOptions & { readonly precision: 'f32' },
): AsyncGenerator<SampleBatch<Float32Array>, void, undefined>;
export function sampleTransitions(
  spec: AnyWorldSpec,
  options: GenerateOptions & { readonly precision?: 'f64' | undefined },
): AsyncGenerator<SampleBatch, void, undefined>;
export function sampleTransitions(
  spec: AnyWorldSpec,
  options: GenerateOptions,
): AsyncGenerator<SampleBatch | SampleBatch<Float32Array>, void, undefined>;
export async function* sampleTransitions(
  spec: AnyWorldSpec,
  options: GenerateOptions,
): AsyncGenerator<SampleBatch | SampleBatch<Float32Array>, void, undefined> {
  try {
    const checked = generateOptions(options);
    const backend = checked.backend ?? defaultBackend();
    if (checked.precision === 'f32')
      yield* batches<Float32Array>(spec, checked, (...request) => backend.sampleF32(...request));
    else yield* batches<Float64Array>(spec, checked, (...request) => backend.sample(...request));
  } catch (error) {
    throw asExolamError('sampleTransitions', error);
  }
}

async function* batches<Observation extends Float64Array | Float32Array>(
  spec: AnyWorldSpec,
  options: Checked,
  sample: (
    request: SampleRequest,
    control: Control,
    into?: SampleAnswer<Observation>,
  ) => Promise<SampleAnswer<Observation>>,
): AsyncGenerator<SampleBatch<Observation>, void, undefined> {
  const world = createAnyWorld(spec);
  const { observationDim, endogenousDim, exogenousDim, actionDim } = world;
  const { samples, pairs: pair } = options;
  const numbers = (pair ? 4 : 2) * observationDim + actionDim + 2 * (endogenousDim + exogenousDim);
  const batch = options.batch ?? Math.max(1, Math.floor(BATCH_NUMBERS / numbers));
  requireMemory(8 * Math.min(batch, samples) * numbers, `a batch of ${Math.min(batch, samples)} transitions`);
  const request: Omit<SampleRequest, 'first' | 'count'> = { ...world.request(), pair };
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

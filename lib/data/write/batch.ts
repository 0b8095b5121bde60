/** Widths of what is written; without a pair, or with 0, its arrays are left out. */
export interface TransitionDims {
  readonly observationDim: number;
  readonly actionDim: number;
  readonly exogenousDim: number;
  readonly pair: boolean;
}

export type Numbers = Float64Array | Float32Array;

/** Consecutive rows of every array; a backend's SampleAnswer is one. */
export interface TransitionBatch {
  /** (rows, observationDim) each. */
  readonly observation: Numbers;
  readonly observationNext: Numbers;
  readonly pairObservation: Numbers;
  readonly pairObservationNext: Numbers;
  /** (rows, actionDim) */
  readonly action: Float64Array;
  /** (rows, exogenousDim) each. */
  readonly exogenous: Float64Array;
  readonly exogenousNext: Float64Array;
}

export type BatchKey = keyof TransitionBatch;

export interface ArraySpec {
  readonly key: BatchKey;
  readonly dim: number;
  /** Bytes of a number: 8, or 4 in f32. */
  readonly bytes: 4 | 8;
}

export function rowsOf(batch: TransitionBatch, arrays: readonly ArraySpec[]): number {
  const { key, dim } = arrays[0];
  return batch[key].length / dim;
}

/**
 * Gradient training on second moments (docs/theory.md, "Training on second moments"): what a population or moments request gains
 * when its objective is to be descended and not solved. Arrays as in requests.ts.
 */

/** The order is the numbering shared with native/core/descent.h. */
export const DESCENT_METHODS = ['lbfgs', 'gradient-descent', 'gradient-flow'] as const;
export type DescentMethod = (typeof DESCENT_METHODS)[number];

/**
 * The loss is E|y - A f - B G e|^2 + tr(B G P G^T B^T), A at its best for every B and G, and with a head also
 * E|c a - H G e|^2 + tr(H G P G^T H^T). The scale of z is free, so that the penalty is that of B^T B = I. `lbfgs` descends in G with B
 * and H at their best, from random starts; the others step B, H and G from the state that they are given.
 */
export interface DescentSettings {
  readonly latentDim: number;
  /** Column of the coefficient c of the action that z alone must give; -1: no head. */
  readonly head: number;
  readonly method: DescentMethod;
  /** Steps to take; of lbfgs iterations of each start, at most. */
  readonly steps: number;
  /** (count): size of a step; of gradient-flow the time that it takes; of lbfgs not read. */
  readonly rate: Float64Array;
  /** Of lbfgs: random starts, of which the least loss wins, and the seed of each problem's (count). */
  readonly starts: number;
  readonly seed: Float64Array;
  /** (count, latentDim, width of e): G to start from; of lbfgs not read. */
  readonly encoderState: Float64Array;
  /** (count, width of y, and of the action where there is a head, latentDim): B, and H below it. */
  readonly decoderState: Float64Array;
}

export interface DescentAnswer {
  /** (count) each: the loss, and what of it is the reconstruction's (with a stacked action) and the head's; penalties included. */
  readonly loss: Float64Array;
  readonly reconstruction: Float64Array;
  readonly supervision: Float64Array;
  /** (count): |gradient| |parameters| over the loss of an empty model, and the steps taken. */
  readonly gradient: Float64Array;
  readonly step: Int32Array;
  /** The state after the steps; of lbfgs scaled (B^T B = I with H below B) and ordered as closed forms are. */
  readonly encoderState: Float64Array;
  readonly decoderState: Float64Array;
  /** (count, latentDim, observations) each: z = C o + D o' in the objective's gauge. Of worlds in the basis of the request. */
  readonly encoderC: Float64Array;
  readonly encoderD: Float64Array;
  /** (count, width of y, width of f): what the decoder adds of f to B z, at its best. */
  readonly decoderF: Float64Array;
  /** (count), of worlds: the same of one coordinate outside the basis. */
  readonly outside: Float64Array;
  /** (POPULATION_METRICS.length, count), of worlds: as solvePopulation's. */
  readonly metrics: Float64Array;
  readonly status: Uint8Array;
}

/** The arrays of a descent answer: the state as it starts, everything else zero. */
export function descentArrays(
  r: DescentSettings & { readonly count: number },
  { observation, y, f, metrics }: { observation: number; y: number; f: number; metrics: number },
): DescentAnswer {
  const { count, latentDim: k } = r;
  return {
    loss: new Float64Array(count),
    reconstruction: new Float64Array(count),
    supervision: new Float64Array(count),
    gradient: new Float64Array(count),
    step: new Int32Array(count),
    encoderState: r.encoderState.slice(),
    decoderState: r.decoderState.slice(),
    encoderC: new Float64Array(count * k * observation),
    encoderD: new Float64Array(count * k * observation),
    decoderF: new Float64Array(count * y * f),
    outside: new Float64Array(count),
    metrics: new Float64Array(metrics * count),
    status: new Uint8Array(count),
  };
}

/**
 * Where the rows of a training batch come from. Row n of a source, n = step x batchSize + place in the batch, is a function of
 * (source, seed, n): no batch depends on another. A further kind is a further interface here, a case of `rowsOf`
 * (reference/train/sources.ts) and a class behind native/core/train/source.h.
 */

import type { View } from './views.js';

/** Fresh transitions of the linear world (theory.md, section 1), drawn in f32. */
export interface LinearWorldSource {
  readonly kind: 'linear-world';
  readonly observationDim: number;
  readonly endogenousDim: number;
  readonly exogenousDim: number;
  readonly actionDim: number;
  /** (PARAMETERS.length) as in a population request; complementDim is not read. */
  readonly parameters: Float64Array;
  /** (observationDim, endogenousDim + exogenousDim): [Es Ex]. */
  readonly mixing: Float64Array;
  readonly actionEffect: Float64Array;
  readonly stateFeedback: Float64Array;
  readonly exogenousFeedback: Float64Array;
  /**
   * Es is square and orthonormal. What is drawn is then Es s, which is N(0, I) as s is, and s = Es^T of it: a product less for
   * every row. The same holds of Es w_s.
   */
  readonly squareMixing: boolean;
}

/** Rows of a data set. */
export interface RowsSource {
  readonly kind: 'rows';
  readonly rows: number;
  readonly observationDim: number;
  readonly actionDim: number;
  readonly exogenousDim: number;
  /** (frames, observationDim): every observation once. */
  readonly frames: Float32Array;
  /** (rows) each: which frames are o and o'. */
  readonly current: Int32Array;
  readonly next: Int32Array;
  /** (rows) each: the frames of the paired view, or empty. */
  readonly pair: Int32Array;
  readonly pairNext: Int32Array;
  /** (rows, later) and the same of the pair: the frames after o', or empty. */
  readonly later: Int32Array;
  readonly pairLater: Int32Array;
  /** (rows, actionDim) */
  readonly action: Float32Array;
  /** (rows, exogenousDim) each, or empty: known, and not looked at in training. */
  readonly exogenous: Float32Array;
  readonly exogenousNext: Float32Array;
  /** (rows): 1 where the action is seen in training; empty: a share of them, see TrainObjective. */
  readonly labelled: Uint8Array;
  /**
   * Row n is row p(n mod rows) of the data, p a permutation of its own for every pass, which the seed decides. Otherwise it is row
   * n mod rows.
   */
  readonly shuffled: boolean;
}

/** Fresh transitions of a nonlinear world (theory.md, "Nonlinear worlds"), drawn in f32: states as in the linear one. */
export interface ViewWorldSource extends Omit<LinearWorldSource, 'kind' | 'mixing' | 'squareMixing'> {
  readonly kind: 'view-world';
  readonly view: View;
}

export type BatchSource = LinearWorldSource | RowsSource | ViewWorldSource;

/** Which variables of a row are wanted beside o, o' and the action. */
export interface RowNeeds {
  /** The paired view. */
  readonly pair: boolean;
  /** Observations after o', of each view. */
  readonly later: number;
  /** s, s', x and x'. */
  readonly states: boolean;
}

/** Rows of a source, each array row-major in f32; empty where it was not asked for, or the source does not know it. */
export interface Rows {
  readonly count: number;
  /** (count, observationDim) each. */
  readonly observation: Float32Array;
  readonly observationNext: Float32Array;
  readonly pairObservation: Float32Array;
  readonly pairObservationNext: Float32Array;
  /** (count, later x observationDim) each. */
  readonly later: Float32Array;
  readonly pairLater: Float32Array;
  /** (count, actionDim) */
  readonly action: Float32Array;
  /** (count) */
  readonly labelled: Uint8Array;
  /** (count, endogenousDim) and (count, exogenousDim) each. */
  readonly endogenous: Float32Array;
  readonly endogenousNext: Float32Array;
  readonly exogenous: Float32Array;
  readonly exogenousNext: Float32Array;
}

/** Rows first .. first + count of a source under a seed. */
export interface DrawRequest {
  readonly source: BatchSource;
  readonly seed: number;
  readonly first: number;
  readonly count: number;
  readonly needs: RowNeeds;
}

/** Width of s and of x, where the source knows them. */
export function stateWidths(source: BatchSource): { endogenous: number; exogenous: number } {
  return source.kind === 'rows'
    ? { endogenous: 0, exogenous: source.exogenous.length > 0 ? source.exogenousDim : 0 }
    : { endogenous: source.endogenousDim, exogenous: source.exogenousDim };
}

/** The arrays of so many rows, all zero. */
export function rowArrays(source: BatchSource, count: number, needs: RowNeeds): Rows {
  const d = source.observationDim;
  const states = stateWidths(source);
  const f32 = (width: number, wanted = true) => new Float32Array(wanted ? count * width : 0);
  const labels = source.kind === 'rows' && source.labelled.length > 0;
  return {
    count,
    observation: f32(d),
    observationNext: f32(d),
    pairObservation: f32(d, needs.pair),
    pairObservationNext: f32(d, needs.pair),
    later: f32(needs.later * d),
    pairLater: f32(needs.later * d, needs.pair),
    action: f32(source.actionDim),
    labelled: new Uint8Array(labels ? count : 0),
    endogenous: f32(states.endogenous, needs.states),
    endogenousNext: f32(states.endogenous, needs.states),
    exogenous: f32(states.exogenous, needs.states),
    exogenousNext: f32(states.exogenous, needs.states),
  };
}

/**
 * Judging latents that any encoder made (docs/theory.md, "Probes of latents"): the part of the seam for joint moments of nonlinear
 * features, and for ridge regressions that are fitted fold by fold on them. Everything f64, row-major.
 */

/** Random Fourier features sqrt(2 / count) cos(frequencies input + phase) of consecutive inputs: a closed form, nothing trained. */
export interface FeatureMap {
  /** First input and how many. */
  readonly begin: number;
  readonly size: number;
  /** (count, size) */
  readonly frequencies: Float64Array;
  /** (count) */
  readonly phases: Float64Array;
}

/** Joint moments of [1, inputs, features of each map] of every unit. */
export interface FeatureMomentsRequest {
  readonly rows: number;
  readonly inputs: number;
  /** (rows, inputs) */
  readonly data: Float64Array;
  /** (rows): which unit a row belongs to, of `units`. */
  readonly unit: Int32Array;
  readonly units: number;
  readonly maps: readonly FeatureMap[];
}

/** Side of each matrix of moments. */
export function featureWidth(r: Pick<FeatureMomentsRequest, 'inputs' | 'maps'>): number {
  return r.maps.reduce((sum, map) => sum + map.phases.length, 1 + r.inputs);
}

/**
 * One question about the columns of such moments: how well each target is predicted from what is given, and how much better with
 * what is added. First the targets and the added columns are regressed on the given ones, then the targets' residuals on the added
 * columns' residuals: where those know nothing, a large ridge leaves the prediction as it was.
 */
export interface NestedQuestion {
  readonly given: Int32Array;
  readonly added: Int32Array;
  /** How many of the added columns, from the first, have LATENT_RIDGE in place of a ridge that is chosen. */
  readonly free: number;
  /** (targets, 2): first column and width of each. */
  readonly targets: Int32Array;
}

export interface NestedRequest {
  readonly units: number;
  readonly width: number;
  /** (units, width, width): sums of products of [1, columns]. */
  readonly moments: Float64Array;
  /** At least 3; every fold has units. */
  readonly folds: number;
  readonly groups: number;
  /** (units) each; the units of a group are in one fold. */
  readonly fold: Int32Array;
  readonly group: Int32Array;
  readonly questions: readonly NestedQuestion[];
  /** Ascending: ridges that are tried, on regressors at unit variance; the one of least error on inner folds is taken. */
  readonly grid: Float64Array;
}

/** T: the targets of all questions, one after another. */
export interface NestedAnswer {
  /** (T, 2, units): held-out sums of squared errors, with what is added and without. */
  readonly held: Float64Array;
  /** (T, 2): the same on training units, summed over folds. */
  readonly training: Float64Array;
  /** (T, 2, groups): held-out sums over the units outside the group, of regressions fitted without it. */
  readonly replicates: Float64Array;
  /** (T, 2, folds): the ridge of what is added, and of what is given. */
  readonly ridges: Float64Array;
}

export function targetCount(questions: readonly NestedQuestion[]): number {
  return questions.reduce((sum, q) => sum + q.targets.length / 2, 0);
}

/** The arrays of an answer, all zero. */
export function nestedArrays(r: NestedRequest): NestedAnswer {
  const count = targetCount(r.questions);
  return {
    held: new Float64Array(count * 2 * r.units),
    training: new Float64Array(count * 2),
    replicates: new Float64Array(count * 2 * r.groups),
    ridges: new Float64Array(count * 2 * r.folds),
  };
}

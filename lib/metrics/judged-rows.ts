import type { Backend, Control } from '../backend/requests.js';
import { EXACT_RELATION, RELATIVE_TOLERANCE, SIGN_TIE, STILL_COLUMN } from '../base/conventions.js';
import { ExolamError } from '../base/errors.js';
import { requireFinite } from '../base/validate.js';
import type { Units } from '../data/units.js';

type Numbers = Float32Array | Float64Array;

/** Rows that latents are judged on: fresh samples of a world, or held-out transitions. Row-major, `count` rows each. */
export interface JudgedRows {
  readonly count: number;
  /** (count, observationDim): o. */
  readonly observation: Numbers;
  readonly observationDim: number;
  /** (count, actionDim) */
  readonly action?: Numbers | undefined;
  readonly actionDim?: number | undefined;
  /** (count, exogenousDim): x and x', where they are known. */
  readonly exogenous?: Numbers | undefined;
  readonly exogenousNext?: Numbers | undefined;
  readonly exogenousDim?: number | undefined;
  /** (count): the episode of each row. Default: rows are independent of each other, as fresh samples are. */
  readonly episode?: ArrayLike<number> | undefined;
}

/** Rows that are ready: whatever does not depend on the latents is made once. */
export interface PreparedRows {
  readonly count: number;
  /** o in its leading principal components at unit variance, (count, observationDim). */
  readonly observation: Float64Array;
  readonly observationDim: number;
  /** Standardised, (count, actionDim) and (count, exogenousDim); absent where they are not known. */
  readonly action?: Float64Array | undefined;
  readonly actionDim: number;
  readonly exogenous?: Float64Array | undefined;
  readonly exogenousNext?: Float64Array | undefined;
  readonly exogenousDim: number;
  readonly units: Units;
  readonly fold: Int32Array;
  readonly group: Int32Array;
}

/** Metrics of nonlinear probes, and what is given: see docs/estimates.md, "Latents of any model". */
export const NONLINEAR_METRICS = [
  'actionError', // of a from [o, z] over that from o
  'futureLeakage', // one minus that of x'
  'innovationLeakage', // one minus that of x' from [o, x, z] over that from [o, x]
  'rawActionError', // of a from z alone over its variance
  'rawExogenousNextError', // of x'
  'rawInnovationError', // of what is new in x': x' less its linear regression on x
] as const;
export type NonlinearMetric = (typeof NONLINEAR_METRICS)[number];

/** Columns at mean 0 and unit variance; a column that never moves is 0. */
export function standardised(values: Numbers, count: number, width: number): Float64Array {
  const out = new Float64Array(count * width);
  for (let j = 0; j < width; j++) {
    let [mean, largest] = [0, 0];
    for (let r = 0; r < count; r++) {
      const v = values[r * width + j];
      mean += v / count;
      largest = Math.max(largest, Math.abs(v));
    }
    let variance = 0;
    for (let r = 0; r < count; r++) variance += (values[r * width + j] - mean) ** 2 / count;
    const deviation = Math.sqrt(variance);
    const factor = deviation > STILL_COLUMN * largest ? 1 / deviation : 0;
    for (let r = 0; r < count; r++) out[r * width + j] = (values[r * width + j] - mean) * factor;
  }
  return out;
}

/** The checked numbers of one field; throws one sentence where they are not `count` rows of `width` finite numbers. */
export function rowsField(values: unknown, count: number, width: unknown, field: string): Numbers {
  if (!Number.isInteger(width) || (width as number) < 1)
    throw new ExolamError('input', `${field}: expected a width from 1 but received ${String(width)}`);
  if (!(values instanceof Float32Array || values instanceof Float64Array))
    throw new ExolamError('input', `${field}: expected a Float32Array or Float64Array`);
  const length = count * (width as number);
  if (values.length !== length)
    throw new ExolamError(
      'input',
      `${field}: expected ${count} rows of ${String(width)} numbers (${length}) but received ${values.length}`,
    );
  requireFinite(
    values,
    field,
    (i) => `row ${Math.floor(i / (width as number))}, column ${i % (width as number)}`,
  );
  return values;
}

/** Rows that principal components are found from, where there are more coordinates than that. */
const COMPONENT_ROWS = 512;

/**
 * Rows in their leading principal components, each at unit variance, in descending order of variance: at most `most`, and none
 * whose variance is below rounding. Of more coordinates than 512, from the first 512 rows spread evenly over all.
 */
export async function leadingComponents(
  values: Float64Array,
  count: number,
  width: number,
  most: number,
  backend: Backend,
  control: Control,
): Promise<{ readonly values: Float64Array; readonly width: number }> {
  const quiet = { ...control, onProgress: undefined };
  const axes = await principalAxes(values, count, width, most, backend, quiet);
  const kept = axes.length / width;
  if (kept === 0) return { values: new Float64Array(0), width: 0 };
  const turned = await backend.multiply(
    { rows: count, inner: width, cols: kept, a: values, b: axes, transposeA: false, transposeB: true },
    quiet,
  );
  return { values: standardised(turned, count, kept), width: kept };
}

/** (kept, width): directions of largest variance. */
async function principalAxes(
  values: Float64Array,
  count: number,
  width: number,
  most: number,
  backend: Backend,
  control: Control,
): Promise<Float64Array> {
  const mean = new Float64Array(width);
  if (width <= COMPONENT_ROWS) {
    const moments = await backend.accumulate({ rows: count, width, data: values, mean }, control);
    const { values: variances, vectors } = await backend.symmetricEigen(moments, width, 1, control);
    const kept = Math.min(most, width, above(variances, RELATIVE_TOLERANCE));
    return signed(vectors.slice(0, kept * width), width);
  }
  const rows = Math.min(COMPONENT_ROWS, count);
  const sample = new Float64Array(rows * width);
  for (let i = 0; i < rows; i++) {
    const from = Math.floor((i * count) / rows) * width;
    sample.set(values.subarray(from, from + width), i * width);
  }
  const product = { transposeA: false, transposeB: true };
  const gram = await backend.multiply(
    { rows, inner: width, cols: rows, a: sample, b: sample, ...product },
    control,
  );
  const { values: variances, vectors } = await backend.symmetricEigen(gram, rows, 1, control);
  // An axis is a combination of rows: its own error is that of the square root of the moments.
  const kept = Math.min(most, above(variances, EXACT_RELATION));
  const weights = vectors.slice(0, kept * rows);
  const axes = await backend.multiply(
    { rows: kept, inner: rows, cols: width, a: weights, b: sample, transposeA: false, transposeB: false },
    control,
  );
  return signed(axes, width);
}

/** The sign of an eigenvector is free: the entry of largest magnitude is positive, so that features do not depend on it. */
function signed(axes: Float64Array, width: number): Float64Array {
  for (let at = 0; at < axes.length; at += width) {
    let [largest, sign] = [0, 1];
    for (let i = at; i < at + width; i++)
      if (Math.abs(axes[i]) > largest * (1 + SIGN_TIE))
        [largest, sign] = [Math.abs(axes[i]), Math.sign(axes[i])];
    for (let i = at; i < at + width; i++) axes[i] *= sign;
  }
  return axes;
}

const above = (variances: Float64Array, share: number) =>
  variances.filter((v) => v > share * Math.max(variances[0], 0)).length;

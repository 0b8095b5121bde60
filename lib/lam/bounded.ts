import { ExolamError } from '../base/errors.js';

/** `values` (rows, width), finite: of finite numbers and finite weights the products may still be too large. */
export function bounded<Values extends Float64Array | Float32Array>(
  values: Values,
  width: number,
  name: string,
): Values {
  const at = values.findIndex((v) => !Number.isFinite(v));
  if (at < 0) return values;
  throw new ExolamError(
    'numerical',
    `${name} ${at % width} of row ${Math.floor(at / width)} is too large for a number: the model's weights times these observations overflow`,
  );
}

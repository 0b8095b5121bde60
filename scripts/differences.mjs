/** What says how an answer was computed, not what it is. */
const HOW = new Set(['backend', 'isa', 'seconds', 'out']);

/**
 * What two instruction sets need not have in common, and why: kinds of places by their path.
 * A row of the statements shows the comparison that came nearest to its tolerance: where all agree to rounding, rounding chooses which.
 * Nonlinear models are trained in f32 over thousands of steps, which carry a rounding to the size of the spread between seeds; the
 * sentences hold their figures. The verdicts are compared.
 */
const BY_ROUNDING = [
  /^\.tables\.statements\.rows\[\d+\]\.(predicted|measured|error)$/,
  /^\.tables\.(nonlinear|codebooks)\.rows\[\d+\]\./,
  /^\.readings\./,
  /^\.claims\[\d+\]\.(?!verdict$|claim$)/,
];
/** Of a number, and of a figure of the order of one, such as a share or its difference from another. */
const RELATIVE = 1e-10;
const ABSOLUTE = 1e-12;

/**
 * Where two answers in JSON differ, a line each. Numbers must have the same bits; with `rounding`, as between instruction sets, be as
 * near as docs/theory.md says that they are, but for those that rounding decides (counted as `apart`).
 */
export function differences(a, b, { rounding = false } = {}) {
  const lines = [];
  let numbers = 0;
  let apart = 0;
  const near = (x, y) => Math.abs(x - y) <= Math.max(ABSOLUTE, RELATIVE * Math.max(Math.abs(x), Math.abs(y)));
  const walk = (x, y, path, key) => {
    if (HOW.has(key)) return;
    if (typeof x === 'number' || typeof x === 'bigint') numbers++;
    if (isObject(x) && isObject(y)) {
      const [left, right] = [named(x), named(y)];
      for (const name of new Set([...Object.keys(left), ...Object.keys(right)]))
        walk(left[name], right[name], Array.isArray(left) ? `${path}[${name}]` : `${path}.${name}`, name);
      return;
    }
    if (Object.is(x, y)) return;
    if (rounding && BY_ROUNDING.some((place) => place.test(path))) apart++;
    else if (!(rounding && typeof x === 'number' && typeof y === 'number' && near(x, y)))
      lines.push(`${path}: ${JSON.stringify(x)} and ${JSON.stringify(y)}`);
  };
  walk(a, b, '', '');
  return { lines, numbers, apart };
}

const isObject = (value) => typeof value === 'object' && value !== null;

/** The rows of a table by the names of its columns. */
function named(value) {
  if (!Array.isArray(value.columns) || !Array.isArray(value.rows)) return value;
  const names = value.columns.map((column) => column.name);
  return {
    ...value,
    rows: value.rows.map((row) => Object.fromEntries(row.map((cell, i) => [names[i], cell]))),
  };
}

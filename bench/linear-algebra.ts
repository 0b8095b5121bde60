import { CholeskyDecomposition, EigenvalueDecomposition, Matrix } from 'ml-matrix';
import type { Addon } from '../lib/backend/native.js';
import type { Backend } from '../lib/backend/requests.js';
import { type Call, type Case, type Contender, call } from './case.js';

/** `count` covariances of 2n draws of n coordinates, one after another. */
function covariances(native: Backend, n: number, count: number): Float64Array {
  const draws = 2 * n;
  const noise = native.normals(7, n, 0, count * draws * n);
  const out = new Float64Array(count * n * n);
  for (let c = 0; c < count; c++)
    for (let i = 0; i < n; i++)
      for (let j = 0; j <= i; j++) {
        let sum = 0;
        for (let r = 0; r < draws; r++)
          sum += noise[(c * draws + r) * n + i] * noise[(c * draws + r) * n + j];
        out[(c * n + i) * n + j] = out[(c * n + j) * n + i] = sum / draws;
      }
  return out;
}

function joined(a: Float64Array, b: Float64Array): Float64Array {
  const both = new Float64Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** Rows of one matrix after another, as ml-matrix wants them. */
function matrices(data: Float64Array, rows: number, cols: number): Matrix[] {
  return Array.from({ length: data.length / (rows * cols) }, (_, m) =>
    Matrix.from1DArray(rows, cols, data.subarray(m * rows * cols, (m + 1) * rows * cols)),
  );
}

/** Eigenvalues and eigenvectors. Operations: 9 n^3, Golub and Van Loan's count for the symmetric QR algorithm. */
export function eigenproblem(
  native: Backend,
  reference: Backend,
  n: number,
  items: { native: number; script: number },
): Case {
  const through = (backend: Backend) => (count: number) => {
    const input = covariances(native, n, count);
    // As the peers' batches are: into memory that is there.
    const into = { values: new Float64Array(count * n), vectors: new Float64Array(count * n * n) };
    return call(
      () => backend.symmetricEigen(input, n, count, { threads: 1 }, into),
      ({ values }) => values,
    );
  };
  const mlMatrix = (count: number): Call => {
    const input = matrices(covariances(native, n, count), n, n);
    return call(
      () => input.map((m) => new EigenvalueDecomposition(m, { assumeSymmetric: true })),
      (answer) => answer.flatMap((e) => e.realEigenvalues.sort((a, b) => b - a)),
    );
  };
  return {
    name: `symmetric eigenproblem, n = ${n}`,
    peers: {
      kind: 'eigenproblem',
      n,
      items: items.script,
      input: (count) => covariances(native, n, count),
    },
    unit: 'matrix',
    operations: 9 * n ** 3,
    contenders: [
      { name: 'native', threads: 1, items: items.native, prepare: through(native) },
      { name: 'reference', threads: 1, items: items.script, prepare: through(reference) },
      { name: 'ml-matrix', threads: 1, items: items.script, prepare: mlMatrix },
    ],
  };
}

/** Factor and solve for m right sides: n^3 / 3 + 2 n^2 m operations. */
export function choleskySolve(native: Backend, reference: Backend, n: number, m: number): Case {
  const rightSides = (count: number) => native.normals(8, n, 0, count * n * m);
  const through = (backend: Backend) => (count: number) => {
    const a = covariances(native, n, count);
    const b = rightSides(count);
    const into = new Float64Array(count * n * m);
    return call(
      () => backend.choleskySolve(a, b, n, m, count, { threads: 1 }, into),
      (x) => x,
    );
  };
  const mlMatrix = (count: number): Call => {
    const a = matrices(covariances(native, n, count), n, n);
    const b = matrices(rightSides(count), n, m);
    return call(
      () => a.map((matrix, i) => new CholeskyDecomposition(matrix).solve(b[i])),
      (answer) => answer.flatMap((x) => x.to1DArray()),
    );
  };
  const contender = (name: Contender['name'], items: number, prepare: Contender['prepare']): Contender => ({
    name,
    threads: 1,
    items,
    prepare,
  });
  return {
    name: `Cholesky and ${m} right sides, n = ${n}`,
    peers: {
      kind: 'cholesky',
      n,
      m,
      items: 256,
      input: (count) => joined(covariances(native, n, count), rightSides(count)),
    },
    unit: 'system',
    operations: n ** 3 / 3 + 2 * n * n * m,
    contenders: [
      contender('native', 512, through(native)),
      contender('reference', 512, through(reference)),
      contender('ml-matrix', 256, mlMatrix),
    ],
  };
}

/** Second moments of rows of width d. Operations: the upper triangle, d (d + 1) for a row. */
export function accumulation(native: Backend, reference: Backend, d: number): Case {
  const mean = new Float64Array(d).fill(0.25);
  const rowsOf = (rows: number) => native.normals(9, d, 0, rows * d);
  const through = (backend: Backend) => (rows: number) => {
    const data = rowsOf(rows);
    return call(
      () => backend.accumulate({ rows, width: d, data, mean }, { threads: 1 }),
      (c) => c,
    );
  };
  const mlMatrix = (rows: number): Call => {
    const data = Matrix.from1DArray(rows, d, rowsOf(rows));
    return call(
      () => {
        const centred = data.clone().subRowVector(Array.from(mean));
        return centred.transpose().mmul(centred);
      },
      (c) => c.to1DArray(),
    );
  };
  return {
    name: `moment accumulation, d = ${d}`,
    peers: { kind: 'moments', n: d, items: 4096, input: (rows) => joined(rowsOf(rows), mean) },
    unit: 'row',
    operations: d * (d + 1),
    contenders: [
      { name: 'native', threads: 1, items: 4096, prepare: through(native) },
      { name: 'reference', threads: 1, items: 512, prepare: through(reference) },
      { name: 'ml-matrix', threads: 1, items: 256, prepare: mlMatrix },
    ],
  };
}

/** Whole numbers, whose products and sums neither precision rounds. */
function wholeNumbers(count: number, modulus: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => ((i * 7) % modulus) - (modulus >> 1));
}

/** c = a b, n x n: 2 n^3 operations. The addon's own call, since no call of a backend is a product and nothing else. */
export function product(addon: Addon, n: number, precision: 'f64' | 'f32'): Case {
  const [a, b] = [wholeNumbers(n * n, 13), wholeNumbers(n * n, 17)];
  const typed = (data: Float64Array | number) =>
    precision === 'f32' ? new Float32Array(data as number) : new Float64Array(data as number);
  const through = (multiply: (request: Parameters<Addon['product']>[0]) => void) => (rounds: number) => {
    const request = { a: typed(a), b: typed(b), c: typed(n * n), n, rounds };
    return call(
      () => {
        multiply(request);
        return request.c;
      },
      (c) => c,
    );
  };
  const mlMatrix = (rounds: number): Call => {
    const [left, right] = [Matrix.from1DArray(n, n, a), Matrix.from1DArray(n, n, b)];
    return call(
      () => {
        for (let i = 1; i < rounds; i++) left.mmul(right);
        return left.mmul(right);
      },
      (c) => c.to1DArray(),
    );
  };
  const contenders: Contender[] = [
    { name: 'native', threads: 1, items: 32, prepare: through((request) => addon.product(request)) },
    { name: 'reference', threads: 1, items: 2, prepare: through(plainProduct) },
  ];
  if (precision === 'f64') contenders.push({ name: 'ml-matrix', threads: 1, items: 2, prepare: mlMatrix });
  return {
    name: `product ${n}, ${precision}`,
    unit: 'product',
    operations: 2 * n ** 3,
    ...(precision === 'f32' && { precision }),
    contenders,
    peers: { kind: `product-${precision}`, n, items: 32, input: () => joined(a, b) },
  };
}

/** Row by row of b, as one writes it in plain TypeScript. */
function plainProduct({ a, b, c, n, rounds }: Parameters<Addon['product']>[0]): void {
  for (let round = 0; round < rounds; round++) {
    c.fill(0);
    for (let i = 0; i < n; i++)
      for (let k = 0; k < n; k++) {
        const factor = a[i * n + k];
        for (let j = 0; j < n; j++) c[i * n + j] += factor * b[k * n + j];
      }
  }
}

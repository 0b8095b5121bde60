import { gram, multiply, multiplyTransposed } from '../../linalg/dense.js';
import { eigen } from '../../linalg/eigen.js';
import { type Matrix, matrix } from '../../linalg/matrix.js';
import { givenFrom, largestOf } from './conditioning.js';
import { inner, orthogonalRows, rowOf } from './rows.js';

/** theory.md section 2 on loadings, everything given f: eigenvalues of M descending, and the weights of every latent on e. */
export interface Latents {
  readonly values: Float64Array;
  /** (values.length, width of e): G = B^T R */
  readonly weights: Matrix;
  /** tr S_yy - tr M: what no latent could explain. */
  readonly unexplained: number;
}

/** y and e given f. A penalty P is the covariance of something independent that e holds besides: columns of its own. */
export interface Problem {
  readonly y: Matrix;
  readonly e: Matrix;
}

/** Appends penalty^(1/2) to e as new sources, of which y has none: S_ee becomes S_ee + P, S_ye stays. */
export function withPenalty({ y, e }: Problem, weight: number, penalty: Matrix): Problem {
  const cols = e.cols + penalty.cols;
  const wide = { y: matrix(y.rows, cols), e: matrix(e.rows, cols) };
  for (let i = 0; i < y.rows; i++) rowOf(wide.y, i).set(rowOf(y, i));
  for (let i = 0; i < e.rows; i++) {
    rowOf(wide.e, i).set(rowOf(e, i));
    for (let j = 0; j < penalty.cols; j++)
      wide.e.data[i * cols + e.cols + j] = Math.sqrt(weight) * penalty.data[i * penalty.cols + j];
  }
  return wide;
}

/**
 * With Q an orthonormal basis of e (the pseudo-inverse's cut made there) and N = y Q^T, M = N N^T: the singular value
 * decomposition of N has everything. What is left of y beside Q is summed, not the difference of two traces.
 */
export function latentsOf(problems: readonly Problem[], tolerance: number): Latents[] {
  const spectra = problems.map(({ e }) => eigen(gram(e)));
  const cut = tolerance * Math.max(...spectra.map(largestOf));
  return problems.map(({ y, e }, i) => {
    const { basis, whiten } = givenFrom(e, spectra[i], cut);
    const n = multiplyTransposed(y, basis);
    const explained = multiply(n, basis);
    let unexplained = 0;
    for (let k = 0; k < y.data.length; k++) unexplained += (y.data[k] - explained.data[k]) ** 2;
    const turned = orthogonalRows(n);
    const values = Float64Array.from({ length: turned.rows }, (_, k) =>
      inner(rowOf(turned, k), rowOf(turned, k)),
    );
    return { values, weights: multiply(turned, whiten), unexplained };
  });
}

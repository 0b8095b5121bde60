import { SIGN_TIE } from '../../base/conventions.js';
import { gram, multiply, multiplyTransposed } from '../../linalg/dense.js';
import { countAbove, type Eigen, eigen, whitener } from '../../linalg/eigen.js';
import { firstRows, type Matrix, matrix, transpose } from '../../linalg/matrix.js';

/** theory.md section 2 once everything is given f: eigenvalues of M descending, and the weights of every latent on e. */
export interface Latents {
  readonly values: Float64Array;
  /** (values.length, width of e) */
  readonly weights: Matrix;
}

/**
 * M = R S_ye^T with R = S_ye (S_ee + P)^+, from the eigenpairs of S_ee + P, those up to `cut` left out. With W the whitener of
 * S_ee + P and N = S_ye W^T, M = N N^T: its eigenvalues are those of the smaller of N N^T and N^T N.
 */
export function latentsOf(sye: Matrix, bottleneck: Eigen, cut: number): Latents {
  const w = whitener(bottleneck, cut);
  if (w.rows === 0 || sye.rows === 0) return { values: new Float64Array(0), weights: matrix(0, sye.cols) };
  const nt = multiplyTransposed(w, sye);
  if (sye.rows < w.rows) {
    // b_i from N N^T itself; G = B^T N W.
    const { values, vectors } = eigen(gram(transpose(nt)));
    return { values, weights: multiply(multiplyTransposed(vectors, nt), w) };
  }
  // From N^T N = V L V^T: b_i = N v_i / root(l_i), so that G = B^T N W = root(L) V W.
  const { values, vectors } = eigen(gram(nt));
  for (let i = 0; i < values.length; i++) {
    const root = Math.sqrt(Math.max(values[i], 0));
    for (let j = 0; j < values.length; j++) vectors.data[i * values.length + j] *= root;
  }
  return { values, weights: multiply(vectors, w) };
}

/** Where y = e and nothing is penalised, S_ye = S_ee: M = S_ee, G its eigenvectors. */
export function latentsOfItself(bottleneck: Eigen, cut: number): Latents {
  const n = countAbove(bottleneck.values, cut);
  return { values: bottleneck.values.subarray(0, n), weights: firstRows(bottleneck.vectors, n) };
}

/** An eigenvector's sign is free: the entry of largest magnitude of every row (the first of several) becomes positive. */
export function fixSigns(weights: Matrix): void {
  for (let i = 0; i < weights.rows; i++) {
    const row = i * weights.cols;
    let largest = 0;
    let sign = 1;
    for (let j = 0; j < weights.cols; j++) {
      const v = weights.data[row + j];
      if (Math.abs(v) <= largest * (1 + SIGN_TIE)) continue;
      largest = Math.abs(v);
      sign = v < 0 ? -1 : 1;
    }
    if (sign < 0) for (let j = 0; j < weights.cols; j++) weights.data[row + j] *= -1;
  }
}

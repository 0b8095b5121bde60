import type { Matrix } from '../matrix.js';
import {
  addProduct,
  type Eigen,
  eigen,
  gram,
  matrixCopy,
  multiply,
  multiplyTransposed,
  whitener,
} from './linear-algebra.js';

/** A regressor f that is given: an orthonormal basis of its loadings' rows, cut where cov(f, f)^+ is cut. */
export interface Given {
  /** (rank, sources), orthonormal rows. */
  readonly basis: Matrix;
  /** (rank, width of f): basis = whiten x loadings of f. */
  readonly whiten: Matrix;
}

export function eigenOfCovariance(loadings: Matrix): Eigen {
  return eigen(gram(loadings));
}

/** Largest eigenvalue, 0 for nothing. */
export function largestOf(e: Eigen): number {
  return Math.max(e.values[0] ?? 0, 0);
}

export function givenFrom(loadings: Matrix, e: Eigen, cut: number): Given {
  const whiten = whitener(e, cut);
  return { basis: multiply(whiten, loadings), whiten };
}

export function given(loadings: Matrix, tolerance: number): Given {
  const e = eigenOfCovariance(loadings);
  return givenFrom(loadings, e, tolerance * largestOf(e));
}

export interface Residual {
  /** Loadings of v - E[v | f]. */
  readonly loadings: Matrix;
  /** (width of v, rank): E[v | f] = onBasis x basis of f. */
  readonly onBasis: Matrix;
}

/**
 * v - cov(v, f) cov(f, f)^+ f, as loadings: what f determines vanishes to rounding here, and to its square in a covariance, where
 * a Schur complement would leave rounding itself. Projected twice, because a basis made from a covariance near its cut is
 * orthonormal to fewer digits.
 */
export function residual(v: Matrix, f: Given): Residual {
  const loadings = matrixCopy(v);
  const onBasis = multiplyTransposed(v, f.basis);
  addProduct(onBasis, f.basis, -1, loadings);
  const again = multiplyTransposed(loadings, f.basis);
  addProduct(again, f.basis, -1, loadings);
  for (let i = 0; i < again.data.length; i++) onBasis.data[i] += again.data[i];
  return { loadings, onBasis };
}

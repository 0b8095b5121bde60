import {
  addProduct,
  choleskyInPlace,
  gram,
  lowerSolveInPlace,
  multiply,
  multiplyTransposed,
} from '../../linalg/dense.js';
import { type Eigen, eigen, whitener } from '../../linalg/eigen.js';
import { copy, type Matrix } from '../../linalg/matrix.js';

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

/**
 * Directions near the cut come out of a covariance orthonormal to few digits; a Cholesky factorisation of their Gram matrix makes
 * up for it, so that projecting on them once is enough.
 */
export function givenFrom(loadings: Matrix, e: Eigen, cut: number): Given {
  const whiten = whitener(e, cut);
  const basis = multiply(whiten, loadings);
  const l = gram(basis).data;
  if (choleskyInPlace(l, 0, basis.rows) > 0) {
    lowerSolveInPlace(l, basis.rows, basis);
    lowerSolveInPlace(l, basis.rows, whiten);
  }
  return { basis, whiten };
}

export function given(loadings: Matrix, tolerance: number): Given {
  const e = eigenOfCovariance(loadings);
  return givenFrom(loadings, e, tolerance * largestOf(e));
}

/** Conditioning on one regressor, side by side: its pseudo-inverse is cut relative to the largest eigenvalue of all sides. */
export function givenOnSides(loadings: readonly Matrix[], tolerance: number): Given[] {
  const spectra = loadings.map(eigenOfCovariance);
  const cut = tolerance * Math.max(...spectra.map(largestOf));
  return loadings.map((l, i) => givenFrom(l, spectra[i], cut));
}

export interface Residual {
  /** Loadings of v - E[v | f]. */
  readonly loadings: Matrix;
  /** (width of v, rank): E[v | f] = onBasis x basis of f. */
  readonly onBasis: Matrix;
}

/**
 * v - cov(v, f) cov(f, f)^+ f, as loadings: what f determines vanishes to rounding here, and to its square in a covariance, where
 * a Schur complement would leave rounding itself.
 */
export function residual(v: Matrix, f: Given): Residual {
  const loadings = copy(v);
  const onBasis = multiplyTransposed(v, f.basis);
  addProduct(onBasis, f.basis, -1, loadings);
  return { loadings, onBasis };
}

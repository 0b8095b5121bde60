// Cholesky factors of the *dense* family of kernels.h.
#pragma once
#include "kernels/dense/gemm-inl.h"

// By blocks of BLOCK columns; the rest of the matrix sees a block once, in a product.
constexpr std::size_t BLOCK = 32;

// x L^T = a for a (rows,n), n <= BLOCK, LANES rows at a time; l[k * BLOCK + j] = L(j, k), inverse (n) of its
// diagonal.
inline void rows_block(const double* l, const double* inverse, std::size_t n, double* a, std::size_t rows,
                       std::size_t lda) {
  for (std::size_t i = 0; i < rows; i += LANES) {
    const std::size_t count = smaller(rows - i, LANES);
    vec x[BLOCK];
    for (std::size_t j = 0; j < n; ++j) {
      x[j] = vec{};
      for (std::size_t r = 0; r < count; ++r) x[j][r] = a[(i + r) * lda + j];
    }
    for (std::size_t j = 0; j < n; ++j) {
      vec even = x[j], odd{};
      std::size_t k = 0;
      for (; k + 2 <= j; k += 2) {
        even = fnma(x[k], splat(l[k * BLOCK + j]), even);
        odd = fnma(x[k + 1], splat(l[(k + 1) * BLOCK + j]), odd);
      }
      if (k < j) even = fnma(x[k], splat(l[k * BLOCK + j]), even);
      x[j] = (even + odd) * splat(inverse[j]);
    }
    for (std::size_t j = 0; j < n; ++j)
      for (std::size_t r = 0; r < count; ++r) a[(i + r) * lda + j] = x[j][r];
  }
}

// The factor of the n <= BLOCK leading columns of a (rows,n), rows >= n: the triangle, then the rows below
// it. Returns the smallest pivot, or the first that is not positive.
inline double cholesky_block(double* a, std::size_t rows, std::size_t n, std::size_t lda) {
  alignas(64) double l[BLOCK * BLOCK] =
      {};  // l[k * BLOCK + j] = L(j, k), so that a column is contiguous; zeros above
  double inverse[BLOCK], smallest = __builtin_inf();
  for (std::size_t j = 0; j < n; ++j)
    for (std::size_t k = 0; k <= j; ++k) l[k * BLOCK + j] = a[j * lda + k];
  for (std::size_t k = 0; k < n; ++k) {
    double* column = l + k * BLOCK;
    const double pivot = column[k];
    smallest = pivot < smallest ? pivot : smallest;
    if (!(pivot > 0)) return pivot;
    const double root = __builtin_sqrt(pivot);
    inverse[k] = 1 / root;
    for (std::size_t j = k / LANES * LANES; j < n; j += LANES)
      store(column + j, load(column + j) * splat(inverse[k]));
    column[k] = root;
    for (std::size_t i = k + 1; i < n; ++i)
      for (std::size_t j = i / LANES * LANES; j < n; j += LANES)
        store(l + i * BLOCK + j, fnma(splat(column[i]), load(column + j), load(l + i * BLOCK + j)));
  }
  for (std::size_t j = 0; j < n; ++j)
    for (std::size_t k = 0; k <= j; ++k) a[j * lda + k] = l[k * BLOCK + j];
  rows_block(l, inverse, n, a + n * lda, rows - n, lda);
  return smallest;
}

// a (n,n): see kernels.h. Stops at the first pivot that is not positive.
inline double cholesky(double* a, std::size_t n, std::size_t lda) {
  double largest = 0, smallest = __builtin_inf();
  for (std::size_t i = 0; i < n; ++i) largest = a[i * lda + i] > largest ? a[i * lda + i] : largest;
  for (std::size_t j = 0; j < n; j += BLOCK) {
    const std::size_t width = smaller(n - j, BLOCK);
    double* corner = a + j * lda + j;
    const double pivot = cholesky_block(corner, n - j, width, lda);
    if (!(pivot > 0)) return pivot / largest;
    smallest = pivot < smallest ? pivot : smallest;
    const double* below = corner + width * lda;
    const std::size_t rest = n - j - width;
    product<double>(Part::LOWER, rest, rest, width, -1, View<double>{below, lda, 1},
                    View<double>{below, 1, lda}, 1, corner + width * lda + width, lda);
  }
  return smallest / largest;
}

// Solves l x = b in place (FORWARD) or l^T x = b, for x (n,m), n <= BLOCK. Columns are taken LANES at a time,
// the last ones in a zero padded vector, so that a column has the same bits in any company.
template <bool FORWARD>
inline void triangle_solve(const double* l, std::size_t n, std::size_t ldl, double* x, std::size_t m,
                           std::size_t ldx) {
  double inverse[BLOCK];
  for (std::size_t i = 0; i < n; ++i) inverse[i] = 1 / l[i * ldl + i];
  for (std::size_t c = 0; c < m; c += LANES) {
    const std::size_t count = smaller(m - c, LANES);
    vec y[BLOCK];
    for (std::size_t i = 0; i < n; ++i) {
      y[i] = vec{};
      __builtin_memcpy(&y[i], x + i * ldx + c, count * sizeof(double));
    }
    for (std::size_t step = 0; step < n; ++step) {
      const std::size_t i = FORWARD ? step : n - 1 - step;
      vec even = y[i], odd{};
      for (std::size_t k = FORWARD ? 0 : i + 1; k < (FORWARD ? i : n); ++k) {
        const vec other = odd;
        odd = fnma(splat(FORWARD ? l[i * ldl + k] : l[k * ldl + i]), y[k], even);
        even = other;
      }
      y[i] = (even + odd) * splat(inverse[i]);
    }
    for (std::size_t i = 0; i < n; ++i) __builtin_memcpy(x + i * ldx + c, &y[i], count * sizeof(double));
  }
}

// l x = b in place: see kernels.h.
inline void cholesky_forward(const double* l, std::size_t n, std::size_t ldl, double* x, std::size_t m,
                             std::size_t ldx) {
  for (std::size_t i = 0; i < n; i += BLOCK) {
    const std::size_t width = smaller(n - i, BLOCK);
    if (i > 0) gemm<double>(false, false, width, m, i, -1, l + i * ldl, ldl, x, ldx, 1, x + i * ldx, ldx);
    triangle_solve<true>(l + i * ldl + i, width, ldl, x + i * ldx, m, ldx);
  }
}

// l^T x = b in place: see kernels.h.
inline void cholesky_backward(const double* l, std::size_t n, std::size_t ldl, double* x, std::size_t m,
                              std::size_t ldx) {
  for (std::size_t end = n; end > 0;) {
    const std::size_t i = (end - 1) / BLOCK * BLOCK, width = end - i;
    if (end < n)
      gemm<double>(true, false, width, m, n - end, -1, l + end * ldl + i, ldl, x + end * ldx, ldx, 1,
                   x + i * ldx, ldx);
    triangle_solve<false>(l + i * ldl + i, width, ldl, x + i * ldx, m, ldx);
    end = i;
  }
}

// l (n,n), x (n,m): see kernels.h.
inline void cholesky_solve(const double* l, std::size_t n, std::size_t ldl, double* x, std::size_t m,
                           std::size_t ldx) {
  cholesky_forward(l, n, ldl, x, m, ldx);
  cholesky_backward(l, n, ldl, x, m, ldx);
}

// x l^T = a in place, for a (rows,n): see kernels.h.
inline void cholesky_rows(const double* l, std::size_t n, std::size_t ldl, double* a, std::size_t rows,
                          std::size_t lda) {
  for (std::size_t j = 0; j < n; j += BLOCK) {
    const std::size_t width = smaller(n - j, BLOCK);
    if (j > 0) gemm<double>(false, true, rows, width, j, -1, a, lda, l + j * ldl, ldl, 1, a + j, lda);
    alignas(64) double block[BLOCK * BLOCK];
    double inverse[BLOCK];
    for (std::size_t r = 0; r < width; ++r) {
      for (std::size_t k = 0; k <= r; ++k) block[k * BLOCK + r] = l[(j + r) * ldl + j + k];
      inverse[r] = 1 / l[(j + r) * ldl + j + r];
    }
    rows_block(block, inverse, width, a + j, rows, lda);
  }
}

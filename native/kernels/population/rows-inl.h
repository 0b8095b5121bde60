// Rows of loadings as vectors, one problem a lane: what keeps the digits that a covariance, their square,
// would lose. A matrix of n rows is (n, cols, LANES).
#pragma once
#include "kernels/population/world-inl.h"

// Rows that begin at an even column keep their sums of squares whatever zeros are left out before it.
inline std::size_t even_below(std::size_t column) { return column & ~std::size_t{1}; }

inline vec square_of_row(const double* row, std::size_t cols) {
  vec even = splat(0), odd = splat(0);
  std::size_t j = 0;
  for (; j + 2 <= cols; j += 2) {
    even = fma(at(row, j), at(row, j), even);
    odd = fma(at(row, j + 1), at(row, j + 1), odd);
  }
  if (j < cols) even = fma(at(row, j), at(row, j), even);
  return even + odd;
}

inline vec product_of_rows(const double* a, const double* b, std::size_t cols) {
  vec sum = splat(0);
  for (std::size_t j = 0; j < cols; ++j) sum = fma(at(a, j), at(b, j), sum);
  return sum;
}

static vec squares_of_rows(const double* a, std::size_t rows, std::size_t cols) {
  vec sum = splat(0);
  for (std::size_t i = 0; i < rows; ++i) sum += square_of_row(a + i * cols * LANES, cols);
  return sum;
}

// ROWS x COLS of c (n wide) -= a b for a (ROWS, k) and b (k, n).
template <int ROWS, int COLS>
inline void subtract_tile(double* c, const double* a, const double* b, std::size_t n, std::size_t k) {
  vec left[ROWS][COLS];
  for (int i = 0; i < ROWS; ++i)
    for (int j = 0; j < COLS; ++j) left[i][j] = at(c, static_cast<std::size_t>(i) * n + j);
  for (std::size_t p = 0; p < k; ++p) {
    vec row[COLS];
    for (int j = 0; j < COLS; ++j) row[j] = at(b, p * n + j);
    for (int i = 0; i < ROWS; ++i) {
      const vec weight = held(at(a, static_cast<std::size_t>(i) * k + p));
      for (int j = 0; j < COLS; ++j) left[i][j] = fnma(weight, row[j], left[i][j]);
    }
  }
  for (int i = 0; i < ROWS; ++i)
    for (int j = 0; j < COLS; ++j) put(c, static_cast<std::size_t>(i) * n + j, left[i][j]);
}

template <int ROWS>
inline void subtract_rows(double* c, const double* a, const double* b, std::size_t n, std::size_t k) {
  std::size_t j = 0;
  for (; j + LANE_TILE <= n; j += LANE_TILE)
    subtract_tile<ROWS, LANE_TILE>(c + j * LANES, a, b + j * LANES, n, k);
  for (; j < n; ++j) subtract_tile<ROWS, 1>(c + j * LANES, a, b + j * LANES, n, k);
}

// c (m, n) -= a (m, k) b (k, n), which it must not overlap: one chain of fma an element, whatever the tile.
static void subtract_product(double* c, const double* a, const double* b, std::size_t m, std::size_t n,
                             std::size_t k) {
  std::size_t i = 0;
  for (; i + 4 <= m && !lanes_stopped(n * k); i += 4)
    subtract_rows<4>(c + i * n * LANES, a + i * k * LANES, b, n, k);
  for (; i < m && !lanes_stopped(n * k); ++i) subtract_rows<1>(c + i * n * LANES, a + i * k * LANES, b, n, k);
}

// Every row divided by its length; one whose square is at most VOID_LOADINGS of whole[i] is cleared.
static void unit_rows(double* a, std::size_t rows, std::size_t cols, const double* whole) {
  for (std::size_t i = 0; i < rows; ++i) {
    double* row = a + i * cols * LANES;
    const vec square = square_of_row(row, cols);
    const mask there = (mask)(square > splat(VOID_LOADINGS) * at(whole, i));
    const vec scale = select(there, splat(1) / sqrt(select(there, square, splat(1))), splat(0));
    for (std::size_t j = 0; j < cols; ++j)
      put(row, j, select(there, scale * at(row, j), splat(0)));  // 0 times what is not finite is not 0
  }
}

constexpr std::size_t TOGETHER = 4;  // rows that meet those before them together

// row (cols) less what the `before` orthonormal rows of a hold of it, in the lanes of `where`.
static void project_again(double* row, const double* a, std::size_t before, std::size_t cols, mask where,
                          double* work) {
  gemm_nt_lanes(work, row, a, 1, before, cols, false);
  for (std::size_t k = 0; k < before; ++k) put(work, k, select(where, at(work, k), splat(0)));
  subtract_product(row, work, a, 1, cols, before);
}

// Gram-Schmidt in the rows' order, a second time in the lanes where the first took most of a row: what the
// rows before leave of each row is made orthonormal, or cleared where it is at most VOID_LOADINGS. left[i]:
// the square of what they leave. work: TOGETHER x rows vectors.
static void orthonormal_rows(double* a, std::size_t rows, std::size_t cols, double* left, double* work) {
  for (std::size_t i = 0; i < rows && !lanes_stopped(rows * cols); ++i) {
    const std::size_t begin = i / TOGETHER * TOGETHER, inside = i - begin;
    double *panel = a + begin * cols * LANES, *row = a + i * cols * LANES;
    if (inside == 0) {
      const std::size_t m = rows - i < TOGETHER ? rows - i : TOGETHER;
      for (std::size_t k = i; k < i + m; ++k) put(left, k, square_of_row(a + k * cols * LANES, cols));
      if (i > 0) gemm_nt_lanes(work, panel, a, m, i, cols, false);
      if (i > 0) subtract_product(panel, work, a, m, cols, i);
    } else {
      gemm_nt_lanes(work, row, panel, 1, inside, cols, false);
      subtract_product(row, work, panel, 1, cols, inside);
    }
    vec square = i > 0 ? square_of_row(row, cols) : at(left, i);
    const mask again = (mask)(square < splat(0.5) * at(left, i));
    if (any(again)) {
      project_again(row, a, i, cols, again, work);
      square = square_of_row(row, cols);
    }
    put(left, i, square);
    const mask there = (mask)(square > splat(VOID_LOADINGS));
    const vec scale = select(there, splat(1) / sqrt(select(there, square, splat(1))), splat(0));
    for (std::size_t j = 0; j < cols; ++j) put(row, j, select(there, scale * at(row, j), splat(0)));
  }
}

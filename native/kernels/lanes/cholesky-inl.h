// Cholesky factors of the *lanes* family of kernels.h.
#pragma once
#include "kernels/lanes/gemm-inl.h"

// 1 / sqrt(x), given 1 / x.
inline vec inverse_root_lanes(vec x, vec reciprocal) {
#ifdef EXO_RSQRT_ESTIMATE
  // Two steps of Newton's method: a square root would hold up the divisions behind it.
  (void)reciprocal;
  vec y = rsqrt_estimate(x);
  for (int step = 0; step < 2; ++step) y = fma(splat(0.5) * y, fnma(x * y, y, splat(1)), y);
  return y;
#else
  (void)x;
  return sqrt(reciprocal);
#endif
}

// Two columns j, j + 1 of the factor at a time, from rows i .. i + ROWS - 1 with i > j + 1. below is the
// ratio l(j + 1, j) / l(j, j), inverse0 and inverse1 are the reciprocals of the two diagonal entries.
template <int ROWS>
inline void cholesky_rows_lanes(double* a, std::size_t n, std::size_t i, std::size_t j, vec below,
                                vec inverse0, vec inverse1) {
  vec x0[ROWS], x1[ROWS];
  double* rows = a + i * n * LANES;
  const double *top0 = a + j * n * LANES, *top1 = top0 + n * LANES;
  for (int r = 0; r < ROWS; ++r) {
    x0[r] = lane_load(rows, r * n + j);
    x1[r] = lane_load(rows, r * n + j + 1);
  }
  for (std::size_t k = 0; k < j; ++k) {
    const vec y0 = lane_load(top0, k), y1 = lane_load(top1, k);
    for (int r = 0; r < ROWS; ++r) {
      const vec l = held(lane_load(rows, r * n + k));
      x0[r] = fnma(l, y0, x0[r]);
      x1[r] = fnma(l, y1, x1[r]);
    }
  }
  for (int r = 0; r < ROWS; ++r) {
    lane_store(rows, r * n + j, x0[r] * inverse0);
    lane_store(rows, r * n + j + 1, fnma(x0[r], below, x1[r]) * inverse1);
  }
}

// a (n,n,L), pivot (L): see kernels.h.
inline void cholesky_lanes(double* a, std::size_t n, double* pivot) {
  vec largest{}, smallest = splat(__builtin_inf()), poison{};
  for (std::size_t i = 0; i < n; ++i) largest = max(lane_load(a, i * n + i), largest);
  for (std::size_t j = 0; j < n && !lanes_stopped(n * n); j += 2) {
    double *row0 = a + j * n * LANES, *row1 = row0 + n * LANES;
    vec p0 = lane_load(row0, j);
    for (std::size_t k = 0; k < j; ++k) p0 = fnma(lane_load(row0, k), lane_load(row0, k), p0);
    smallest = min(p0, smallest);
    poison += p0 - p0;  // 0, or NaN for good once a pivot is not finite: min alone would forget it
    // 1 / p, not the square root, leads to the next pivot: the chain of dependent operations stays short.
    const vec reciprocal0 = splat(1) / p0, inverse0 = inverse_root_lanes(p0, reciprocal0);
    lane_store(row0, j, p0 * inverse0);
    if (j + 1 == n) break;
    vec x = lane_load(row1, j), p1 = lane_load(row1, j + 1);
    for (std::size_t k = 0; k < j; ++k) {
      const vec l = lane_load(row1, k);
      x = fnma(l, lane_load(row0, k), x);
      p1 = fnma(l, l, p1);
    }
    const vec below = x * reciprocal0;
    p1 = fnma(x, below, p1);
    smallest = min(p1, smallest);
    poison += p1 - p1;
    const vec inverse1 = inverse_root_lanes(p1, splat(1) / p1);
    lane_store(row1, j, x * inverse0);
    lane_store(row1, j + 1, p1 * inverse1);
    std::size_t i = j + 2;
    for (; i + 4 <= n; i += 4) cholesky_rows_lanes<4>(a, n, i, j, below, inverse0, inverse1);
    if (i + 2 <= n) {
      cholesky_rows_lanes<2>(a, n, i, j, below, inverse0, inverse1);
      i += 2;
    }
    if (i < n) cholesky_rows_lanes<1>(a, n, i, j, below, inverse0, inverse1);
  }
  store(pivot, smallest / largest + poison);
}

// Rows i .. i + ROWS - 1 of x (n,m), columns of one tile: x(i) = (x(i) - sum over k of t(i, k) x(k)) / t(i,
// i) with t(i, k) the vector i * row + k * column of t. The rows k of [first, last) are solved already, and
// then those of the tile itself: downwards, or upwards when UP.
template <int ROWS, int COLS, bool UP>
inline void solve_tile_lanes(const double* t, std::size_t row, std::size_t column, double* x, std::size_t m,
                             std::size_t i, std::size_t first, std::size_t last, const vec* inverse) {
  vec s[ROWS][COLS];
  for (int r = 0; r < ROWS; ++r)
    for (int c = 0; c < COLS; ++c) s[r][c] = lane_load(x, (i + r) * m + c);
  for (std::size_t k = first; k < last; ++k) {
    vec y[COLS];
    for (int c = 0; c < COLS; ++c) y[c] = lane_load(x, k * m + c);
    for (int r = 0; r < ROWS; ++r) {
      const vec f = held(lane_load(t, (i + r) * row + k * column));
      for (int c = 0; c < COLS; ++c) s[r][c] = fnma(f, y[c], s[r][c]);
    }
  }
  for (int step = 0; step < ROWS; ++step) {
    const int r = UP ? ROWS - 1 - step : step;
    for (int before = 0; before < step; ++before) {
      const int q = UP ? ROWS - 1 - before : before;
      const vec f = lane_load(t, (i + r) * row + (i + q) * column);
      for (int c = 0; c < COLS; ++c) s[r][c] = fnma(f, s[q][c], s[r][c]);
    }
    for (int c = 0; c < COLS; ++c) {
      s[r][c] *= inverse[r];
      lane_store(x, (i + r) * m + c, s[r][c]);
    }
  }
}

template <int ROWS, bool UP>
inline void solve_rows_lanes(const double* t, std::size_t row, std::size_t column, double* x, std::size_t m,
                             std::size_t i, std::size_t first, std::size_t last) {
  vec inverse[ROWS];
  for (int r = 0; r < ROWS; ++r) inverse[r] = splat(1) / lane_load(t, (i + r) * (row + column));
  std::size_t c = 0;
  for (; c + 4 <= m; c += 4)
    solve_tile_lanes<ROWS, 4, UP>(t, row, column, x + c * LANES, m, i, first, last, inverse);
  if (c + 2 <= m) {
    solve_tile_lanes<ROWS, 2, UP>(t, row, column, x + c * LANES, m, i, first, last, inverse);
    c += 2;
  }
  if (c < m) solve_tile_lanes<ROWS, 1, UP>(t, row, column, x + c * LANES, m, i, first, last, inverse);
}

// x (n,m,L) = l^-1 x, for l (n,n,L) lower triangular.
inline void solve_lower_lanes(const double* l, double* x, std::size_t n, std::size_t m) {
  std::size_t i = 0;
  for (; i + 2 <= n && !lanes_stopped(n * m); i += 2) solve_rows_lanes<2, false>(l, n, 1, x, m, i, 0, i);
  if (i < n) solve_rows_lanes<1, false>(l, n, 1, x, m, i, 0, i);
}

// x (n,m,L) = l^-T x, for l (n,n,L) lower triangular.
inline void solve_lower_transposed_lanes(const double* l, double* x, std::size_t n, std::size_t m) {
  std::size_t i = n;
  for (; i >= 2 && !lanes_stopped(n * m); i -= 2) solve_rows_lanes<2, true>(l, 1, n, x, m, i - 2, i, n);
  if (i > 0) solve_rows_lanes<1, true>(l, 1, n, x, m, 0, 1, n);
}

// l (n,n,L), x (n,m,L): see kernels.h.
inline void cholesky_solve_lanes(const double* l, double* x, std::size_t n, std::size_t m) {
  solve_lower_lanes(l, x, n, m);
  solve_lower_transposed_lanes(l, x, n, m);
}

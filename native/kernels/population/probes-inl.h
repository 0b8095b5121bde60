// What linear probes read from latents, and how much information that is, on loadings: rows over the sources
// [s x | u | w_x | w_s] and, where sensors are noisy, the noise of o and of o'.
#pragma once
#include "kernels/population/conditioning-inl.h"
#include "kernels/population/rows-inl.h"

// Columns: the sources `first` on, `dense` of them, then one sensor's noise and the other's, `noise` each.
struct MetricShape {
  std::size_t first, dense, noise, cols;
};

static void copy_dense(double* out, const MetricShape& m, const double* dense, std::size_t from_cols,
                       std::size_t rows) {
  if (from_cols <= m.first) return;
  const std::size_t there = from_cols - m.first, cols = there < m.dense ? there : m.dense;
  for (std::size_t i = 0; i < rows; ++i)
    memcpy(out + i * m.cols * LANES, dense + (i * from_cols + m.first) * LANES,
           cols * LANES * sizeof(double));
}

// Loadings of v as it is, or of v - E[v | o]; `own`: which sensor's noise v holds itself, 0 of o, 1 of o', or
// none.
constexpr int NO_SENSOR = -1;

static double* loadings_of(const World& w, const MetricShape& m, const Rows& v, const Residual* left, int own,
                           Arena& arena) {
  double* out = arena.take(v.rows, m.cols);
  if (arena.counts()) return out;
  clear_lanes(out, v.rows * m.cols);
  copy_dense(out, m, left ? left->dense : v.dense, left ? left->cols : v.cols, v.rows);
  if (m.noise == 0) return out;
  for (std::size_t i = 0; i < v.rows; ++i) {
    double* row = out + i * m.cols * LANES;
    if (own != NO_SENSOR && i < m.noise)
      put(row, m.dense + static_cast<std::size_t>(own) * m.noise + i, w.sensor);
    for (std::size_t j = 0; left && left->gamma && j < m.noise; ++j) {
      const std::size_t column = m.dense + j;
      put(row, column, fnma(w.sensor, at(left->gamma, j * v.rows + i), at(row, column)));
    }
  }
  return out;
}

// sums[i + 1] = sums[i] + |row i of a|^2
static void add_up(double* sums, const double* a, std::size_t rows, std::size_t cols) {
  put(sums, 0, splat(0));
  for (std::size_t i = 0; i < rows; ++i)
    put(sums, i + 1, at(sums, i) + square_of_row(a + i * cols * LANES, cols));
}

// What the latents q explain of target t (n, cols): sums of squared correlations times variances.
static void explained(double* sums, const double* q, std::size_t rows, const double* t, std::size_t n,
                      std::size_t cols, Arena local) {
  double* along = local.take(rows, n);
  if (local.counts()) return;
  gemm_nt_lanes(along, q, t, rows, n, cols, false);
  add_up(sums, along, rows, n);
}

// An orthonormal basis of a target, in place.
static void target_basis(double* t, std::size_t n, std::size_t cols, const double* totals, Arena local) {
  double *left = local.take(n, 1), *work = local.take(TOGETHER, n);
  if (local.counts()) return;
  unit_rows(t, n, cols, totals);
  orthonormal_rows(t, n, cols, left, work);
}

// What an orthonormal basis (n, cols) leaves of each of the latents beside those before it, as a square: by
// Gram-Schmidt, which keeps the digits of a small one. along (rows, n): the latents on the basis.
static void left_by_rows(double* left, const double* along, const double* q, std::size_t rows,
                         const double* basis, std::size_t n, std::size_t cols, Arena local) {
  double *rest = local.take(rows, cols), *work = local.take(TOGETHER, rows);
  if (local.counts()) return;
  memcpy(rest, q, rows * cols * LANES * sizeof(double));
  subtract_product(rest, along, basis, rows, cols, n);
  orthonormal_rows(rest, rows, cols, left, work);
}

// cov (rows, rows) holds along along^T of latents q that are orthonormal or zero; overwritten by the factor
// of 1 - it. left: its pivots. Returns the lanes in which one of them is below WELL_CONDITIONED.
static mask pivots_of_rest(double* left, double* cov, const double* q, std::size_t rows, std::size_t cols) {
  mask rounded = mask{};
  for (std::size_t i = 0; i < rows; ++i) {
    // A latent that is not there has pivot 1: it says nothing.
    const mask there = (mask)(square_of_row(q + i * cols * LANES, cols) > splat(0.5));
    for (std::size_t j = 0; j <= i; ++j) {
      vec v = (i == j ? splat(1) : splat(0)) - at(cov, i * rows + j);
      for (std::size_t k = 0; k < j; ++k) v = fnma(at(cov, i * rows + k), at(cov, j * rows + k), v);
      if (i == j) {
        rounded |= there & ~(mask)(v > splat(WELL_CONDITIONED));
        const vec pivot = select((mask)(v > splat(WELL_CONDITIONED)), v, splat(1));
        put(left, i, pivot);
        v = splat(1) / sqrt(pivot);
      } else {
        v *= at(cov, j * rows + j);
      }
      put(cov, i * rows + j, v);
    }
  }
  return rounded;
}

// The same from the covariance of what is left, 1 - along along^T: a pivot of its factor each, good where all
// of them are far from rounding. Elsewhere, and only there, by rows.
static void what_is_left(double* left, const double* q, std::size_t rows, const double* basis, std::size_t n,
                         std::size_t cols, Arena local) {
  double *along = local.take(rows, n), *cov = local.take(rows, rows), *exact = local.take(rows, 1);
  mask rounded = mask{};
  if (!local.counts()) {
    gemm_nt_lanes(along, q, basis, rows, n, cols, false);
    gram_lanes(cov, along, n, rows, n);
    rounded = pivots_of_rest(left, cov, q, rows, cols);
  }
  if (!local.counts() && !any(rounded)) return;
  left_by_rows(exact, along, q, rows, basis, n, cols, local);
  if (local.counts()) return;
  for (std::size_t i = 0; i < rows; ++i) put(left, i, select(rounded, at(exact, i), at(left, i)));
}

// I(t; z | o) = -1/2 sum log of what t leaves of each latent beside those before it.
static void information(double* sums, const double* q, std::size_t rows, const double* basis, std::size_t n,
                        std::size_t cols, Arena local) {
  double* left = local.take(rows, 1);
  what_is_left(left, q, rows, basis, n, cols, local);
  if (local.counts()) return;
  put(sums, 0, splat(0));
  for (std::size_t i = 0; i < rows; ++i) {
    const vec held = square_of_row(q + i * cols * LANES, cols), rest = at(left, i);
    vec sum = at(sums, i);
    for (std::size_t lane = 0; lane < LANES; ++lane) {
      if (held[lane] == 0 || rest[lane] >= 1) continue;
      sum[lane] = rest[lane] > VOID_LOADINGS ? sum[lane] - 0.5 * __builtin_log(rest[lane]) : __builtin_inf();
    }
    put(sums, i + 1, sum);
  }
}

static double* squares_each(const double* a, std::size_t rows, std::size_t cols, Arena& arena) {
  double* out = arena.take(rows, 1);
  if (arena.counts()) return out;
  for (std::size_t i = 0; i < rows; ++i) put(out, i, square_of_row(a + i * cols * LANES, cols));
  return out;
}

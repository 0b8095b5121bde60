// What linear probes read from latents, and how much information that is, on loadings: rows over the sources
// [s x | u | w_x | w_s] and, where sensors are noisy, the noise of o and of o'.
#pragma once
#include "kernels/population/conditioning-inl.h"
#include "kernels/population/ties-inl.h"

// Columns: the sources `first` on, `dense` of them, then one sensor's noise and the other's, `noise` each.
struct MetricShape {
  std::size_t first, dense, noise, cols;
};

// The dense sources' columns, and zeros beside them.
static void copy_dense(double* out, const MetricShape& m, const double* dense, std::size_t from_cols,
                       std::size_t rows) {
  const std::size_t there = from_cols > m.first ? from_cols - m.first : 0;
  const std::size_t cols = there < m.dense ? there : m.dense;
  for (std::size_t i = 0; i < rows; ++i) {
    double* row = out + i * m.cols * LANES;
    if (cols) memcpy(row, dense + (i * from_cols + m.first) * LANES, cols * LANES * sizeof(double));
    clear_lanes(row + cols * LANES, m.cols - cols);
  }
}

// Loadings of v as it is, or of v - E[v | o]; `own`: which sensor's noise v holds itself, 0 of o, 1 of o', or
// none.
constexpr int NO_SENSOR = -1;

static double* loadings_of(const World& w, const MetricShape& m, const Rows& v, const Residual* left, int own,
                           Arena& arena) {
  double* out = arena.take(v.rows, m.cols);
  if (arena.counts()) return out;
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

// to (rows, m.cols) = or += weights (rows, v.rows) times those loadings: what is a diagonal, or zero, is not
// multiplied out.
static void weigh_loadings(double* to, const double* weights, std::size_t rows, const World& w,
                           const MetricShape& m, const Rows& v, const Residual* left, int own, bool add,
                           Arena local) {
  const std::size_t from_cols = left ? left->cols : v.cols;
  const std::size_t beyond = from_cols > m.first ? from_cols - m.first : 0;
  const std::size_t cols = beyond < m.dense ? beyond : m.dense;
  double* of_noise = local.take(rows, m.noise);
  if (local.counts()) return;
  if (!add)
    for (std::size_t i = 0; i < rows; ++i) clear_lanes(to + (i * m.cols + cols) * LANES, m.cols - cols);
  gemm_into_lanes(to, m.cols, weights, v.rows, 1, (left ? left->dense : v.dense) + m.first * LANES, from_cols,
                  1, rows, cols, v.rows, add);
  if (m.noise == 0) return;
  const bool has_gamma = left && left->gamma;
  if (has_gamma) gemm_nt_lanes(of_noise, weights, left->gamma, rows, m.noise, v.rows, false);
  for (std::size_t i = 0; i < rows; ++i) {
    double* row = to + (i * m.cols + m.dense) * LANES;
    for (std::size_t j = 0; has_gamma && j < m.noise; ++j)
      put(row, j, fnma(w.sensor, at(of_noise, i * m.noise + j), at(row, j)));
    if (own == NO_SENSOR) continue;
    row += static_cast<std::size_t>(own) * m.noise * LANES;
    for (std::size_t j = 0; j < m.noise && j < v.rows; ++j)
      put(row, j, fma(w.sensor, at(weights, i * v.rows + j), at(row, j)));
  }
}

// sums[i + 1] = sums[i] + squares[i]
static void add_up_squares(double* sums, const double* squares, std::size_t rows) {
  put(sums, 0, splat(0));
  for (std::size_t i = 0; i < rows; ++i) put(sums, i + 1, at(sums, i) + at(squares, i));
}

// sums[i + 1] = sums[i] + |row i of a|^2
static void add_up(double* sums, const double* a, std::size_t rows, std::size_t cols) {
  put(sums, 0, splat(0));
  for (std::size_t i = 0; i < rows; ++i)
    put(sums, i + 1, at(sums, i) + square_of_row(a + i * cols * LANES, cols));
}

// What the latents q explain of target t (n, cols): sums of squared correlations times variances.
static void explained(double* sums, const double* q, std::size_t rows, const double* t, std::size_t n,
                      std::size_t cols, const Ties& ties, Arena local) {
  double* along = local.take(rows, n);
  if (local.counts()) return;
  gemm_nt_lanes(along, q, t, rows, n, cols, false);
  add_up(sums, along, rows, n);
  compare_tied(ties, along, rows, n, splat(VOID_LOADINGS) * squares_of_rows(t, n, cols));
}

// A target's loadings, which their basis may overwrite where it is needed in every lane, and how to see
// latents on an orthonormal basis of it: by the factor of its covariance where that is far from singular, by
// the basis itself elsewhere.
struct Target {
  double* loadings;      // (n, cols), zero from column `end` on
  const double* totals;  // (n): variances given nothing
  std::size_t n, cols, end;
  double *factor, *basis;
  bool has_basis;
  mask by_basis;  // lanes
};

static void basis_of(Target& t, Arena local) {
  double *left = local.take(t.n, 1), *work = local.take(TOGETHER, t.n);
  if (local.counts() || t.has_basis) return;
  t.has_basis = true;
  if (all(t.by_basis))
    t.basis = t.loadings;
  else
    memcpy(t.basis, t.loadings, t.n * t.cols * LANES * sizeof(double));
  unit_rows(t.basis, t.n, t.cols, t.totals);
  orthonormal_rows(t.basis, t.n, t.cols, left, work);
}

// Without noise of sensors latents mostly follow from the target, and its basis is needed anyway.
static Target target_of(double* loadings, const double* totals, std::size_t n, const MetricShape& m,
                        vec sensor, Arena& arena) {
  const mask silent = (mask)(sensor == splat(0));
  Target t{loadings, totals, n, m.cols, m.dense + m.noise, arena.take(n, n), arena.take(n, m.cols),
           false,    silent};
  if (!arena.counts() && !all(t.by_basis)) {
    gram_lanes(t.factor, loadings, t.cols, n, t.end);
    for (std::size_t i = 0; i < n; ++i)
      t.by_basis |= ~(mask)(at(t.factor, i * n + i) > splat(VOID_LOADINGS) * at(totals, i));
    double pivot[LANES];
    cholesky_lanes(t.factor, n, pivot);
    t.by_basis |= ~(mask)(load(pivot) > splat(WELL_SPREAD));
  }
  if (arena.counts() || any(t.by_basis)) basis_of(t, arena);
  return t;
}

// along (rows, n): q on the target's loadings.
static void along_loadings(double* along, const double* q, std::size_t rows, const Target& t) {
  gemm_strided_lanes(along, q, t.cols, 1, t.loadings, 1, t.cols, rows, t.n, t.end, false);
}

// along (rows, n) holds q on the target's loadings: q on its basis instead.
static void along_basis(double* along, const double* q, std::size_t rows, const Target& t, Arena local) {
  double* exact = local.take(rows, t.n);
  if (local.counts()) return;
  if (!all(t.by_basis))
    for (std::size_t j = 0; j < t.n && !lanes_stopped(rows * t.n); ++j) {
      const double* l = t.factor + j * t.n * LANES;
      const vec inverse = splat(1) / at(l, j);
      for (std::size_t i = 0; i < rows; ++i) {
        double* row = along + i * t.n * LANES;
        vec v = at(row, j);
        for (std::size_t k = 0; k < j; ++k) v = fnma(at(row, k), at(l, k), v);
        put(row, j, v * inverse);
      }
    }
  if (!any(t.by_basis)) return;
  gemm_nt_lanes(exact, q, t.basis, rows, t.n, t.cols, false);
  for (std::size_t i = 0; i < rows * t.n; ++i) put(along, i, select(t.by_basis, at(exact, i), at(along, i)));
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

// Latents that are orthonormal or zero: rows of loadings (rows, cols), and their squares (rows).
struct Basis {
  const double *rows, *held;
  std::size_t count;
};

// cov (rows, rows) holds along along^T of a basis; overwritten by the factor of 1 - it. left: its pivots.
// Returns the lanes in which one of them is below WELL_CONDITIONED.
static mask pivots_of_rest(double* left, double* cov, const Basis& q) {
  const std::size_t rows = q.count;
  mask rounded = mask{};
  for (std::size_t i = 0; i < rows && !lanes_stopped(rows * rows); ++i) {
    // A latent that is not there has pivot 1: it says nothing.
    const mask there = (mask)(at(q.held, i) > splat(0.5));
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
// of them are far from rounding. Elsewhere, and only there, by rows. along: as along_basis left it. cov
// (rows, rows): along along^T above its diagonal.
static void what_is_left(double* left, double* cov, double* along, const Basis& q, Target& t, Arena local) {
  const std::size_t rows = q.count;
  double* exact = local.take(rows, 1);
  mask rounded = mask{};
  if (!local.counts()) {
    gram_lanes(cov, along, t.n, rows, t.n);
    rounded = pivots_of_rest(left, cov, q);
  }
  if (!local.counts() && !any(rounded)) return;
  basis_of(t, local);
  if (!local.counts() && any(rounded & ~t.by_basis))
    gemm_nt_lanes(along, q.rows, t.basis, rows, t.n, t.cols, false);
  left_by_rows(exact, along, q.rows, rows, t.basis, t.n, t.cols, local);
  if (local.counts()) return;
  for (std::size_t i = 0; i < rows; ++i) put(left, i, select(rounded, at(exact, i), at(left, i)));
}

// I(t; z | o) = -1/2 sum log of what t leaves of each latent beside those before it.
static void information(double* sums, double* along, const Basis& q, Target& t, const Ties& ties,
                        Arena local) {
  const std::size_t rows = q.count;
  double *left = local.take(rows, 1), *cov = local.take(rows, rows);
  what_is_left(left, cov, along, q, t, local);
  if (local.counts()) return;
  compare_left(ties, left, cov, rows);
  put(sums, 0, splat(0));
  for (std::size_t i = 0; i < rows; ++i) {
    const vec held = at(q.held, i), rest = at(left, i);
    vec sum = at(sums, i);
    for (std::size_t lane = 0; lane < LANES; ++lane) {
      if (held[lane] == 0 || rest[lane] >= 1) continue;
      sum[lane] = rest[lane] > VOID_LOADINGS ? sum[lane] - 0.5 * __builtin_log(rest[lane]) : __builtin_inf();
    }
    put(sums, i + 1, sum);
  }
  compare_whether(ties, q.held, rows);
}

static double* squares_each(const double* a, std::size_t rows, std::size_t cols, Arena& arena) {
  double* out = arena.take(rows, 1);
  if (arena.counts()) return out;
  for (std::size_t i = 0; i < rows; ++i) put(out, i, square_of_row(a + i * cols * LANES, cols));
  return out;
}

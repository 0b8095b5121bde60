// What linear probes read from the latents, and how much information that is.
#pragma once
#include "kernels/population/conditioning-inl.h"

constexpr double EXACT = 1 - 1e-9;  // a squared canonical correlation above it is an exact relation

// The metrics' own variables, outside the objective: x' is no observation, so it carries no noise scalars.
static Rows exogenous_next_rows(const World& w, Arena& arena) {
  Rows r{};
  r.dense = w.exogenous_next;
  r.rows = w.shape.dx;
  r.cols = w.shape.at_ws;
  r.from = w.shape.ds;
  r.blocks = 1;
  r.begin[0] = 0;
  r.width[0] = w.shape.dx;
  r.through[0] = false;
  r.observed[0] = false;
  r.noise = block_noise(arena);
  return r;
}

inline vec trace_lanes(const double* a, std::size_t n, std::size_t rows) {
  vec sum = splat(0);
  for (std::size_t i = 0; i < rows; ++i) sum += at(a, i * n + i);
  return sum;
}

// The latents as probes use them.
struct Latents {
  std::size_t rows;
  const double* covariance;  // (rows, rows)
  const double* factor;
  mask doubtful;  // lanes in which the factor is not to be trusted
  vec tolerance;
};

static Latents latents_of(double* covariance, std::size_t rows, vec tolerance, Arena& arena) {
  double* factor = arena.take(rows, rows);
  if (arena.counts()) return {rows, covariance, factor, mask{}, tolerance};
  memcpy(factor, covariance, rows * rows * LANES * sizeof(double));
  const mask doubtful = semidefinite_factor(factor, rows);
  return {rows, covariance, factor, doubtful, tolerance};
}

// A target as one set of latents sees it: cross = cov(z, target), (rows, n), and gains = L^-1 cross.
struct Seen {
  const double* cross;
  double* gains;
  std::size_t n;
};

static Seen see(const Latents& z, const double* cross, std::size_t n, Arena& arena) {
  double* gains = arena.take(z.rows, n);
  if (arena.counts()) return {cross, gains, n};
  memcpy(gains, cross, z.rows * n * LANES * sizeof(double));
  solve_factor(z.factor, gains, z.rows, n);
  return {cross, gains, n};
}

// out (n,n): what the first `until` latents (lane by lane) explain of the target, cov(t, z) cov(z, z)^+
// cov(z, t).
static void explained(const Latents& z, const Seen& target, vec until, double* out, Arena arena) {
  const std::size_t rows = z.rows, n = target.n;
  const auto inside = [&](std::size_t i) { return (mask)(splat(static_cast<double>(i) + 0.5) < until); };
  double* gains = arena.take(rows, n);
  double* whitening = arena.take(rows, rows);
  double* careful = arena.take(n, n);
  if (arena.counts()) return whitening_rows(whitening, rows, z.tolerance, arena);
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < n; ++j)
      put(gains, i * n + j, select(inside(i), at(target.gains, i * n + j), splat(0)));
  gemm_tn_lanes(out, gains, gains, n, n, rows, false);
  if (!any(z.doubtful)) return;
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < rows; ++j)
      put(whitening, i * rows + j, select(inside(i) & inside(j), at(z.covariance, i * rows + j), splat(0)));
  whitening_rows(whitening, rows, z.tolerance, arena);
  gemm_nn_lanes(gains, whitening, target.cross, rows, n, rows, false);
  gemm_tn_lanes(careful, gains, gains, n, n, rows, false);
  for (std::size_t i = 0; i < n * n; ++i) put(out, i, select(z.doubtful, at(careful, i), at(out, i)));
}

// A target's conditional covariance, factored and (where some lane's factor is not to be trusted) whitened.
struct Target {
  std::size_t n;
  const double* factor;
  mask doubtful;
  const double* whitening;  // null where no lane is doubtful
};

static Target target_of(const double* covariance, std::size_t n, vec tolerance, Arena& arena) {
  double* factor = arena.take(n, n);
  double* whitening = arena.take(n, n);
  if (arena.counts()) {
    whitening_rows(whitening, n, tolerance, arena);
    return {n, factor, mask{}, whitening};
  }
  memcpy(factor, covariance, n * n * LANES * sizeof(double));
  Target t{n, factor, semidefinite_factor(factor, n), nullptr};
  for (std::size_t i = 0; i < n; ++i) t.doubtful |= ~(mask)(at(covariance, i * n + i) > splat(0));
  if (!any(t.doubtful)) return t;
  memcpy(whitening, covariance, n * n * LANES * sizeof(double));
  whitening_rows(whitening, n, tolerance, arena);
  t.whitening = whitening;
  return t;
}

// -1/2 sum log(1 - rho^2) over eigenvalues rho^2 of `explained` (n,n) in the target's whitened coordinates.
static vec information_by_eigenvalues(const double* whitening, const double* explained, std::size_t n,
                                      Arena arena) {
  double* half = arena.take(n, n);
  double* k = arena.take(n, n);
  double* w = arena.take(n, 1);
  if (!arena.counts()) {
    gemm_nn_lanes(half, whitening, explained, n, n, n, false);
    gemm_nt_lanes(k, half, whitening, n, n, n, false);
  }
  eigen_lanes(k, w, n, arena, true);
  if (arena.counts()) return splat(0);
  double out[LANES];
  for (std::size_t l = 0; l < LANES; ++l) {
    out[l] = 0;
    for (std::size_t j = 0; j < n; ++j) {
      const double rho2 = w[j * LANES + l];
      if (rho2 > EXACT)
        out[l] = __builtin_inf();
      else if (rho2 > 0)
        out[l] -= 0.5 * __builtin_log1p(-rho2);
    }
  }
  return load(out);
}

// Gaussian information in nats: -1/2 log det(I - K) for K = L^-1 explained L^-T, by the pivots of I - K. Each
// pivot is at least the smallest eigenvalue, and their product at most that (all eigenvalues are at most 1):
// so a tiny pivot proves an exact relation, a product that is not tiny proves that there is none, and only
// what lies between needs eigenvalues.
static vec information(const Target& t, const double* explained, Arena arena) {
  const std::size_t n = t.n;
  double* k = arena.take(n, n);
  double* half = arena.take(n, n);
  double* whitening = arena.take(n, n);
  if (arena.counts()) return information_by_eigenvalues(whitening, explained, n, arena);
  memcpy(half, explained, n * n * LANES * sizeof(double));
  solve_factor(t.factor, half, n, n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) put(k, i * n + j, at(half, j * n + i));
  solve_factor(t.factor, k, n, n);
  const double exact = 1 - EXACT;
  mask infinite = mask{};
  vec product = splat(1);
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t i = j; i < n; ++i) {
      vec v = (i == j ? splat(1) : splat(0)) - at(k, i * n + j);
      for (std::size_t m = 0; m < j; ++m) v = fnma(at(half, i * n + m), at(half, j * n + m), v);
      if (i == j) {
        const mask tiny = (mask)(v < splat(0.1 * exact));
        infinite |= tiny;
        const vec pivot = select(tiny, splat(1), v);
        product *= pivot;
        put(half, j * n + j, sqrt(pivot));
      } else {
        put(half, i * n + j, v / at(half, j * n + j));
      }
    }
  }
  const mask decided = (infinite | (mask)(product > splat(exact))) & ~t.doubtful;
  double out[LANES], p[LANES];
  store(p, product);
  for (std::size_t l = 0; l < LANES; ++l) out[l] = infinite[l] ? __builtin_inf() : -0.5 * __builtin_log(p[l]);
  vec answer = max(load(out), splat(0));
  if (all(decided)) return answer;
  // The factor's inverse whitens as well, where it is to be trusted.
  clear_lanes(whitening, n * n);
  for (std::size_t i = 0; i < n; ++i) put(whitening, i * n + i, splat(1));
  solve_factor(t.factor, whitening, n, n);
  for (std::size_t i = 0; i < n * n && t.whitening; ++i)
    put(whitening, i, select(t.doubtful, at(t.whitening, i), at(whitening, i)));
  return select(decided, answer, information_by_eigenvalues(whitening, explained, n, arena));
}

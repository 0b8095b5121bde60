// Regression on what is given: factors, residuals and their covariances.
#pragma once
#include "kernels/lanes/cholesky-inl.h"
#include "kernels/lanes/eigen-inl.h"
#include "kernels/population/stacks-inl.h"

// Where every pivot of a Cholesky factor is above WELL_CONDITIONED, the factor gives the pseudo-inverse.
// Elsewhere the eigenvalues are looked at.

// Neither clearly there nor clearly nothing.
inline mask uncertain_of(vec value, vec largest) {
  return (mask)(value < splat(CLEAR_SHARE) * largest) & (mask)(value > splat(ROUNDED_SHARE) * largest);
}

// a (n,n) = W with W^T W = a^+: eigenvectors as rows over the roots of their eigenvalues, cut at `tolerance`
// of the largest, in the order of eigen_lanes without sorting. Returns the lanes where an eigenvalue is
// neither clearly there nor clearly nothing.
static mask whitening_rows(double* a, std::size_t n, vec tolerance, Arena arena) {
  double* w = arena.take(n, 1);
  eigen_lanes(a, w, n, arena, false);
  if (arena.counts()) return mask{};
  vec largest = splat(0);
  for (std::size_t j = 0; j < n; ++j) largest = max(at(w, j), largest);
  const vec cut = tolerance * largest;
  mask uncertain = mask{};
  for (std::size_t j = 0; j < n; ++j) {
    uncertain |= uncertain_of(at(w, j), largest);
    const mask kept = (mask)(at(w, j) > cut);
    const vec scale = select(kept, splat(1) / sqrt(select(kept, at(w, j), splat(1))), splat(0));
    for (std::size_t i = 0; i < n; ++i) put(a, j * n + i, scale * at(a, j * n + i));
  }
  return uncertain;
}

// Conditioning on f: the factor of S_ff, and for any rows v the regression Gamma_v = S_vf S_ff^+.
struct Given {
  const Rows* f;  // no rows: nothing is given
  double* factor;
  double* noise;      // (nf,nf) covariance of the noise of f
  mask doubtful;      // lanes in which the factor is not to be trusted, and
  double* whitening;  // (nf,nf) what to use there; null where no lane is
  mask uncertain;     // lanes in which neither is to be trusted
  bool square;        // without noise, of as many sources as rows: but in doubtful lanes f determines them

  // Nothing is left of the sources of f, in any lane.
  bool determines() const { return square && !any(doubtful); }
};

static Given condition_on(const World& w, const Rows& f, vec tolerance, Arena& arena) {
  Given g{&f, nullptr, nullptr, mask{}, nullptr, mask{}, !f.noisy && f.rows == f.cols};
  if (f.rows == 0) return g;
  g.factor = covariance(w, f, f, arena);
  if (w.shape.noise) {
    g.noise = arena.take(f.rows, f.rows);
    if (!arena.counts()) {
      clear_lanes(g.noise, f.rows * f.rows);
      add_noise_covariance(w, f, f, g.noise);
    }
  }
  if (arena.counts()) {
    g.square = false;  // what doubtful lanes need
  } else {
    if (lanes_stopped(f.rows * f.rows)) return g;
    double pivot[LANES];
    cholesky_lanes(g.factor, f.rows, pivot);
    g.doubtful = ~(mask)(load(pivot) > splat(WELL_CONDITIONED));
    if (!any(g.doubtful)) return g;
  }
  g.whitening = covariance(w, f, f, arena);
  g.uncertain = g.doubtful & whitening_rows(g.whitening, f.rows, tolerance, arena);
  return g;
}

struct Residual {
  const Rows* v;
  double* gamma;           // (f.rows, v.rows): Gamma_v transposed; null where it is zero, or not wanted
  const double* dense;     // (v.rows, cols): loadings of v - Gamma_v f on the dense sources
  std::size_t cols, from;  // nothing left of column `from`
};

// wants_gamma: also where the residual is known without it.
static Residual residual(const World& w, const Given& g, const Rows& v, bool wants_gamma, Arena& arena) {
  // What shares neither sources nor noise with f is its own residual: an action by a policy that does not
  // react.
  if (g.f->rows == 0 || (v.from >= g.f->cols && !v.noisy)) return {&v, nullptr, v.dense, v.cols, v.from};
  const std::size_t f_cols = g.f->cols, cols = v.cols > f_cols ? v.cols : f_cols;
  const std::size_t nf = g.f->rows, n = v.rows;
  const bool determined = g.determines(), solves = wants_gamma || !determined;
  Residual r{&v, solves ? covariance(w, *g.f, v, arena) : nullptr, nullptr, cols, determined ? f_cols : 0};
  double *careful = nullptr, *seen = nullptr;
  if (g.whitening) {
    careful = arena.take(nf, n);
    seen = arena.take(nf, n);
  }
  double* dense = arena.take(n, cols);
  r.dense = dense;
  Arena local = arena;
  double* predicted = local.take(n, f_cols);
  if (arena.counts() || lanes_stopped(n * cols)) return r;
  if (careful) {
    gemm_nn_lanes(seen, g.whitening, r.gamma, nf, n, nf, false);
    gemm_tn_lanes(careful, g.whitening, seen, nf, n, nf, false);
  }
  if (solves) cholesky_solve_lanes(g.factor, r.gamma, nf, n);
  if (careful)
    for (std::size_t i = 0; i < nf * n; ++i)
      put(r.gamma, i, select(g.doubtful, at(careful, i), at(r.gamma, i)));
  if (!determined) gemm_tn_lanes(predicted, r.gamma, g.f->dense, v.rows, f_cols, nf, false);
  for (std::size_t i = 0; i < n; ++i) {
    double* row = dense + i * cols * LANES;
    const double* own = v.dense + i * v.cols * LANES;
    if (determined) clear_lanes(row, f_cols);
    for (std::size_t j = 0; !determined && j < f_cols; ++j) {
      const vec left = (j < v.cols ? at(own, j) : splat(0)) - at(predicted, i * f_cols + j);
      put(row, j, g.square ? select(g.doubtful, left, splat(0)) : left);
    }
    if (cols > f_cols)
      memcpy(row + f_cols * LANES, own + f_cols * LANES, (cols - f_cols) * LANES * sizeof(double));
  }
  return r;
}

// Covariance of two residuals as a Gram matrix of residual loadings: what should vanish does so to the square
// of rounding.
static double* residual_covariance(const World& w, const Given& g, const Residual& a, const Residual& b,
                                   Arena& arena) {
  const std::size_t na = a.v->rows, nb = b.v->rows, nf = g.f->rows;
  double* out = arena.take(na, nb);
  const bool works = !arena.counts();
  if (works && lanes_stopped(na * nb)) return out;
  if (works) loadings_product(out, a.dense, a.cols, na, b.dense, b.cols, nb, later(a.from, b.from));
  if (!w.shape.noise) return out;
  if (works) add_noise_covariance(w, *a.v, *b.v, out);
  if (nf == 0) return out;
  Arena local = arena;
  // out -= left^T right for the noise that f shares with one of the two.
  const auto subtract = [&](const double* left, const double* right) {
    double* product = local.take(na, nb);
    if (!works) return;
    gemm_tn_lanes(product, left, right, na, nb, nf, false);
    for (std::size_t i = 0; i < na * nb; ++i) put(out, i, at(out, i) - at(product, i));
  };
  const auto shared = [&](const Rows& v) {
    double* with_f = local.take(nf, v.rows);
    if (!works) return with_f;
    clear_lanes(with_f, nf * v.rows);
    add_noise_covariance(w, *g.f, v, with_f);
    return with_f;
  };
  const auto with_f = [&](const Rows& v) { return !works || share_noise(*g.f, v); };
  if (a.gamma && with_f(*b.v)) subtract(a.gamma, shared(*b.v));
  if (b.gamma && with_f(*a.v)) subtract(shared(*a.v), b.gamma);
  if (a.gamma && b.gamma) {
    double* weighted = local.take(nf, nb);
    if (!works) return out;
    if (noise_is_diagonal(*g.f))
      for (std::size_t i = 0; i < nf; ++i)
        for (std::size_t j = 0; j < nb; ++j)
          put(weighted, i * nb + j, at(g.noise, i * nf + i) * at(b.gamma, i * nb + j));
    else
      gemm_nn_lanes(weighted, g.noise, b.gamma, nf, nb, nf, false);
    gemm_tn_lanes(out, a.gamma, weighted, na, nb, nf, true);
  }
  return out;
}

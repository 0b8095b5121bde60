#include "core/regression.h"

#include "core/conventions.h"

namespace exo {
namespace {

// A product is asked for in panels of so many rows or columns, so that a cancelled job need not await the
// whole; a part of it equals the same part of the whole, bit by bit.
constexpr std::size_t PANEL = 192;

bool stopped(const Job* job) { return job && job->cancelled(); }

// c = beta c + alpha op(a) b
void product_in_panels(const Kernels& k, bool transpose_a, const Matrix& a, const Matrix& b, Matrix& c,
                       double alpha, double beta, const Job* job) {
  const std::size_t inner = transpose_a ? a.rows : a.cols;
  for (std::size_t first = 0; first < c.rows && !stopped(job); first += PANEL)
    k.gemm(transpose_a, false, std::min(PANEL, c.rows - first), c.cols, inner, alpha,
           transpose_a ? a.data() + first : a.row(first), a.cols, b.data(), b.cols, beta, c.row(first),
           c.cols);
}

}  // namespace

bool eigen_symmetric(const Kernels& k, Matrix& vectors, std::vector<double>& values, const Job* job) {
  const std::size_t n = vectors.rows;
  values.assign(n, 0.0);
  if (n == 0) return true;
  std::vector<double> work(k.eigen_work(n));
  return k.eigen(vectors.data(), n, values.data(), work.data(), job ? job->stop() : nullptr);
}

bool solve_semidefinite(const Kernels& k, const Matrix& s, double tolerance, Matrix& b, const Job* job) {
  if (s.rows == 0) return true;
  Matrix factor = s;
  if (k.cholesky(factor.data(), s.rows, s.rows) > WELL_CONDITIONED) {
    for (std::size_t first = 0; first < b.cols && !stopped(job); first += PANEL)
      k.cholesky_solve(factor.data(), s.rows, s.rows, b.data() + first, std::min(PANEL, b.cols - first),
                       b.cols);
    return true;
  }
  Matrix u = s;
  std::vector<double> w;
  if (!eigen_symmetric(k, u, w, job)) return false;
  Matrix t = times(k, u, b);
  for (std::size_t i = 0; i < t.rows; ++i) {
    const double inverse = w[i] > tolerance * std::max(w[0], 0.0) ? 1 / w[i] : 0;
    for (std::size_t j = 0; j < t.cols; ++j) t.at(i, j) *= inverse;
  }
  product_tn(k, u, t, b);
  return true;
}

Matrix with_ridge(const Matrix& s, double ridge) {
  Matrix r = s;
  if (s.rows == 0) return r;
  const double add = ridge * trace(s) / static_cast<double>(s.rows);
  for (std::size_t i = 0; i < s.rows; ++i) r.at(i, i) += add;
  return r;
}

Matrix residual_covariance(const Kernels& k, const Matrix& s_uv, const Matrix& s_fu, const Matrix& s_fv,
                           const Matrix& s_ff, const Matrix& a, const Matrix& b, const Job* job) {
  Matrix out = s_uv;
  if (s_ff.rows == 0) return out;
  product_in_panels(k, true, a, s_fv, out, -1, 1, job);
  product_in_panels(k, true, s_fu, b, out, -1, 1, job);
  Matrix weighted(s_ff.rows, b.cols);
  product_in_panels(k, false, s_ff, b, weighted, 1, 0, job);
  product_in_panels(k, true, a, weighted, out, 1, 1, job);
  return out;
}

}  // namespace exo

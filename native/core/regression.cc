#include "core/regression.h"

#include "core/conventions.h"

namespace exo {
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
    k.cholesky_solve(factor.data(), s.rows, s.rows, b.data(), b.cols, b.cols);
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
  const auto stopped = [job] { return job && job->cancelled(); };
  product_tn(k, a, s_fv, out, -1, 1);
  if (stopped()) return out;
  product_tn(k, s_fu, b, out, -1, 1);
  if (stopped()) return out;
  const Matrix weighted = times(k, s_ff, b);
  if (stopped()) return out;
  product_tn(k, a, weighted, out, 1, 1);
  return out;
}

}  // namespace exo

#include "core/regression.h"

#include "core/conventions.h"
#include "core/dense.h"
#include "core/leading.h"

namespace exo {
namespace {

constexpr double NOT_CUT = 0.5;  // of the cut over the least eigenvalue: both are known to more than that

// c = beta c + alpha op(a) b
void product_for(const Kernels& k, bool transpose_a, const Matrix& a, const Matrix& b, Matrix& c,
                 double alpha, double beta, const Job* job) {
  const std::size_t inner = transpose_a ? a.rows : a.cols;
  if (job)
    Dense(k, *job).product(transpose_a, false, c.rows, c.cols, inner, alpha, a.data(), a.cols, b.data(),
                           b.cols, beta, c.data(), c.cols);
  else
    k.gemm(transpose_a, false, c.rows, c.cols, inner, alpha, a.data(), a.cols, b.data(), b.cols, beta,
           c.data(), c.cols);
}

// Whether no eigenvalue of s = l l^T, which is large, lies below the cut. A pivot tells little of them there.
bool nothing_to_cut(const Dense& d, std::size_t n, const double* s, std::size_t lds, const double* l,
                    std::size_t ldl, double tolerance) {
  if (!few_of(1, n)) return false;
  std::vector<double> largest, inverse;
  Matrix vectors;
  const Operator by_s = [&](const Matrix& x, Matrix& out) {
    d.product(false, false, n, x.cols, n, 1, s, lds, x.data(), x.cols, 0, out.data(), out.cols);
  };
  const Operator by_inverse = [&](const Matrix& x, Matrix& out) {
    out = x;
    d.cholesky_solve(l, n, ldl, out.data(), out.cols, out.cols);
  };
  return leading_eigenpairs(d, n, 1, by_s, largest, vectors) &&
         leading_eigenpairs(d, n, 1, by_inverse, inverse, vectors) &&
         inverse[0] * tolerance * largest[0] < NOT_CUT;
}

}  // namespace

bool eigen_symmetric(const Kernels& k, Matrix& vectors, std::vector<double>& values, const Job* job) {
  const std::size_t n = vectors.rows;
  values.assign(n, 0.0);
  if (n == 0) return true;
  std::vector<double> work(k.eigen_work(n));
  return k.eigen(vectors.data(), n, values.data(), work.data(), job ? job->stop() : nullptr);
}

bool factor_definite(const Dense& d, std::size_t n, double* a, std::size_t lda, const double* s,
                     std::size_t lds, double tolerance) {
  const double pivot = d.cholesky(a, n, lda);
  return pivot > WELL_CONDITIONED || (pivot > 0 && nothing_to_cut(d, n, s, lds, a, lda, tolerance));
}

bool solve_semidefinite(const Kernels& k, const Matrix& s, double tolerance, Matrix& b, const Job* job) {
  if (s.rows == 0) return true;
  const std::size_t n = s.rows;
  Matrix factor = s;
  if (job ? factor_definite(Dense(k, *job), n, factor.data(), n, s.data(), n, tolerance)
          : k.cholesky(factor.data(), n, n) > WELL_CONDITIONED) {
    if (job)
      Dense(k, *job).cholesky_solve(factor.data(), n, n, b.data(), b.cols, b.cols);
    else
      k.cholesky_solve(factor.data(), n, n, b.data(), b.cols, b.cols);
    return true;
  }
  if (job && job->cancelled()) return true;
  Matrix u = s;
  std::vector<double> w;
  if (!eigen_symmetric(k, u, w, job)) return false;
  Matrix t(n, b.cols);
  product_for(k, false, u, b, t, 1, 0, job);
  for (std::size_t i = 0; i < t.rows; ++i) {
    const double inverse = w[i] > tolerance * std::max(w[0], 0.0) ? 1 / w[i] : 0;
    for (std::size_t j = 0; j < t.cols; ++j) t.at(i, j) *= inverse;
  }
  product_for(k, true, u, t, b, 1, 0, job);
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
  product_for(k, true, a, s_fv, out, -1, 1, job);
  product_for(k, true, s_fu, b, out, -1, 1, job);
  Matrix weighted(s_ff.rows, b.cols);
  product_for(k, false, s_ff, b, weighted, 1, 0, job);
  product_for(k, true, a, weighted, out, 1, 1, job);
  return out;
}

Matrix residual_variance(const Dense& d, Matrix s_uu, Matrix s_fu, const Matrix& s_ff, const Matrix& a) {
  if (s_ff.rows == 0) return s_uu;
  d.product(false, false, s_ff.rows, a.cols, a.rows, 1, s_ff.data(), s_ff.cols, a.data(), a.cols, -2,
            s_fu.data(), s_fu.cols);
  d.product(true, false, s_uu.rows, s_uu.cols, a.rows, 1, a.data(), a.cols, s_fu.data(), s_fu.cols, 1,
            s_uu.data(), s_uu.cols);
  symmetrise(s_uu);
  return s_uu;
}

}  // namespace exo

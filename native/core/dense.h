// One large dense problem on many threads. Work is cut into tiles by its sizes alone, and a tile's bits do
// not depend on who computes it, so answers are the same for every number of threads. Each returns early once
// the job is cancelled; what it leaves is then not to be used.
#pragma once
#include "core/job.h"
#include "core/matrix.h"

namespace exo {

class Dense {
 public:
  Dense(const Kernels& k, const Job& job) : k(k), job(job) {}

  // c (m,n) = beta c + alpha op(a) op(b).
  void product(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t inner,
               double alpha, const double* a, std::size_t lda, const double* b, std::size_t ldb, double beta,
               double* c, std::size_t ldc) const;
  // The same for a product that is symmetric, (n,n): half of it is computed, the other half is its copy.
  void symmetric_product(bool transpose_a, bool transpose_b, std::size_t n, std::size_t inner, double alpha,
                         const double* a, std::size_t lda, const double* b, std::size_t ldb, double beta,
                         double* c, std::size_t ldc) const;
  // As the kernels of these names: the factor takes the lower triangle, the upper one stays.
  double cholesky(double* a, std::size_t n, std::size_t lda) const;
  void cholesky_solve(const double* l, std::size_t n, std::size_t ldl, double* x, std::size_t m,
                      std::size_t ldx) const;
  // The upper triangle of c (n,n) becomes what the lower one is.
  void mirror(double* c, std::size_t n, std::size_t ldc) const;
  // The lower triangle becomes what the upper one is.
  void mirror_upper(double* c, std::size_t n, std::size_t ldc) const;
  void transpose(double* c, std::size_t n, std::size_t ldc) const;

  const Kernels& k;
  const Job& job;
};

inline Matrix times(const Dense& d, const Matrix& a, const Matrix& b) {
  Matrix c(a.rows, b.cols);
  d.product(false, false, a.rows, b.cols, a.cols, 1, a.data(), a.cols, b.data(), b.cols, 0, c.data(), c.cols);
  return c;
}
inline Matrix times_tn(const Dense& d, const Matrix& a, const Matrix& b) {
  Matrix c(a.cols, b.cols);
  d.product(true, false, a.cols, b.cols, a.rows, 1, a.data(), a.cols, b.data(), b.cols, 0, c.data(), c.cols);
  return c;
}
inline Matrix times_nt(const Dense& d, const Matrix& a, const Matrix& b) {
  Matrix c(a.rows, b.rows);
  d.product(false, true, a.rows, b.rows, a.cols, 1, a.data(), a.cols, b.data(), b.cols, 0, c.data(), c.cols);
  return c;
}

}  // namespace exo

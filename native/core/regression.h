// Linear regression from second moments: the one way that the dense stages condition on something.
#pragma once
#include "core/dense.h"
#include "core/job.h"

namespace exo {

// Each of these shares its work out where it is given a job, and returns early once that is cancelled; what
// they leave is then not to be used.

// S^+ b for a positive semidefinite S (n,n), b (n,m): Cholesky where S is well conditioned, else through its
// eigenvalues, cut at `tolerance` times the largest. False where an eigenproblem did not converge.
bool solve_semidefinite(const Kernels& k, const Matrix& s, double tolerance, Matrix& b,
                        const Job* job = nullptr);

// The factor of a (n,n) in its lower triangle; whether no eigenvalue lies below the cut, so that it may be
// solved with. `s` is a as it was, both triangles.
bool factor_definite(const Dense& d, std::size_t n, double* a, std::size_t lda, const double* s,
                     std::size_t lds, double tolerance);

// eigenvalues descending, eigenvectors as rows of `vectors`.
bool eigen_symmetric(const Kernels& k, Matrix& vectors, std::vector<double>& values,
                     const Job* job = nullptr);

// S plus `ridge` times its mean diagonal.
Matrix with_ridge(const Matrix& s, double ridge);

// cov(u - A^T f, v - B^T f) from plain second moments, for any regression weights A (nf,nu) and B (nf,nv): it
// cannot lose its sign, as S_uv - A^T S_fv can.
Matrix residual_covariance(const Kernels& k, const Matrix& s_uv, const Matrix& s_fu, const Matrix& s_fv,
                           const Matrix& s_ff, const Matrix& a, const Matrix& b, const Job* job = nullptr);

// The same of u alone, with half the products: cov(u - A^T f).
Matrix residual_variance(const Dense& d, Matrix s_uu, Matrix s_fu, const Matrix& s_ff, const Matrix& a);

}  // namespace exo

// The leading eigenpairs of a large symmetric positive semidefinite matrix, known by its products alone.
#pragma once
#include <functional>

#include "core/dense.h"

namespace exo {

// out (n,p) = A x for x (n,p).
using Operator = std::function<void(const Matrix& x, Matrix& out)>;

// The `count` largest eigenvalues, descending, and eigenvectors as rows: (count,n). From a block Krylov space
// that begins with fixed random numbers, until |A v - lambda v| of each is at most LEADING_RESIDUAL of the
// largest eigenvalue. False where that takes too long (eigenvalues that lie close to each other), or the job
// is cancelled.
bool leading_eigenpairs(const Dense& dense, std::size_t n, std::size_t count, const Operator& apply,
                        std::vector<double>& values, Matrix& vectors);

// Whether so few of n are wanted that it pays.
bool few_of(std::size_t count, std::size_t n);

}  // namespace exo

// Minimises a smooth function of the span of a matrix's rows by L-BFGS: exact gradients, no randomness.
#pragma once
#include <cstddef>
#include <functional>
#include <vector>

#include "core/job.h"
#include "core/matrix.h"
#include "core/status.h"

namespace exo {

struct LbfgsOptions {
  std::size_t iterations;  // at most
  // Has converged where |gradient| |x| is at most this share of `scale`, the size of the function's terms.
  double tolerance;
  double scale;
  // Rows of x as a matrix: the function knows their span alone, and they are kept near to orthonormal.
  std::size_t rows;
};

struct LbfgsOutcome {
  Status status;  // OK, NON_FINITE, or NOT_CONVERGED: x is then the best point found
  double value;
  double gradient;  // |gradient| |x| / scale
  std::size_t iterations;
};

// value(x, gradient): fills the gradient. x: start in, a minimiser out. Returns early once the job is
// cancelled.
LbfgsOutcome lbfgs(const std::function<double(const std::vector<double>&, std::vector<double>&)>& value,
                   std::vector<double>& x, const LbfgsOptions& options, const Kernels& k, const Job& job);

}  // namespace exo

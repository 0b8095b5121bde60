// Gradient steps on the second moments of an objective (docs/theory.md, "Training on second moments"): full
// batch, f64, no data touched.
#pragma once
#include <cstdint>
#include <vector>

#include "core/job.h"
#include "core/matrix.h"
#include "core/status.h"

namespace exo {

// One squared error of an objective, given what its decoder sees without a bottleneck: y ~ B z, z = G e,
//   E|y - B G e|^2 = total - 2 tr(B G X^T) + tr(B G E G^T B^T).
struct SquaredError {
  double total;
  Matrix x, e;  // cov(y, e) and cov(e)
};

// The numbering of DESCENT_METHODS in lib/backend/descent-requests.ts.
enum DescentMethod : std::int32_t { LBFGS, GRADIENT_DESCENT, GRADIENT_FLOW };

struct DescentOptions {
  std::int32_t method;
  std::size_t steps;
  double rate;  // of a step; the time that it takes in a flow
  std::size_t starts;
  std::uint64_t seed;
  double tolerance;  // relative cut of pseudo-inverses
};

struct DescentState {
  Matrix g;               // (latents, width of e)
  std::vector<Matrix> b;  // of each error (width of y, latents)
};

struct DescentOutcome {
  Status status;
  double gradient;  // |gradient| |parameters| over what an empty model leaves
  std::size_t steps;
};

// L-BFGS goes on G from random starts, every B at its best, and leaves the best of what it found, scaled and
// ordered as closed forms are; the others go on from the state.
DescentOutcome descend(const Kernels& k, const std::vector<SquaredError>& errors,
                       const DescentOptions& options, DescentState& state, const Job& job);

}  // namespace exo

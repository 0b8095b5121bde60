// An objective's target y and bottleneck regressor e given its free part f: conditioned once, for the solver
// and for the decoder.
#pragma once
#include "core/job.h"
#include "core/matrix.h"
#include "core/stack-moments.h"
#include "core/status.h"

namespace exo {

struct Innovation {
  Matrix y_on_f, e_on_f;  // weights (width of f, width of y or e): E[y | f] = y_on_f^T f
  Matrix ee, ye;          // cov(e, e given f), cov(y, e given f)
  double variance;        // tr cov(y, y)
  double left;            // tr cov(y, y given f)
};

// `one`: y and e are one stack, whose weights and covariance are found once. Ends early once `job` is
// cancelled; what it leaves is then not to be used.
Status condition(const Kernels& k, const StackMoments& stacks, const Stack& y, const Stack& f, const Stack& e,
                 bool one, double ridge, double tolerance, const Job& job, Innovation& out);

}  // namespace exo

#include "core/innovation.h"

#include "core/regression.h"

namespace exo {

Status condition(const Kernels& k, const StackMoments& stacks, const Stack& y, const Stack& f, const Stack& e,
                 bool one, double ridge, double tolerance, const Job& job, Innovation& out) {
  const Matrix s_ff = stacks.covariance(f, f);
  Matrix s_fe = stacks.covariance(f, e);
  out.e_on_f = s_fe;
  if (!solve_semidefinite(k, with_ridge(s_ff, ridge), tolerance, out.e_on_f, &job)) return NOT_CONVERGED;
  if (job.cancelled()) return OK;
  Matrix s_ee = stacks.covariance(e, e);
  const double variance = trace(s_ee);
  // Each of these is as large as o is wide: none is kept beyond its last use.
  out.ee = residual_variance(Dense(k, job), std::move(s_ee), one ? std::move(s_fe) : s_fe, s_ff, out.e_on_f);
  if (job.cancelled()) return OK;
  if (one) {
    out.y_on_f = out.e_on_f;
    out.ye = out.ee;
    out.variance = variance;
    out.left = trace(out.ee);
    return OK;
  }
  const Matrix s_fy = stacks.covariance(f, y);
  out.y_on_f = s_fy;
  if (job.cancelled()) return OK;
  if (!solve_semidefinite(k, with_ridge(s_ff, ridge), tolerance, out.y_on_f, &job)) return NOT_CONVERGED;
  const Matrix s_yy = stacks.covariance(y, y);
  out.variance = trace(s_yy);
  if (job.cancelled()) return OK;
  out.left = trace(residual_covariance(k, s_yy, s_fy, s_fy, s_ff, out.y_on_f, out.y_on_f, &job));
  if (job.cancelled()) return OK;
  out.ye = residual_covariance(k, stacks.covariance(y, e), s_fy, s_fe, s_ff, out.y_on_f, out.e_on_f, &job);
  return OK;
}

}  // namespace exo

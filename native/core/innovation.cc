#include "core/innovation.h"

#include "core/regression.h"

namespace exo {

Status condition(const Kernels& k, const StackMoments& stacks, const Stack& y, const Stack& f, const Stack& e,
                 bool one, double ridge, double tolerance, const Job& job, Innovation& out) {
  const Matrix s_ff = stacks.covariance(f, f), s_fe = stacks.covariance(f, e);
  const Matrix regularised = with_ridge(s_ff, ridge);
  out.e_on_f = s_fe;
  if (!solve_semidefinite(k, regularised, tolerance, out.e_on_f, &job)) return NOT_CONVERGED;
  if (job.cancelled()) return OK;
  const Matrix s_ee = stacks.covariance(e, e);
  out.ee = residual_covariance(k, s_ee, s_fe, s_fe, s_ff, out.e_on_f, out.e_on_f, &job);
  symmetrise(out.ee);
  if (one) {
    out.y_on_f = out.e_on_f;
    out.ye = out.ee;
    out.variance = trace(s_ee);
    out.left = trace(out.ee);
    return OK;
  }
  const Matrix s_fy = stacks.covariance(f, y);
  out.y_on_f = s_fy;
  if (job.cancelled()) return OK;
  if (!solve_semidefinite(k, regularised, tolerance, out.y_on_f, &job)) return NOT_CONVERGED;
  const Matrix s_yy = stacks.covariance(y, y);
  out.variance = trace(s_yy);
  if (job.cancelled()) return OK;
  out.left = trace(residual_covariance(k, s_yy, s_fy, s_fy, s_ff, out.y_on_f, out.y_on_f, &job));
  if (job.cancelled()) return OK;
  out.ye = residual_covariance(k, stacks.covariance(y, e), s_fy, s_fe, s_ff, out.y_on_f, out.e_on_f, &job);
  return OK;
}

}  // namespace exo

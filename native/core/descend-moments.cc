// Gradient training on the second moments of data.
#include <algorithm>
#include <cmath>

#include "core/descent-batch.h"
#include "core/innovation.h"
#include "core/moments-layout.h"
#include "core/pool.h"
#include "core/regression.h"

namespace exo {
namespace {

// The penalty's covariance times its weight, added to every e.
bool add_penalties(const Kernels& k, const MomentsBatch& data, const StackMoments& stacks, const Job& job,
                   std::vector<SquaredError>& errors) {
  for (std::int32_t i = 0; i < data.objective.penalty_count; ++i) {
    const Penalty& penalty = data.objective.penalties[i];
    const Matrix gg = stacks.covariance(penalty.given, penalty.given),
                 go = stacks.covariance(penalty.given, penalty.of);
    Matrix weights = go;
    if (!solve_semidefinite(k, with_ridge(gg, data.ridge), data.tolerance, weights, &job)) return false;
    Matrix moved =
        residual_covariance(k, stacks.covariance(penalty.of, penalty.of), go, go, gg, weights, weights, &job);
    symmetrise(moved);
    const double weight = stacks.coefficient(penalty.weight);
    for (SquaredError& error : errors)
      for (std::size_t j = 0; j < moved.a.size(); ++j) error.e.a[j] += weight * moved.a[j];
  }
  return true;
}

Status descend_one(const Kernels& k, const MomentsBatch& data, const double* labelled,
                   const DescentBatch& batch, std::size_t index, const Job& job) {
  const UnitLayout layout = layout_of(data);
  const Fitted fitted = fitted_of(data, index);
  const std::size_t size = data.width * data.width;
  const StackMoments stacks(Dense(k, job), layout, fitted, data.moments + index * size);
  const Objective& o = data.objective;
  Innovation given_f{};
  const Status conditioned =
      condition(k, stacks, o.y, o.f, o.e, false, data.ridge, data.tolerance, job, given_f);
  if (conditioned != OK || job.cancelled()) return conditioned;
  std::vector<SquaredError> errors{{given_f.left, given_f.ye, given_f.ee}};
  std::vector<std::size_t> widths{given_f.ye.rows};
  if (batch.head >= 0) {
    const StackMoments own(Dense(k, job), layout, fitted, labelled + index * size);
    const Stack action = plain(ACTION);
    const double factor = stacks.coefficient(batch.head);
    Matrix x = own.covariance(action, o.e), e = own.covariance(o.e, o.e);
    for (double& value : x.a) value *= factor;
    symmetrise(e);
    errors.push_back({factor * factor * trace(own.covariance(action, action)), x, with_ridge(e, data.ridge)});
    widths.push_back(data.action_dim);
  }
  if (!add_penalties(k, data, stacks, job, errors)) return NOT_CONVERGED;
  if (job.cancelled()) return OK;

  DescentState state = state_of(batch, index, given_f.ee.rows, widths);
  const DescentOutcome outcome = descend(k, errors, options_of(batch, index, data.tolerance), state, job);
  if (job.cancelled()) return OK;
  batch.gradient[index] = outcome.gradient;
  batch.step[index] = static_cast<std::int32_t>(outcome.steps);
  store_state(batch, index, state);
  if (outcome.status == NON_FINITE) return NON_FINITE;

  double left[2] = {0, 0};
  for (std::size_t t = 0; t < errors.size(); ++t) {
    const Matrix bg = times(k, state.b[t], state.g), bge = times(k, bg, errors[t].e);
    double sum = errors[t].total;
    for (std::size_t i = 0; i < bg.a.size(); ++i) sum += bg.a[i] * (bge.a[i] - 2 * errors[t].x.a[i]);
    left[t] = std::max(0.0, sum);
  }
  batch.reconstruction[index] = left[0];
  batch.supervision[index] = left[1];
  batch.loss[index] = left[0] + left[1];

  Matrix c(state.g.rows, data.observation_dim), d(state.g.rows, data.observation_dim);
  stacks.add_maps(o.e, state.g, 1, c, d);
  const Matrix z_on_f = times_nt(k, state.g, given_f.e_on_f);
  if (o.innovation && o.f.count) stacks.add_maps(o.f, z_on_f, -1, c, d);
  std::copy(c.a.begin(), c.a.end(), batch.encoder_c + index * c.a.size());
  std::copy(d.a.begin(), d.a.end(), batch.encoder_d + index * d.a.size());
  Matrix decoder(given_f.y_on_f.cols, given_f.y_on_f.rows);
  for (std::size_t i = 0; i < decoder.rows; ++i)
    for (std::size_t j = 0; j < decoder.cols; ++j) decoder.at(i, j) = given_f.y_on_f.at(j, i);
  if (!o.innovation && o.f.count) product(k, state.b[0], z_on_f, decoder, -1, 1);
  std::copy(decoder.a.begin(), decoder.a.end(), batch.decoder_f + index * decoder.a.size());
  return outcome.status;
}

}  // namespace

void descend_moments(const Kernels& kernels, const MomentsBatch& data, const double* labelled,
                     const DescentBatch& batch, Job& job) {
  job.expect(data.count);
  parallel_for(job, data.count, [&](std::size_t index, std::size_t) {
    batch.status[index] = descend_one(kernels, data, labelled, batch, index, job);
  });
}

}  // namespace exo

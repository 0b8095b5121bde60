// The metrics of a population (docs/theory.md section 4), each from its sums over the latents.
#pragma once
#include "kernels/population/metric-sums-inl.h"
#include "kernels/population/walk-inl.h"

struct Solved {
  const Group& group;
  const World& world;
  const Problem& problem;
  const Spectrum& spectrum;
  const Encoder& encoder;
  const MetricSums& sums;
};

// All metrics of the latents that the walk has taken, as the m-th answer of their problem.
static void write_metrics(const Solved& a, const Walk& walk, std::size_t m, bool tied) {
  const PopulationBatch& batch = a.group.batch;
  const MetricSums& s = a.sums;
  const WorldShape& shape = a.world.shape;
  const std::size_t l = walk.lane, problem = a.group.first + l, row = walk.latents();
  const double eta = a.world.sensor[l], picked = walk.picked;
  const double cc = a.encoder.complement_c[l], cd = a.encoder.complement_d[l];
  const std::size_t stride = batch.count * batch.latent_count, out = problem * batch.latent_count + m;
  const auto metric = [&](PopulationMetric which, double value) {
    const std::size_t place = static_cast<std::size_t>(which) * stride + out;
    batch.metrics[place] = value;
    if (tied) batch.favourable[place] = value;
  };
  const auto sum = [&](const double* sums) { return sums[row * LANES + l]; };
  // Shares of a variance leave [0, 1] by rounding alone.
  const auto share = [](double v) { return v < 0 ? 0 : v > 1 ? 1 : v; };
  const double nan = __builtin_nan("");
  const double action_left = s.action_left[l], action_total = s.action_total[l];
  const auto parameter = [&](Parameter p) { return batch.parameters[p * batch.count + problem]; };
  const double scale = parameter(EXOGENOUS_SCALE), hidden = parameter(HIDDEN_EXOGENOUS_DIM);
  const double kept = parameter(EXOGENOUS_DECAY) * parameter(EXOGENOUS_INITIAL_SCALE);
  // Of a coordinate of x' that nothing sees all is left.
  const double unseen = hidden == 0 ? 0 : hidden * (kept * kept + scale * scale);
  const double exogenous_left = s.exogenous_left[l] + unseen, exogenous_total = s.exogenous_total[l] + unseen;
  const bool action_void = !(action_left > VOID_LOADINGS * action_total);
  const bool exogenous_void = !(exogenous_left > VOID_LOADINGS * exogenous_total);
  metric(ACTION_ERROR, action_void ? nan : share(1 - sum(s.action) / action_left));
  metric(FUTURE_LEAKAGE, exogenous_void ? nan : share(sum(s.exogenous) / exogenous_left));
  metric(ACTION_INFORMATION, action_void ? nan : sum(s.action_information));
  metric(FUTURE_INFORMATION, exogenous_void ? nan : sum(s.exogenous_information));
  metric(CONSISTENCY_ERROR, sum(s.moved) / (sum(s.variance) + picked * eta * eta * (cc * cc + cd * cd)));
  metric(RAW_ACTION_ERROR, share(1 - sum(s.raw_action) / action_total));
  metric(RAW_EXOGENOUS_NEXT_ERROR, share(1 - sum(s.raw_exogenous) / exogenous_total));
  const double observation =
      a.spectrum.observation_total[l] + eta * eta * (static_cast<double>(shape.q) + walk.multiplicity);
  const double seen = cc == 0 ? 0 : eta * eta * cc * cc / (cc * cc + cd * cd);
  metric(RAW_OBSERVATION_ERROR, share(1 - (sum(s.raw_observation) + picked * seen) / observation));
  const double dx = static_cast<double>(shape.dx) + hidden;
  const bool still = !(dx * scale * scale > VOID_LOADINGS * exogenous_total);
  metric(INNOVATION_LEAKAGE, still ? nan : share(sum(s.innovation) / dx));
  const double holds = sum(s.holds) + (cd != 0 ? picked : 0);
  metric(LATENT_SHARE_EXOGENOUS, still ? (holds > 0 ? 0 : nan) : share(sum(s.innovation) / holds));
  metric(LATENT_SHARE_ACTION, share(sum(s.action_share) / holds));
}

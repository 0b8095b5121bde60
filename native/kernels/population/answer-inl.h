// What the caller gets, one lane at a time: multiplicities of the complement, prefixes, metrics.
#pragma once
#include "kernels/population/metrics-inl.h"

struct Solved {
  const Group& group;
  const World& world;
  const Problem& problem;
  const Spectrum& spectrum;
  const Encoder& encoder;
  const Moments& moments;
  const Explained& explained;
  const double* moved;  // (rows), of moved_by_exogenous
};

// Latents taken so far from the rows of one lane.
struct Taken {
  double eigenvalues, moved, variance;  // sums
  double picked;                        // picks of the complement
  double still;                         // picks left of the complement's row at hand
  std::size_t row, filled;
};

static void write_rank(const Solved& a, std::size_t l, double multiplicity) {
  const double *kept = a.spectrum.kept + l, *complement = a.spectrum.complement + l;
  double rank = 0;
  for (std::size_t i = 0; i < a.problem.e.rows; ++i) {
    if (kept[i * LANES] != 0) rank += 1;
    if (complement[i * LANES] != 0) rank += multiplicity;
  }
  a.group.batch.rank[a.group.first + l] = static_cast<std::int32_t>(rank);
}

// The encoder of a latent; its sign makes the largest of its weights on e positive.
static void write_encoder(const Solved& a, std::size_t l, std::size_t row, std::size_t latent) {
  const PopulationBatch& batch = a.group.batch;
  const WorldShape& s = a.world.shape;
  const std::size_t ne = a.problem.e.rows, q = s.q;
  const double* g = a.spectrum.g + row * ne * LANES + l;
  double largest = 0, sign = 1;
  for (std::size_t j = 0; j < ne; ++j) {
    const double v = g[j * LANES];
    if (__builtin_fabs(v) > largest * (1 + 1e-9)) {
      largest = __builtin_fabs(v);
      sign = v < 0 ? -1 : 1;
    }
  }
  const std::size_t from = row * s.qe * LANES + l;
  const std::size_t to = ((a.group.first + l) * batch.max_latent() + latent) * q;
  const double *c = a.encoder.c + from, *d = a.encoder.d + from;
  double *out_c = batch.encoder_c + to, *out_d = batch.encoder_d + to;
  for (std::size_t j = 0; j < q; ++j) {
    out_c[j] = sign * c[j * LANES];
    out_d[j] = sign * d[j * LANES];
  }
}

// Takes latents until there are k: the spectrum with the complement's multiplicity, and which row each of its
// entries comes from.
static void take_latents(const Solved& a, std::size_t l, double multiplicity, std::size_t k, Taken& t) {
  const PopulationBatch& batch = a.group.batch;
  const std::size_t problem = a.group.first + l, rows = a.spectrum.rows;
  double* spectrum = batch.spectrum + problem * batch.max_latent();
  std::uint8_t* picks = batch.complement + problem * batch.max_latent();
  const auto fill = [&](double value, bool complement) {
    spectrum[t.filled] = value;
    picks[t.filled] = complement;
    t.eigenvalues += value;
    return t.filled++;
  };
  while (t.filled < k) {
    if (t.still > 0) {
      fill(a.spectrum.lambda[(t.row - 1) * LANES + l], true);
      t.picked += 1;
      t.still -= 1;
      continue;
    }
    if (t.row >= rows) {
      fill(0, false);
      continue;
    }
    const std::size_t i = t.row++;
    if (a.spectrum.complement[i * LANES + l] != 0) {
      t.still = multiplicity;
      continue;
    }
    const bool kept = a.spectrum.kept[i * LANES + l] != 0;
    const std::size_t latent = fill(kept ? a.spectrum.lambda[i * LANES + l] : 0, false);  // else rounding
    if (!kept) continue;
    t.variance += a.moments.raw.zz[(i * rows + i) * LANES + l];
    t.moved += a.moved[i * LANES + l];
    if (batch.encoder) write_encoder(a, l, i, latent);
  }
}

static void write_metrics(const Solved& a, std::size_t l, double multiplicity, std::size_t m,
                          const Taken& t) {
  const PopulationBatch& batch = a.group.batch;
  const Moments& moments = a.moments;
  const std::size_t stride = batch.count * batch.latent_count;
  const std::size_t out = (a.group.first + l) * batch.latent_count + m;
  const double eta = a.world.sensor[l];
  const double cc = a.encoder.complement_c[l], cd = a.encoder.complement_d[l];
  const double complement_variance = eta * eta * (cc * cc + cd * cd);
  const double complement_seen = cc == 0 ? 0 : eta * eta * cc * cc / (cc * cc + cd * cd);
  const double o_total =
      a.spectrum.observation_total[l] + eta * eta * (static_cast<double>(a.world.shape.q) + multiplicity);
  const double action_left = moments.action_left[l], action_total = moments.action_total[l];
  const double exogenous_left = moments.exogenous_left[l], exogenous_total = moments.exogenous_total[l];
  const bool action_void = !(action_left > VOID_VARIANCE * action_total);
  const bool exogenous_void = !(exogenous_left > VOID_VARIANCE * exogenous_total);
  const double nan = __builtin_nan("");
  double* metrics = batch.metrics + out;
  const auto metric = [&](PopulationMetric which, double value) {
    metrics[static_cast<std::size_t>(which) * stride] = value;
  };
  const auto of = [&](const double* values) { return values[m * LANES + l]; };
  // Shares of a variance leave [0, 1] by rounding alone.
  const auto share = [](double v) { return v < 0 ? 0 : v > 1 ? 1 : v; };
  const Explained& x = a.explained;
  metric(ACTION_ERROR, action_void ? nan : share(1 - of(x.by_action) / action_left));
  metric(FUTURE_LEAKAGE, exogenous_void ? nan : share(of(x.by_exogenous) / exogenous_left));
  metric(ACTION_INFORMATION, action_void ? nan : of(x.action_information));
  metric(FUTURE_INFORMATION, exogenous_void ? nan : of(x.future_information));
  metric(CONSISTENCY_ERROR, t.moved / (t.variance + t.picked * complement_variance));
  metric(RAW_ACTION_ERROR, share(1 - of(x.raw_by_action) / action_total));
  metric(RAW_EXOGENOUS_NEXT_ERROR, share(1 - of(x.raw_by_exogenous) / exogenous_total));
  metric(RAW_OBSERVATION_ERROR, share(1 - (of(x.raw_by_observation) + t.picked * complement_seen) / o_total));
}

static void write_lane(const Solved& a, std::size_t l) {
  const PopulationBatch& batch = a.group.batch;
  const std::size_t problem = a.group.first + l;
  const double multiplicity = batch.parameters[COMPLEMENT_DIM * batch.count + problem];
  const double loss_before = a.problem.trace[l] + multiplicity * a.problem.trace_complement[l];
  write_rank(a, l, multiplicity);
  Taken taken{};
  for (std::size_t m = 0; m < batch.latent_count; ++m) {
    take_latents(a, l, multiplicity, static_cast<std::size_t>(batch.latents[m]), taken);
    const double loss = loss_before - taken.eigenvalues;
    batch.loss[problem * batch.latent_count + m] = loss;
    batch.status[problem] = !(loss - loss == 0) ? NON_FINITE : a.spectrum.empty[l] ? EMPTY_PROBLEM : OK;
    write_metrics(a, l, multiplicity, m, taken);
  }
  if (batch.encoder) {
    batch.complement_encoder[2 * problem] = a.encoder.complement_c[l];
    batch.complement_encoder[2 * problem + 1] = a.encoder.complement_d[l];
  }
}

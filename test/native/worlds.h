// Objectives and batches of worlds for the native tests.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "check.h"
#include "core/population.h"

namespace exo::test {

using Numbers = std::vector<double>;

inline Block block(std::initializer_list<Term> terms, bool projected = false) {
  Block b{};
  for (const Term& t : terms) b.terms[b.count++] = t;
  b.projected = projected;
  return b;
}
inline Stack stack(std::initializer_list<Block> blocks) {
  Stack s{};
  for (const Block& b : blocks) s.blocks[s.count++] = b;
  return s;
}
inline const Block NOW = block({{OBSERVATION, -1, 1}}), NEXT = block({{OBSERVATION_NEXT, -1, 1}});

inline Objective reconstruction() {
  Objective o{};
  o.y = o.e = stack({NEXT});
  o.f = stack({NOW});
  o.innovation = true;
  return o;
}
inline Objective supervised() {
  Objective o = reconstruction();
  o.y = stack({NEXT, block({{ACTION, 0, 1}})});
  return o;
}
// A penalty and an augmented regressor at once: every branch of the composition.
inline Objective composed() {
  Objective o{};
  o.y = stack({block({{OBSERVATION_NEXT, -1, 1}, {DECODER_NOISE, 0, 1}})});
  o.f = stack({block({{OBSERVATION, -1, 1}, {DECODER_NOISE, 0, 1}})});
  o.e = stack({block({{OBSERVATION, -1, 1}, {ENCODER_NOISE, 0, 1}}),
               block({{OBSERVATION_NEXT, -1, 1}, {ENCODER_NOISE, 0, 1}})});
  return o;
}
inline Objective robust() {
  Objective o = reconstruction();
  o.penalty_count = 1;
  o.penalties[0].of = stack({block({{OBSERVATION_NEXT, -1, 1}, {PAIR_OBSERVATION_NEXT, -1, -1}})});
  o.penalties[0].given = stack({block({{OBSERVATION, -1, 1}, {PAIR_OBSERVATION, -1, -1}})});
  o.penalties[0].weight = 0;
  return o;
}

// A batch with memory of its own: orthonormal worlds (mixing is the identity) of random parameters.
struct Worlds {
  static constexpr std::size_t ds = 5, dx = 4, da = 3, q = ds + dx;
  std::size_t count;
  std::vector<std::int32_t> latents, matrix_index, rank;
  Numbers parameters, coefficients, mixing, effect, gain_s, gain_x, loss, spectrum, next, metrics, favourable,
      c, d, complement_encoder;
  std::vector<std::uint8_t> unique, complement, status, careful;
  PopulationBatch batch{};

  Worlds(std::size_t n, const Objective& objective, std::vector<std::int32_t> dims, bool noise,
         Random& random)
      : count(n), latents(std::move(dims)) {
    const std::size_t k = static_cast<std::size_t>(latents.back()), many = latents.size();
    matrix_index.assign(n, 0);
    rank.assign(n, -1);
    parameters.assign(PARAMETER_COUNT * n, 0);
    coefficients.assign(n, 0.7);
    const auto set = [&](Parameter p, double least, double most) {
      for (std::size_t i = 0; i < n; ++i)
        parameters[p * n + i] = least + (most - least) * (random.uniform() + 1) / 2;
    };
    set(ENDOGENOUS_DECAY, 0.5, 1);
    set(EXOGENOUS_DECAY, 0, 1);
    set(ACTION_SCALE, 0.4, 1.6);
    set(EXOGENOUS_SCALE, 0.2, 3);
    set(POLICY_NOISE, 0.3, 1.2);
    set(EXOGENOUS_INITIAL_SCALE, 1, 1);
    if (noise) {
      set(SENSOR_NOISE, 0.01, 0.2);
      set(PROCESS_NOISE, 0.1, 0.3);
      for (std::size_t i = 0; i < n; ++i) parameters[COMPLEMENT_DIM * n + i] = static_cast<double>(i % 4);
    }
    mixing.assign(q * q, 0);
    for (std::size_t i = 0; i < q; ++i) mixing[i * q + i] = 1;
    effect.assign(ds * da, 0);
    for (std::size_t i = 0; i < da; ++i) effect[i * da + i] = 1;
    gain_s.assign(da * ds, 0.1);
    gain_x.assign(da * dx, 0.1);
    loss.assign(n * many, NAN);
    spectrum.assign(n * k, NAN);
    metrics.assign(POPULATION_METRIC_COUNT * n * many, NAN);
    favourable.assign(POPULATION_METRIC_COUNT * n * many, 0);
    next.assign(n * many, NAN);
    unique.assign(n * many, 255);
    c.assign(n * k * q, 0);
    d.assign(n * k * q, 0);
    complement.assign(n * k, 0);
    complement_encoder.assign(2 * n, 0);
    status.assign(n, 255);
    careful.assign(n, 255);
    batch = {n,
             q,
             ds,
             dx,
             da,
             0,
             many,
             latents.data(),
             objective,
             parameters.data(),
             coefficients.data(),
             1,
             matrix_index.data(),
             mixing.data(),
             effect.data(),
             gain_s.data(),
             gain_x.data(),
             nullptr,
             1e-10,
             true,
             loss.data(),
             spectrum.data(),
             rank.data(),
             next.data(),
             unique.data(),
             metrics.data(),
             favourable.data(),
             c.data(),
             d.data(),
             complement.data(),
             complement_encoder.data(),
             status.data(),
             careful.data()};
  }
  double metric(PopulationMetric which, std::size_t i, std::size_t m = 0) const {
    return metrics[(which * count + i) * latents.size() + m];
  }
  double parameter(Parameter p, std::size_t i) const { return parameters[p * count + i]; }
};

}  // namespace exo::test

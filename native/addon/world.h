// What every request about samples of a world says of it.
#pragma once
#include <cstddef>

#include "addon/reading.h"
#include "core/population.h"

namespace exo {

// Dimensions, parameters and what moves the states, into the spec of a call; `fault` is what is said where a
// dimension is 0.
template <class Spec>
void read_world(Request& r, Spec& s, const char* fault) {
  s.observation_dim = r.size("observationDim");
  s.endogenous_dim = r.size("endogenousDim");
  s.exogenous_dim = r.size("exogenousDim");
  s.action_dim = r.size("actionDim");
  const std::size_t ds = s.endogenous_dim, dx = s.exogenous_dim, da = s.action_dim;
  check(r, s.observation_dim > 0 && ds > 0 && dx > 0 && da > 0, fault);
  s.parameters = r.array<double>("parameters", PARAMETER_COUNT);
  s.action_effect = r.array<double>("actionEffect", times({ds, da}));
  s.state_feedback = r.array<double>("stateFeedback", times({da, ds}));
  s.exogenous_feedback = r.array<double>("exogenousFeedback", times({da, dx}));
}

}  // namespace exo

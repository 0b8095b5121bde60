// Fresh transitions of the linear world, in f32: docs/theory.md, section 1.
#pragma once
#include <memory>

#include "core/population.h"
#include "core/train/source.h"

namespace exo {

// Fields of LinearWorldSource (lib/backend/batch-sources.ts). The matrices are copied.
struct LinearWorldSpec {
  std::size_t observation_dim, endogenous_dim, exogenous_dim, action_dim;
  const double* parameters;          // (PARAMETER_COUNT)
  const double* mixing;              // (d, ds + dx)
  const double* action_effect;       // (ds, da)
  const double* state_feedback;      // (da, ds)
  const double* exogenous_feedback;  // (da, dx)
  bool square_mixing;
};

std::shared_ptr<const BatchSource> make_linear_world(const Kernels& kernels, const LinearWorldSpec& spec);

}  // namespace exo

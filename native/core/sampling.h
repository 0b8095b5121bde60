// Transitions of a world, drawn by index: docs/theory.md. A stream for each source; element = transition *
// width + coordinate, so that a transition is the same whatever batch it is drawn in.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/job.h"
#include "core/population.h"
#include "core/view.h"
#include "kernels/kernels.h"

namespace exo {

// Streams of the sources; the numbering is shared with lib/backend/reference/sampling.ts.
enum SourceStream : std::uint64_t {
  SOURCE_S = 1,
  SOURCE_X,
  SOURCE_U,
  SOURCE_WS,
  SOURCE_WX,
  SOURCE_X2,
  SOURCE_WX2,
  SOURCE_NOISE,
  SOURCE_NOISE_NEXT,
  SOURCE_PAIR_NOISE,
  SOURCE_PAIR_NOISE_NEXT
};

// T: of the observations, double or float.
template <class T>
struct SampleBatch {
  std::uint64_t first, seed;
  std::size_t count, observation_dim, endogenous_dim, exogenous_dim, action_dim;
  const double* parameters;          // (PARAMETER_COUNT)
  const double* mixing;              // (observation_dim, ds + dx)
  const double* action_effect;       // (ds, da)
  const double* state_feedback;      // (da, ds)
  const double* exogenous_feedback;  // (da, dx)
  bool pair;
  ViewSpec view;  // in place of `mixing`, where it is not linear

  T *observation, *observation_next;            // (count, observation_dim)
  T *pair_observation, *pair_observation_next;  // empty unless pair
  double* action;                               // (count, da)
  double *exogenous, *exogenous_next;           // (count, dx)
  double *endogenous, *endogenous_next;         // (count, ds)
};

// The states do not depend on T; float observations are mixed in f32, with sensor noise of the f32 streams. A
// view that is not linear is made in f32, whatever T is.
template <class T>
void sample(const Kernels& kernels, const SampleBatch<T>& batch, Job& job);

}  // namespace exo

// Training a linear LAM on second moments where only some rows have labels: full batch, exact gradients, f64.
// lib/backend/requests.ts: TrainMomentsRequest.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/job.h"
#include "kernels/kernels.h"

namespace exo {

struct TrainMomentsBatch {
  std::size_t count, sets, width, observation_dim, action_dim, latent;
  const double* moments;                              // (sets, width, width): all rows
  const std::int32_t* set;                            // (count): which of them
  const double* labelled;                             // (count, width, width): labelled rows
  const double* weight;                               // (count): weight x labelFraction
  std::size_t observation, observation_next, action;  // first columns
  double ridge, tolerance;
  std::size_t starts;  // random ones, beside those with a closed form
  std::uint64_t seed;
  std::size_t iterations;

  double *loss, *reconstruction, *head, *gradient;  // (count)
  std::int32_t* steps;                              // (count)
  double *encoder_c, *encoder_d;                    // (count, latent, observation_dim)
  std::uint8_t* status;                             // (count)
};
void train_moments(const Kernels& kernels, const TrainMomentsBatch& batch, Job& job);

}  // namespace exo

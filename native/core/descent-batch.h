// Batches of gradient training on second moments: those of worlds, and those of data
// (lib/backend/descent-requests.ts).
#pragma once
#include "core/descent.h"
#include "core/stages.h"

namespace exo {

// Beside an objective's y, f and e: how it is trained. n: width of y, and after it of the action where there
// is a head.
struct DescentBatch {
  std::size_t latent;
  std::int32_t head;  // column of the coefficient of the action, which z alone must give; -1: no head
  std::int32_t method;
  std::size_t steps, starts;
  const double *rate, *seed;  // (count)

  double *encoder_state, *decoder_state;        // (count, latent, ne), (count, n, latent)
  double *loss, *reconstruction, *supervision;  // (count)
  double* gradient;                             // (count)
  std::int32_t* step;                           // (count)
  double *encoder_c, *encoder_d;                // (count, latent, observation)
  double* decoder_f;                            // (count, width of y, nf)
  double* outside;                              // (count): of worlds
  double* metrics;                              // (POPULATION_METRIC_COUNT, count): of worlds
  std::uint8_t* status;                         // (count)
};

void descend_population(const Kernels& kernels, const PopulationBatch& worlds, const DescentBatch& batch,
                        Job& job);
// `labelled`: (count, width, width) moments of the head's rows.
void descend_moments(const Kernels& kernels, const MomentsBatch& data, const double* labelled,
                     const DescentBatch& batch, Job& job);

// The state of one problem, out of the batch and back into it.
DescentState state_of(const DescentBatch& batch, std::size_t index, std::size_t ne,
                      const std::vector<std::size_t>& widths);
void store_state(const DescentBatch& batch, std::size_t index, const DescentState& state);
DescentOptions options_of(const DescentBatch& batch, std::size_t index, double tolerance);

}  // namespace exo

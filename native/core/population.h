// A batch of worlds of one shape under one objective, at population level (lib/backend/requests.ts:
// PopulationRequest).
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/objective.h"
#include "core/status.h"

namespace exo {

// The numbering of PARAMETERS and POPULATION_METRICS in lib/backend/requests.ts.
enum Parameter {
  ENDOGENOUS_DECAY,
  EXOGENOUS_DECAY,
  ACTION_SCALE,
  EXOGENOUS_SCALE,
  POLICY_NOISE,
  PROCESS_NOISE,
  SENSOR_NOISE,
  STATE_FEEDBACK,
  EXOGENOUS_FEEDBACK,
  ACTION_EXOGENOUS_CORRELATION,
  EXOGENOUS_INITIAL_SCALE,
  COMPLEMENT_DIM,
  HIDDEN_EXOGENOUS_DIM,
  PARAMETER_COUNT
};

enum PopulationMetric {
  ACTION_ERROR,
  FUTURE_LEAKAGE,
  ACTION_INFORMATION,
  FUTURE_INFORMATION,
  CONSISTENCY_ERROR,
  RAW_ACTION_ERROR,
  RAW_EXOGENOUS_NEXT_ERROR,
  RAW_OBSERVATION_ERROR,
  INNOVATION_LEAKAGE,
  LATENT_SHARE_EXOGENOUS,
  LATENT_SHARE_ACTION,
  POPULATION_METRIC_COUNT
};

struct PopulationBatch {
  std::size_t count;
  std::size_t basis, endogenous, exogenous, action;  // q, ds, dx, da
  std::size_t projected;                             // rows of P; 0: none
  std::size_t latent_count;                          // K
  const std::int32_t* latents;                       // (K), ascending
  Objective objective;
  const double* parameters;          // (PARAMETER_COUNT, count)
  const double* coefficients;        // (columns, count)
  std::size_t coefficient_count;     // columns
  const std::int32_t* matrix_index;  // (count), into the stacks below
  const double* mixing;              // (m, q, ds + dx)
  const double* action_effect;       // (m, ds, da)
  const double* state_feedback;      // (m, da, ds)
  const double* exogenous_feedback;  // (m, da, dx)
  const double* projection;          // (m, projected, q)
  double tolerance;                  // relative eigenvalue cut of every pseudo-inverse
  bool encoder;

  double* loss;                // (count, K)
  double* spectrum;            // (count, max latent)
  std::int32_t* rank;          // (count)
  double* next;                // (count, K)
  std::uint8_t* unique;        // (count, K)
  double* metrics;             // (POPULATION_METRIC_COUNT, count, K)
  double* favourable;          // likewise, where not unique
  double* encoder_c;           // (count, max latent, q), null unless encoder
  double* encoder_d;           // (count, max latent, q)
  std::uint8_t* complement;    // (count, max latent)
  double* complement_encoder;  // (count, 2)
  std::uint8_t* status;        // (count)

  // (count): 1 where the kernel leaves the problem to solve_carefully, set by it.
  std::uint8_t* careful = nullptr;
  // What a kernel looks at in the middle of a large problem, whose answer it leaves out once that is not 0.
  const std::int32_t* stop = nullptr;
  // What no problem of the batch has need not be computed: set by solve_population.
  bool sensor_noise = true, process_noise = true, feedback = true;

  std::size_t max_latent() const { return static_cast<std::size_t>(latents[latent_count - 1]); }
};

}  // namespace exo

// Minibatch training: the stages behind trainBatch, trainLoss, applyNetwork and drawRows.
#pragma once
#include <vector>

#include "core/job.h"
#include "core/train/shape.h"
#include "kernels/kernels.h"

namespace exo {

// Flat arrays of a run, f32: parameters and the optimiser's moments in the layout of tensorsOf
// (lib/backend/train-requests.ts), the codebook's running counts and sums.
struct TrainArrays {
  float *parameters, *first, *second, *counts, *sums;
};

struct TrainRun {
  TrainProblem problem;
  TrainOptimiser optimiser;
  std::uint64_t step;  // done before this call
  TrainArrays state;   // in and out; untouched where the loss stops being finite
  std::size_t steps, trace_every;
  double* trace;           // (LOSS_PARTS, ceil(steps / trace_every))
  double* usage;           // (codes, size)
  std::int64_t failed_at;  // out: -1, or the step whose loss was not finite
};

// Each run on a thread of its own where there are several; one run on several threads where it is alone.
void train_batch(const Kernels& kernels, std::vector<TrainRun>& runs, Job& job);

struct TrainLoss {
  TrainProblem problem;
  std::uint64_t step;
  const double* parameters;
  double* parts;     // (LOSS_PARTS)
  double* gradient;  // (parameters)
};
void train_loss(const Kernels& kernels, const TrainLoss& batch, Job& job);

struct ApplyBatch {
  NetworkShape shape;
  const float *projection, *parameters;
  std::size_t rows;
  const float *observation, *observation_next;  // (rows, d), null where latent is given
  const float* latent;                          // (rows, k), or null
  const float* given;                           // (rows, d): what the decoder is given

  float *encoded, *decoded_latent, *prediction, *action;
  std::int32_t* codes;
};
void apply_network(const Kernels& kernels, const ApplyBatch& batch, Job& job);

struct DrawBatch {
  std::shared_ptr<const BatchSource> source;
  std::uint64_t seed, first;
  RowNeeds needs;
  Rows rows;
  std::size_t observation_dim, action_dim, endogenous_dim, exogenous_dim;
};
void draw_rows(const Kernels& kernels, const DrawBatch& batch, Job& job);

}  // namespace exo

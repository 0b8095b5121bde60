// Every stage of the core, one function each. They know arrays and numbers; the caller has checked sizes and
// finiteness. Requests mirror lib/backend/requests.ts, which documents every field.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/job.h"
#include "core/population.h"
#include "kernels/kernels.h"

namespace exo {

void solve_population(const Kernels& kernels, const PopulationBatch& batch, Job& job);

struct MomentsBatch {
  std::size_t count, width;
  const double* moments;  // (count, width, width)
  double* spoilt;         // the same memory where it may be written to, or null
  std::size_t observation_dim, action_dim;
  std::int32_t column[VARIABLE_COUNT];  // first column of each variable, -1 where absent
  Objective objective;
  const double* coefficients;  // (columns, count)
  const double* projection;    // (projected, observation_dim)
  std::size_t projected;
  std::size_t coefficient_columns;
  std::size_t latent;
  double ridge, tolerance;
  bool decoder;

  double* trace;       // (count)
  double* spectrum;    // (count, ne), ne = moments_width of e
  std::int32_t* rank;  // (count)
  double* encoder_c;   // (count, latent, observation_dim)
  double* encoder_d;
  // Where a decoder is asked for; m = moments_decoded_width.
  double* decoder_a;     // (count, m, observation_dim)
  double* decoder_b;     // (count, m, latent)
  double* innovation_c;  // (count, latent, observation_dim)
  // Of condition_moments alone, widths of the stacks y, f, e.
  double *y_on_f, *e_on_f;  // (count, nf, ny), (count, nf, ne)
  double* ye;               // (count, ny, ne)
  std::uint8_t* status;     // (count)
};
std::size_t moments_width(const MomentsBatch& batch, const Stack& stack);
// Width of y without its actions.
std::size_t moments_decoded_width(const MomentsBatch& batch);
void solve_moments(const Kernels& kernels, const MomentsBatch& batch, Job& job);
// y and e given f, nothing solved.
void condition_moments(const Kernels& kernels, const MomentsBatch& batch, Job& job);

struct ProbeBatch {
  std::size_t width;
  const double *train, *held_out;  // (width, width)
  std::size_t observation, observation_next, observation_dim;
  const double *encoder_c, *encoder_d;  // (rows, observation_dim)
  std::size_t rows, latent_count, target_count;
  const std::int32_t* latents;  // (latent_count), ascending
  const std::int32_t* targets;  // (target_count, 2): first column, width
  double ridge;
  std::int32_t pair_observation, pair_observation_next;  // first columns, -1 where absent

  double *conditional, *raw, *information;  // (latent_count, target_count)
  double* remaining;                        // (target_count)
  double* consistency;                      // (latent_count)
};
void probe(const Kernels& kernels, const ProbeBatch& batch, Job& job);

// out (width, width) = sum over rows of (x - mean)^T (x - mean).
void accumulate(const Kernels& kernels, std::size_t rows, std::size_t width, const double* data,
                const double* mean, double* out, Job& job);

// out (rows, cols) = op(a) op(b), op(a) (rows, inner).
void multiply(const Kernels& kernels, bool transpose_a, bool transpose_b, std::size_t rows, std::size_t cols,
              std::size_t inner, const double* a, const double* b, double* out, Job& job);

// values (count, n) descending, vectors (count, n, n) as rows. NaN where it did not converge.
void symmetric_eigen(const Kernels& kernels, const double* matrices, std::size_t n, std::size_t count,
                     double* values, double* vectors, Job& job);

// solutions (count, n, m). NaN where a matrix is not positive definite.
void cholesky_solve(const Kernels& kernels, const double* matrices, const double* right_sides, std::size_t n,
                    std::size_t m, std::size_t count, double* solutions, Job& job);

}  // namespace exo

// Metrics on data (docs/theory.md section 4): held-out errors of models fitted fold by fold, and those of the
// jackknife that fits them again without a group of units. Everything from one matrix of joint second moments
// a unit.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/job.h"
#include "core/objective.h"
#include "kernels/kernels.h"

namespace exo {

// The numbering of ESTIMATED in lib/backend/requests.ts.
enum class Estimated : std::int32_t {
  ActionError,
  FutureLeakage,
  InnovationLeakage,
  ShareExogenous,
  ShareAction,
  EndogenousError,
  ConsistencyError,
  RawActionError,
  RawExogenousNextError,
  RawObservationError,
  ShareEither
};
constexpr std::size_t ESTIMATED_COUNT = 11;

// Columns of one variable in a unit's moments; size 0 where the data lacks it.
struct Columns {
  std::size_t begin = 0, size = 0;
};

// Column 0 of the moments is the constant 1.
struct UnitLayout {
  std::size_t width;
  Columns observation, observation_next, action, exogenous, exogenous_next, endogenous_next, pair_observation,
      pair_observation_next;
};

// An objective with the numbers that it refers to.
struct Fitted {
  Objective objective;
  std::vector<double> coefficients;
  const double* projection;  // (projected, observation_dim)
  std::size_t projected;
  double gain = 0;  // above 0: the projection is made of each model's own moments, FoldFit::suppressing
};

// A variable as rows, less `mean` and times `factor`; width 0 where the data lacks it.
struct RowVariable {
  std::size_t width;
  const double* values;         // (rows, width)
  const double *mean, *factor;  // (width)
};

// The rows of a data set, dealt to units.
struct RowSource {
  std::size_t count;
  const std::int32_t* unit;                      // (count): -1 for a row that is left out
  RowVariable variables[8];                      // in the order of a layout
  std::size_t most_kept = std::size_t{1} << 26;  // bytes that the sums of folds may take, to be kept
};

struct EstimatesBatch {
  std::size_t units, folds, groups;
  UnitLayout layout;
  // Either one matrix a unit, or rows: then groups are folds.
  const double* moments;             // (units, width, width), or null
  RowSource rows;                    // count 0 where there are none
  const std::int32_t *fold, *group;  // (units); a group lies in one fold
  std::vector<Fitted> objectives;
  const std::int32_t* chosen;   // (folds): which objective a fold fits, or null: each of them
  const std::int32_t* latents;  // (latent_count), ascending
  std::size_t latent_count;
  const double* grid;  // (grid_size), ascending
  std::size_t grid_size;

  std::size_t answers() const { return chosen ? 1 : objectives.size(); }

  double* ridges;  // (folds), in and out: NaN asks for a choice from the grid
  double*
      held;  // (answers, latent_count, ESTIMATED_COUNT, 2, units): sums of squared errors, with z and without
  double* training;      // (answers, latent_count, ESTIMATED_COUNT, 2)
  double* replicates;    // (answers, latent_count, ESTIMATED_COUNT, 2, groups): held-out sums of the fits
                         // without a group
  std::uint8_t* status;  // (1)
};

void estimate(const Kernels& kernels, const EstimatesBatch& batch, Job& job);

// out (width - 1, width - 1): covariance of rows, the constant's column left out.
void row_covariance(const Kernels& kernels, const UnitLayout& layout, const RowSource& rows, double* out,
                    Job& job);

}  // namespace exo

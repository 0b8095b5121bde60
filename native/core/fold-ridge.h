// The ridge of a fold: judged by leaving out one inner fold at a time.
#pragma once
#include <vector>

#include "core/fold-fit.h"

namespace exo {

// Errors of o' at unit variance, predicted from o under every ridge of the grid, of a model that saw
// `training`: on the sums of each of two sets of rows. One eigendecomposition serves them all. False where it
// did not converge.
bool ridge_errors(const Kernels& k, const UnitLayout& layout, const Matrix& training, const double* grid,
                  std::size_t grid_size, const Matrix* const held_out[2], std::vector<double> errors[2]);

// The smallest ridge whose error is within a tenth of the best.
double smallest_good_ridge(const double* grid, const std::vector<double>& errors);

}  // namespace exo

// The ridge of a fold of wide observations: what fold-ridge.h says, from rows.
#pragma once
#include "core/unit-rows.h"

namespace exo {

// Errors of o' at unit variance, predicted from o under every ridge of the grid by a model that saw all folds
// but `one` and `other`: on the rows of `other` ([0]) and of `one` ([1]), where they are wanted. `moments`
// are moved there: the rows of o and the columns of o and o'. False where the problem is not finite.
bool wide_ridge_errors(const Dense& dense, const EstimatesBatch& batch, const UnitRows& rows,
                       MovingSums& moments, LeftOut left, const bool wanted[2],
                       std::vector<double> errors[2]);

}  // namespace exo

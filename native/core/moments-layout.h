// A moments request as the stages that read stacks of blocks want it.
#pragma once
#include "core/estimates.h"
#include "core/stages.h"

namespace exo {

UnitLayout layout_of(const MomentsBatch& batch);
// The objective with the numbers of one problem.
Fitted fitted_of(const MomentsBatch& batch, std::size_t index);

}  // namespace exo

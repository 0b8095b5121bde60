// The stage of estimates for wide observations, whose folds are the groups of the jackknife too: from rows,
// one set of folds after the other, each on all threads. Memory holds the joint moments once.
#pragma once
#include "core/estimates.h"
#include "core/status.h"

namespace exo {

Status estimate_wide(const Kernels& kernels, const EstimatesBatch& batch, Job& job);

}  // namespace exo

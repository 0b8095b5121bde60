// The population path for what a covariance in f64 does not settle: ties that a metric tells apart, spectra
// over many decades, nearly singular regressors. Plain doubles on loadings, one problem at a time, tens of
// times slower than the kernels, and the same bits on every instruction set.
#pragma once
#include <cstddef>

#include "core/given.h"
#include "core/population.h"

namespace exo {

// `memory`: one for each thread.
void solve_carefully(const PopulationBatch& batch, std::size_t problem, GivenMemory& memory);

}  // namespace exo

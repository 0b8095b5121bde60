// Second moments of many transitions without the transitions: a Wishart matrix seen through loadings.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/job.h"
#include "kernels/kernels.h"

namespace exo {

struct WishartBatch {
  std::uint64_t first, seed, degrees;
  std::size_t count, width, sources;
  const double* loadings;  // (width, sources)
  double* moments;         // (count, width, width)
};

// moments of draw n = loadings W loadings^T / degrees, W Wishart of `degrees` degrees of freedom. Draws n,
// first <= n < first + count, depend on seed and n alone.
void wishart(const Kernels& kernels, const WishartBatch& batch, Job& job);

}  // namespace exo

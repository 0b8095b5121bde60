#include <algorithm>

#include "core/pool.h"
#include "core/stages.h"

namespace exo {

// Threads take panels of rows, and a part of a product equals the same part of the whole, bit by bit.
void multiply(const Kernels& kernels, bool transpose_a, bool transpose_b, std::size_t rows, std::size_t cols,
              std::size_t inner, const double* a, const double* b, double* out, Job& job) {
  constexpr std::size_t panel = 96;
  const std::size_t panels = (rows + panel - 1) / panel;
  job.expect(panels);
  parallel_for(job, panels, [&](std::size_t index, std::size_t) {
    const std::size_t first = index * panel, here = std::min(panel, rows - first);
    kernels.gemm(transpose_a, transpose_b, here, cols, inner, 1, transpose_a ? a + first : a + first * inner,
                 transpose_a ? rows : inner, b, transpose_b ? inner : cols, 0, out + first * cols, cols);
  });
}

}  // namespace exo

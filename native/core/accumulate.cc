#include <algorithm>

#include "core/aligned.h"
#include "core/pool.h"
#include "core/stages.h"

namespace exo {

// Threads split the output, never the sum over rows: the bits do not depend on their number.
void accumulate(const Kernels& kernels, std::size_t rows, std::size_t width, const double* data,
                const double* mean, double* out, Job& job) {
  constexpr std::size_t chunk = 1024, tile = 192;
  const std::size_t tiles = (width + tile - 1) / tile, pairs = tiles * (tiles + 1) / 2;
  std::fill(out, out + width * width, 0.0);
  job.expect((rows + chunk - 1) / chunk * pairs);
  const AlignedDoubles centred = aligned_doubles(std::min(rows, chunk) * width);
  for (std::size_t begin = 0; begin < rows; begin += chunk) {
    const std::size_t n = std::min(chunk, rows - begin);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < width; ++j)
        centred[i * width + j] = data[(begin + i) * width + j] - mean[j];
    parallel_for(job, pairs, [&](std::size_t pair, std::size_t) {
      std::size_t a = 0, b = pair;
      for (; b >= tiles - a; ++a) b -= tiles - a;
      b += a;
      const std::size_t ia = a * tile, ib = b * tile;
      const std::size_t wa = std::min(tile, width - ia), wb = std::min(tile, width - ib);
      double* c = out + ia * width + ib;
      if (a == b)
        kernels.syrk_accumulate(n, wa, centred.get() + ia, width, c, width);
      else
        kernels.gemm(true, false, wa, wb, n, 1, centred.get() + ia, width, centred.get() + ib, width, 1, c,
                     width);
    });
  }
  // The lower triangle is the upper one, copied in squares that stay in the cache.
  constexpr std::size_t square = 32;
  for (std::size_t i0 = 0; i0 < width; i0 += square)
    for (std::size_t j0 = 0; j0 <= i0; j0 += square)
      for (std::size_t i = i0; i < std::min(i0 + square, width); ++i)
        for (std::size_t j = j0; j < std::min({j0 + square, i, width}); ++j)
          out[i * width + j] = out[j * width + i];
}

}  // namespace exo

#include <algorithm>
#include <limits>
#include <vector>

#include "core/aligned.h"
#include "core/pool.h"
#include "core/stages.h"

namespace exo {
namespace {

constexpr std::size_t LANES_UP_TO = 64;  // larger matrices are solved one at a time by the dense family
constexpr double NaN = std::numeric_limits<double>::quiet_NaN();

// Copies `present` of `lanes` problems of `size` numbers each into lane order; lanes beyond repeat the last
// problem.
void interleave(const double* from, std::size_t size, std::size_t lanes, std::size_t present, double* to) {
  for (std::size_t l = 0; l < lanes; ++l) {
    const double* problem = from + std::min(l, present - 1) * size;
    for (std::size_t i = 0; i < size; ++i) to[i * lanes + l] = problem[i];
  }
}

void deinterleave(const double* from, std::size_t size, std::size_t lanes, std::size_t present, double* to) {
  for (std::size_t l = 0; l < present; ++l)
    for (std::size_t i = 0; i < size; ++i) to[l * size + i] = from[i * lanes + l];
}

// One scratch buffer for each worker, made by the worker that needs it.
class Scratch {
 public:
  Scratch(const Job& job, std::size_t size) : buffers_(job.threads), size_(size) {}
  double* of(std::size_t worker) {
    if (!buffers_[worker]) buffers_[worker] = aligned_doubles(size_);
    return buffers_[worker].get();
  }

 private:
  std::vector<AlignedDoubles> buffers_;
  std::size_t size_;
};

}  // namespace

void symmetric_eigen(const Kernels& k, const double* matrices, std::size_t n, std::size_t count,
                     double* values, double* vectors, Job& job) {
  const std::size_t nn = n * n;
  if (n > LANES_UP_TO) {
    Scratch scratch(job, k.eigen_work(n));
    job.expect(count);
    parallel_for(job, count, [&](std::size_t i, std::size_t worker) {
      std::copy(matrices + i * nn, matrices + (i + 1) * nn, vectors + i * nn);
      if (!k.eigen(vectors + i * nn, n, values + i * n, scratch.of(worker)))
        std::fill(values + i * n, values + (i + 1) * n, NaN);
    });
    return;
  }
  const std::size_t lanes = k.lanes, groups = (count + lanes - 1) / lanes;
  Scratch scratch(job, (nn + n) * lanes + k.eigen_lanes_work(n));
  job.expect(groups);
  parallel_for(job, groups, [&](std::size_t group, std::size_t worker) {
    double* a = scratch.of(worker);
    double* w = a + nn * lanes;
    const std::size_t first = group * lanes, present = std::min(lanes, count - first);
    interleave(matrices + first * nn, nn, lanes, present, a);
    k.eigen_lanes(a, w, n, w + n * lanes);
    deinterleave(w, n, lanes, present, values + first * n);
    deinterleave(a, nn, lanes, present, vectors + first * nn);
  });
}

void cholesky_solve(const Kernels& k, const double* matrices, const double* right_sides, std::size_t n,
                    std::size_t m, std::size_t count, double* solutions, Job& job) {
  const std::size_t nn = n * n, nm = n * m;
  if (n > LANES_UP_TO) {
    Scratch scratch(job, nn);
    job.expect(count);
    parallel_for(job, count, [&](std::size_t i, std::size_t worker) {
      double* l = scratch.of(worker);
      std::copy(matrices + i * nn, matrices + (i + 1) * nn, l);
      double* x = solutions + i * nm;
      std::copy(right_sides + i * nm, right_sides + (i + 1) * nm, x);
      if (k.cholesky(l, n, n) > 0)
        k.cholesky_solve(l, n, n, x, m, m);
      else
        std::fill(x, x + nm, NaN);
    });
    return;
  }
  const std::size_t lanes = k.lanes, groups = (count + lanes - 1) / lanes;
  Scratch scratch(job, (nn + nm + 1) * lanes);
  job.expect(groups);
  parallel_for(job, groups, [&](std::size_t group, std::size_t worker) {
    double* a = scratch.of(worker);
    double *x = a + nn * lanes, *pivot = x + nm * lanes;
    const std::size_t first = group * lanes, present = std::min(lanes, count - first);
    interleave(matrices + first * nn, nn, lanes, present, a);
    interleave(right_sides + first * nm, nm, lanes, present, x);
    k.cholesky_lanes(a, n, pivot);
    k.cholesky_solve_lanes(a, x, n, m);
    deinterleave(x, nm, lanes, present, solutions + first * nm);
    for (std::size_t l = 0; l < present; ++l)
      if (!(pivot[l] > 0)) std::fill(solutions + (first + l) * nm, solutions + (first + l + 1) * nm, NaN);
  });
}

}  // namespace exo

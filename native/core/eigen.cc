#include <algorithm>
#include <limits>
#include <vector>

#include "core/aligned.h"
#include "core/pool.h"
#include "core/stages.h"

namespace exo {
namespace {

constexpr std::size_t LANES_UP_TO = 64;  // larger matrices are solved one at a time by the dense family
constexpr std::size_t CHUNK = 8;         // vectors of problems in one task
constexpr double NaN = std::numeric_limits<double>::quiet_NaN();

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

// Tasks of `size` problems each but the last, which has what is left.
template <typename Task>
void in_chunks(Job& job, std::size_t count, std::size_t size, const Task& task) {
  const std::size_t chunks = (count + size - 1) / size;
  job.expect(chunks);
  parallel_for(job, chunks, [&](std::size_t chunk, std::size_t worker) {
    const std::size_t first = chunk * size;
    task(first, std::min(size, count - first), worker);
  });
}

}  // namespace

void symmetric_eigen(const Kernels& k, const double* matrices, std::size_t n, std::size_t count,
                     double* values, double* vectors, Job& job) {
  const std::size_t nn = n * n;
  if (n > LANES_UP_TO) {
    Scratch scratch(job, k.eigen_work(n));
    job.expect(count);
    parallel_for(job, count, [&](std::size_t i, std::size_t worker) {
      std::copy(matrices + i * nn, matrices + (i + 1) * nn, vectors + i * nn);
      if (!k.eigen(vectors + i * nn, n, values + i * n, scratch.of(worker), job.stop()))
        std::fill(values + i * n, values + (i + 1) * n, NaN);
    });
    return;
  }
  Scratch scratch(job, k.eigen_batch_work(n));
  in_chunks(job, count, CHUNK * k.lanes, [&](std::size_t first, std::size_t size, std::size_t worker) {
    k.eigen_batch(matrices + first * nn, n, size, values + first * n, vectors + first * nn,
                  scratch.of(worker));
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
  Scratch scratch(job, k.cholesky_batch_work(n, m));
  in_chunks(job, count, CHUNK * k.lanes, [&](std::size_t first, std::size_t size, std::size_t worker) {
    k.cholesky_solve_batch(matrices + first * nn, right_sides + first * nm, n, m, size,
                           solutions + first * nm, scratch.of(worker));
  });
}

}  // namespace exo

#include "core/wishart.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/matrix.h"
#include "core/memory.h"
#include "core/pool.h"

// Bartlett's decomposition (Proc. R. Soc. Edinburgh 53, 1933): W = T T^T for a lower trapezoidal T (n, m), m
// = min(n, degrees), with independent entries: chi of degrees - i degrees of freedom on the diagonal, N(0, 1)
// below. With fewer degrees than sources the rotation that makes the first m rows triangular leaves the rows
// below standard normal, so that the singular case is the same.
namespace exo {
namespace {

// Streams beside those of sampling.h; shared with lib/backend/reference/wishart.ts. Entry (i, j < i) of draw
// n is element n n_below + i (i - 1) / 2 + j of BELOW; attempt t at the diagonal entry i of draw n reads
// elements 4 (n sources + i) .. + 3 of DIAGONAL + t 2^32.
constexpr std::uint64_t BELOW = 12, DIAGONAL = 13;
// Numbers of one task, about: enough that starting it does not show.
constexpr std::size_t TASK_NUMBERS = 1 << 15;
// Columns of T that are multiplied together, without the zeros above them.
constexpr std::size_t PANEL = 64;

// One attempt at chi of `degrees` degrees of freedom from four standard normals: true and the number, or
// false. Marsaglia and Tsang (ACM TOMS 26, 2000) for the gamma variable of shape degrees / 2 >= 1; -(z2^2 +
// z3^2) / 2 is the logarithm of their uniform number, exactly.
bool chi_attempt(double degrees, const double* z, double& chi) {
  if (degrees == 1) {
    chi = std::fabs(z[0]);
    return true;
  }
  const double d = degrees / 2 - 1.0 / 3, x = z[0], root = 1 + x / std::sqrt(9 * d), v = root * root * root;
  if (!(v > 0)) return false;
  chi = std::sqrt(2 * d * v);
  return -0.5 * (z[2] * z[2] + z[3] * z[3]) < 0.5 * x * x + d * (1 - v + std::log(v));
}

class Draws {
 public:
  Draws(const Kernels& kernels, const WishartBatch& batch)
      : k_(kernels),
        b_(batch),
        columns_(static_cast<std::size_t>(std::min<std::uint64_t>(batch.sources, batch.degrees))),
        transposed_(batch.sources, batch.width) {
    const double scale = 1 / std::sqrt(static_cast<double>(batch.degrees));
    for (std::size_t i = 0; i < b_.width; ++i)
      for (std::size_t j = 0; j < b_.sources; ++j)
        transposed_.at(j, i) = scale * b_.loadings[i * b_.sources + j];
  }

  void draw(std::size_t begin, std::size_t end) const {  // of the batch
    const std::size_t n = b_.sources, below = n * (n - 1) / 2;
    std::vector<double> entries((end - begin) * below), attempts((end - begin) * 4 * n);
    normals(entries, BELOW, (b_.first + begin) * below);
    normals(attempts, DIAGONAL, (b_.first + begin) * 4 * n);
    Matrix factor(n, columns_), rows(columns_, b_.width);
    for (std::size_t draw = begin; draw < end; ++draw) {
      const double* entry = entries.data() + (draw - begin) * below;
      for (std::size_t i = 0; i < n; entry += i, ++i) {
        std::copy(entry, entry + std::min(i, columns_), factor.row(i));
        if (i < columns_) factor.at(i, i) = chi(draw, i, attempts.data() + ((draw - begin) * n + i) * 4);
      }
      multiply(factor, rows, b_.moments + draw * b_.width * b_.width);
    }
  }

 private:
  void normals(std::vector<double>& out, std::uint64_t stream, std::uint64_t first) const {
    k_.normals(out.data(), b_.seed, stream, first, out.size());
  }

  double chi(std::size_t draw, std::size_t i, const double* first_attempt) const {
    const double degrees = static_cast<double>(b_.degrees - i);
    const std::uint64_t at = 4 * ((b_.first + draw) * b_.sources + i);
    double found, z[4];
    if (chi_attempt(degrees, first_attempt, found)) return found;
    for (std::uint64_t attempt = 1;; ++attempt) {
      k_.normals(z, b_.seed, DIAGONAL + (attempt << 32), at, 4);
      if (chi_attempt(degrees, z, found)) return found;
    }
  }

  // out = (loadings T) (loadings T)^T / degrees
  void multiply(const Matrix& factor, Matrix& rows, double* out) const {
    const std::size_t n = b_.sources, width = b_.width;
    for (std::size_t j = 0; j < columns_; j += PANEL)
      k_.gemm(true, false, std::min(PANEL, columns_ - j), width, n - j, 1, factor.row(j) + j, columns_,
              transposed_.row(j), width, 0, rows.row(j), width);
    std::fill(out, out + width * width, 0.0);
    k_.syrk_accumulate(columns_, width, rows.data(), width, out, width);
  }

  const Kernels& k_;
  const WishartBatch& b_;
  const std::size_t columns_;  // of T
  Matrix transposed_;          // loadings^T / sqrt(degrees)
};

}  // namespace

void wishart(const Kernels& kernels, const WishartBatch& batch, Job& job) {
  prefer_large_pages(batch.moments, batch.count * batch.width * batch.width * sizeof(double));
  const Draws draws(kernels, batch);
  const std::size_t numbers = batch.sources * batch.sources + batch.width * batch.width;
  const std::size_t each = std::max<std::size_t>(1, TASK_NUMBERS / numbers);
  const std::size_t tasks = (batch.count + each - 1) / each;
  job.expect(tasks);
  parallel_for(job, tasks, [&](std::size_t task, std::size_t) {
    draws.draw(task * each, std::min(batch.count, (task + 1) * each));
  });
}

}  // namespace exo

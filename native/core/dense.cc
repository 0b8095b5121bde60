#include "core/dense.h"

#include <limits>
#include <vector>

#include "core/pool.h"

namespace exo {
namespace {

// A tile of a product: some milliseconds of work, so that a cancelled job ends soon.
constexpr std::size_t ROWS = 128, COLS = 384;
constexpr std::size_t BLOCK = 128;  // columns that a factorisation takes at a time
constexpr std::size_t SMALL = 256;  // matrices that are not worth sharing out
constexpr std::size_t SQUARE = 64;  // of a transposed copy: stays in the cache

std::size_t parts(std::size_t n, std::size_t size) { return (n + size - 1) / size; }

// visit(i, j) for j < i, of the rows of one task, in squares that stay in the cache.
template <class Visit>
void below_diagonal(std::size_t task, std::size_t n, const Visit& visit) {
  const std::size_t i0 = task * SQUARE, i1 = std::min(n, i0 + SQUARE);
  for (std::size_t j0 = 0; j0 <= i0; j0 += SQUARE)
    for (std::size_t i = i0; i < i1; ++i)
      for (std::size_t j = j0; j < std::min(i, j0 + SQUARE); ++j) visit(i, j);
}

}  // namespace

void Dense::product(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t inner,
                    double alpha, const double* a, std::size_t lda, const double* b, std::size_t ldb,
                    double beta, double* c, std::size_t ldc) const {
  const std::size_t across = parts(n, COLS);
  in_parallel(job, parts(m, ROWS) * across, [&](std::size_t tile, std::size_t) {
    const std::size_t i = tile / across * ROWS, j = tile % across * COLS;
    k.gemm(transpose_a, transpose_b, std::min(ROWS, m - i), std::min(COLS, n - j), inner, alpha,
           transpose_a ? a + i : a + i * lda, lda, transpose_b ? b + j * ldb : b + j, ldb, beta,
           c + i * ldc + j, ldc);
  });
}

void Dense::symmetric_product(bool transpose_a, bool transpose_b, std::size_t n, std::size_t inner,
                              double alpha, const double* a, std::size_t lda, const double* b,
                              std::size_t ldb, double beta, double* c, std::size_t ldc) const {
  in_parallel(job, parts(n, ROWS), [&](std::size_t task, std::size_t) {
    const std::size_t i = (parts(n, ROWS) - 1 - task) * ROWS,
                      height = std::min(ROWS, n - i);  // longest first
    for (std::size_t j = 0; j < i + height && !job.cancelled(); j += COLS)
      k.gemm(transpose_a, transpose_b, height, std::min(COLS, i + height - j), inner, alpha,
             transpose_a ? a + i : a + i * lda, lda, transpose_b ? b + j * ldb : b + j, ldb, beta,
             c + i * ldc + j, ldc);
  });
  mirror(c, n, ldc);
}

void Dense::mirror(double* c, std::size_t n, std::size_t ldc) const {
  in_parallel(job, parts(n, SQUARE), [&](std::size_t task, std::size_t) {
    below_diagonal(task, n, [&](std::size_t i, std::size_t j) { c[j * ldc + i] = c[i * ldc + j]; });
  });
}

void Dense::mirror_upper(double* c, std::size_t n, std::size_t ldc) const {
  in_parallel(job, parts(n, SQUARE), [&](std::size_t task, std::size_t) {
    below_diagonal(task, n, [&](std::size_t i, std::size_t j) { c[i * ldc + j] = c[j * ldc + i]; });
  });
}

void Dense::transpose(double* c, std::size_t n, std::size_t ldc) const {
  in_parallel(job, parts(n, SQUARE), [&](std::size_t task, std::size_t) {
    below_diagonal(task, n, [&](std::size_t i, std::size_t j) { std::swap(c[j * ldc + i], c[i * ldc + j]); });
  });
}

double Dense::cholesky(double* a, std::size_t n, std::size_t lda) const {
  if (n <= SMALL) return k.cholesky(a, n, lda);
  double largest = 0, smallest = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < n; ++i) largest = std::max(largest, a[i * lda + i]);
  for (std::size_t j = 0; j < n && !job.cancelled(); j += BLOCK) {
    const std::size_t width = std::min(BLOCK, n - j), below = j + width;
    double* corner = a + j * lda + j;
    double here = 0;
    for (std::size_t i = 0; i < width; ++i) here = std::max(here, corner[i * lda + i]);
    const double pivot = k.cholesky(corner, width, lda) * here;
    if (!(pivot > 0)) return pivot / largest;
    smallest = std::min(smallest, pivot);
    const std::size_t rest = parts(n - below, ROWS);
    in_parallel(job, rest, [&](std::size_t task, std::size_t) {
      const std::size_t i = below + task * ROWS;
      k.cholesky_rows(corner, width, lda, a + i * lda + j, std::min(ROWS, n - i), lda);
    });
    in_parallel(job, rest, [&](std::size_t task, std::size_t) {
      const std::size_t i = below + (rest - 1 - task) * ROWS, height = std::min(ROWS, n - i);
      const double* rows = a + i * lda + j;
      if (i > below)
        k.gemm(false, true, height, i - below, width, -1, rows, lda, a + below * lda + j, lda, 1,
               a + i * lda + below, lda);
      // What stands above the diagonal stays as it is.
      std::vector<double> square(height * height);
      k.gemm(false, true, height, height, width, 1, rows, lda, rows, lda, 0, square.data(), height);
      for (std::size_t r = 0; r < height; ++r)
        for (std::size_t c = 0; c <= r; ++c) a[(i + r) * lda + i + c] -= square[r * height + c];
    });
  }
  return smallest / largest;
}

void Dense::cholesky_solve(const double* l, std::size_t n, std::size_t ldl, double* x, std::size_t m,
                           std::size_t ldx) const {
  if (n <= SMALL || m >= 2 * COLS) {
    constexpr std::size_t panel = COLS / 2;
    in_parallel(job, parts(m, panel), [&](std::size_t task, std::size_t) {
      const std::size_t j = task * panel, width = std::min(panel, m - j);
      for (std::size_t i = 0; i < n && !job.cancelled(); i += BLOCK) {
        const std::size_t high = std::min(BLOCK, n - i);
        if (i > 0)
          k.gemm(false, false, high, width, i, -1, l + i * ldl, ldl, x + j, ldx, 1, x + i * ldx + j, ldx);
        k.cholesky_forward(l + i * ldl + i, high, ldl, x + i * ldx + j, width, ldx);
      }
      for (std::size_t end = n; end > 0 && !job.cancelled();) {
        const std::size_t i = (end - 1) / BLOCK * BLOCK;
        if (end < n)
          k.gemm(true, false, end - i, width, n - end, -1, l + end * ldl + i, ldl, x + end * ldx + j, ldx, 1,
                 x + i * ldx + j, ldx);
        k.cholesky_backward(l + i * ldl + i, end - i, ldl, x + i * ldx + j, width, ldx);
        end = i;
      }
    });
    return;
  }
  // Few right sides: what is still to be solved is shared out by rows.
  for (std::size_t i = 0; i < n && !job.cancelled(); i += BLOCK) {
    const std::size_t high = std::min(BLOCK, n - i), below = i + high;
    k.cholesky_forward(l + i * ldl + i, high, ldl, x + i * ldx, m, ldx);
    if (below < n)
      product(false, false, n - below, m, high, -1, l + below * ldl + i, ldl, x + i * ldx, ldx, 1,
              x + below * ldx, ldx);
  }
  for (std::size_t end = n; end > 0 && !job.cancelled();) {
    const std::size_t i = (end - 1) / BLOCK * BLOCK;
    k.cholesky_backward(l + i * ldl + i, end - i, ldl, x + i * ldx, m, ldx);
    if (i > 0) product(true, false, i, m, end - i, -1, l + i * ldl, ldl, x + i * ldx, ldx, 1, x, ldx);
    end = i;
  }
}

}  // namespace exo

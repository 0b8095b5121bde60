#include "core/wide-ridge.h"

#include <cmath>

#include "core/band.h"
#include "core/conventions.h"
#include "core/fold-fit.h"
#include "core/pool.h"

namespace exo {
namespace {

constexpr std::size_t SQUARE = 64;

// sum of a_ij b_ij for a (rows,cols), row after row.
double inner(const double* a, std::size_t lda, const double* b, std::size_t ldb, std::size_t rows,
             std::size_t cols, const Dense& d) {
  std::vector<double> parts(rows);
  in_parallel(d.job, (rows + SQUARE - 1) / SQUARE, [&](std::size_t task, std::size_t) {
    for (std::size_t i = task * SQUARE; i < std::min(rows, (task + 1) * SQUARE); ++i) {
      double sum[8] = {};
      const double *x = a + i * lda, *y = b + i * ldb;
      std::size_t j = 0;
      for (; j + 8 <= cols; j += 8)
        for (std::size_t l = 0; l < 8; ++l) sum[l] += x[j + l] * y[j + l];
      for (; j < cols; ++j) sum[0] += x[j] * y[j];
      for (const double s : sum) parts[i] += s;
    }
  });
  double total = 0;
  for (const double p : parts) total += p;
  return total;
}

// What is judged on: with X, Y the scaled rows of o and o' and C = cov(o, o'), all seen through Q.
struct Side {
  double total = 0;  // |Y|^2
  Matrix x;          // Q^T X^T (n, rows)
  Matrix cy;         // Q^T C Y^T (n, rows)
  Matrix xx;         // Q^T X^T X Q
};

}  // namespace

bool wide_ridge_errors(const Dense& d, const EstimatesBatch& b, const UnitRows& rows, LeftOut left,
                       const bool wanted[2], std::vector<double> errors[2]) {
  const Columns o = b.layout.observation, next = b.layout.observation_next;
  const std::size_t n = o.size;
  const UnitRows::Columnwise seen = rows.without(left.one, left.other);
  const auto scale_of = [&](Columns c) {
    double largest = 0;
    for (std::size_t i = 0; i < c.size; ++i) largest = std::max(largest, seen.variance[c.begin + i]);
    std::vector<double> scale(c.size);
    for (std::size_t i = 0; i < c.size; ++i) {
      const double variance = seen.variance[c.begin + i];
      scale[i] = variance > REGRESSOR_CUT * largest ? 1 / std::sqrt(variance) : 0;
    }
    return scale;
  };
  const std::vector<double> scale = scale_of(o), target = scale_of(next);

  // Correlations of o, and of o with o', in the place of their sums.
  MovingSums moments(rows, b.folds, o.begin + n, next.begin + n);
  moments.move_to(left.one, left.other);
  if (d.job.cancelled()) return true;
  const std::size_t ld = moments.sums().cols;
  double* r = moments.sums().row(o.begin) + o.begin;
  double* c = moments.sums().row(o.begin) + next.begin;
  in_parallel(d.job, n, [&](std::size_t i, std::size_t) {
    const double mean = seen.mean[o.begin + i];
    for (std::size_t j = i; j < n; ++j)
      r[i * ld + j] = (r[i * ld + j] / seen.count - mean * seen.mean[o.begin + j]) * scale[i] * scale[j];
    for (std::size_t j = 0; j < n; ++j)
      c[i * ld + j] = (c[i * ld + j] / seen.count - mean * seen.mean[next.begin + j]) * scale[i] * target[j];
  });
  d.mirror_upper(r, n, ld);
  Band band(d, r, n, ld);
  band.turn(c, n, ld);
  if (d.job.cancelled()) return true;

  Side sides[2];
  for (int s = 0; s < 2; ++s) {
    errors[s].assign(b.grid_size, 0.0);
    if (!wanted[s]) continue;
    Side& side = sides[s];
    const UnitRows::Rows& own = rows.of_fold(static_cast<std::size_t>(s == 0 ? left.other : left.one));
    const std::size_t m = own.size();
    Matrix y(n, m);
    side.x = Matrix(n, m);
    in_parallel(d.job, (m + SQUARE - 1) / SQUARE, [&](std::size_t task, std::size_t) {
      const std::size_t first = task * SQUARE;
      const Matrix held = rows.rows(own, first, std::min(SQUARE, m - first), seen.mean);
      for (std::size_t j0 = 0; j0 < n && !d.job.cancelled(); j0 += SQUARE)
        for (std::size_t i = 0; i < held.rows; ++i)
          for (std::size_t j = j0; j < std::min(n, j0 + SQUARE); ++j) {
            side.x.at(j, first + i) = held.at(i, o.begin + j) * scale[j];
            y.at(j, first + i) = held.at(i, next.begin + j) * target[j];
          }
    });
    side.total = inner(y.data(), m, y.data(), m, n, m, d);
    band.turn(side.x.data(), m, m);
    side.cy = Matrix(n, m);
    d.product(false, false, n, m, n, 1, c, ld, y.data(), m, 0, side.cy.data(), m);
  }
  Matrix gram(n, n);
  d.symmetric_product(false, true, n, n, 1, c, ld, c, ld, 0, gram.data(), n);
  const std::vector<double> banded = band.rows();
  moments.sums() = Matrix();  // Q and C are in what has been turned: their memory serves the squares
  for (int s = 0; s < 2; ++s) {
    if (!wanted[s] || d.job.cancelled()) continue;
    Side& side = sides[s];
    const std::size_t m = side.x.cols;
    side.xx = Matrix(n, n);
    d.symmetric_product(false, true, n, m, 1, side.x.data(), m, side.x.data(), m, 0, side.xx.data(), n);
  }
  if (d.job.cancelled()) return true;

  // With W = (B + lambda)^-1 C the error is |Y|^2 - 2 tr(X W Y^T) + tr(X W W^T X^T).
  const std::size_t lanes = d.k.lanes, groups = (b.grid_size + lanes - 1) / lanes;
  std::vector<char> definite(groups);
  in_parallel(d.job, groups, [&](std::size_t group, std::size_t) {
    std::vector<double> ridges(lanes), linear[2], quadratic[2], work(d.k.banded_work(n));
    for (std::size_t l = 0; l < lanes; ++l) ridges[l] = b.grid[std::min(group * lanes + l, b.grid_size - 1)];
    BandedForms forms{n, banded.data(), ridges.data(), gram.data(), {}};
    for (int s = 0; s < 2; ++s) {
      const Side& side = sides[s];
      linear[s].resize(lanes);
      quadratic[s].resize(lanes);
      forms.sides[s] = {wanted[s] ? side.xx.data() : nullptr,
                        side.x.data(),
                        side.cy.data(),
                        side.x.cols,
                        linear[s].data(),
                        quadratic[s].data()};
    }
    definite[group] = d.k.banded_forms(forms, work.data(), d.job.stop());
    for (int s = 0; s < 2; ++s)
      for (std::size_t l = 0; l < lanes && group * lanes + l < b.grid_size && wanted[s]; ++l)
        errors[s][group * lanes + l] = sides[s].total - 2 * linear[s][l] + quadratic[s][l];
  });
  if (d.job.cancelled()) return true;
  for (const char is : definite)
    if (!is) return false;
  return true;
}

}  // namespace exo

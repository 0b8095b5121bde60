#include "core/wide-ridge.h"

#include <cmath>

#include "core/band.h"
#include "core/conventions.h"
#include "core/fold-fit.h"
#include "core/pool.h"

namespace exo {
namespace {

constexpr std::size_t FEW = 64;                // rows of a matrix, for one thread
constexpr std::size_t ROWS = 128, COLS = 384;  // of a product, for one thread: some milliseconds

std::size_t parts(std::size_t n, std::size_t size) { return (n + size - 1) / size; }

// What is judged on: with X, Y the scaled rows of o and o' and C = cov(o, o'), all seen through Q. Either
// from the sums of the held rows (their work does not grow with them), or from the rows (none with the square
// of the coordinates but what C has).
struct Side {
  double total = 0;  // |Y|^2
  Matrix x;          // X Q (rows, n), of rows
  Matrix xx;         // Q^T X^T X Q
};

class WideRidge {
 public:
  WideRidge(const Dense& d, const EstimatesBatch& b, const UnitRows& rows, LeftOut left, const bool wanted[2],
            std::vector<double> errors[2])
      : d_(d),
        b_(b),
        rows_(rows),
        o_(b.layout.observation),
        next_(b.layout.observation_next),
        n_(o_.size),
        wanted_(wanted),
        errors_(errors),
        seen_(rows.without(left.one, left.other)),
        scale_(scale_of(o_)),
        target_(scale_of(next_)),
        held_{static_cast<std::size_t>(left.other), static_cast<std::size_t>(left.one)} {
    for (int s = 0; s < 2; ++s) errors_[s].assign(b.grid_size, 0.0);
  }

  // With W = (B + lambda)^-1 C the error is |Y|^2 - 2 tr(X W Y^T) + tr(X W W^T X^T).
  bool run(const Matrix& sums) {
    Matrix r = Matrix::unfilled(n_, n_), c = Matrix::unfilled(n_, n_);
    correlations(sums, r, c);
    const Band band(d_, r.data(), n_, n_);
    band.turn(c.data(), n_, n_);
    if (d_.job.cancelled()) return true;
    banded_ = band.rows();
    Side sides[2];
    if (!(rows_.kept(held_[0]) ? linear_of_sums(band, c, sides) : linear_of_rows(band, r, c, sides)))
      return false;
    if (d_.job.cancelled()) return true;
    Matrix gram = Matrix::unfilled(n_, n_);
    d_.symmetric_product(false, true, n_, n_, 1, c.data(), n_, c.data(), n_, 0, gram.data(), n_);
    c = Matrix();
    for (int s = 0; s < 2 && !d_.job.cancelled(); ++s)
      if (wanted_[s]) square(band, held_[s], sides[s]);
    return quadratic(sides, gram);
  }

 private:
  std::vector<double> scale_of(Columns c) const {
    double largest = 0;
    for (std::size_t i = 0; i < c.size; ++i) largest = std::max(largest, seen_.variance[c.begin + i]);
    std::vector<double> scale(c.size);
    for (std::size_t i = 0; i < c.size; ++i) {
      const double variance = seen_.variance[c.begin + i];
      scale[i] = variance > REGRESSOR_CUT * largest ? 1 / std::sqrt(variance) : 0;
    }
    return scale;
  }

  // fill(i) for every row i of an (n, n) matrix.
  template <class Fill>
  void each_row(const Fill& fill) const {
    in_parallel(d_.job, parts(n_, FEW), [&](std::size_t task, std::size_t) {
      for (std::size_t i = task * FEW; i < std::min(n_, (task + 1) * FEW); ++i) fill(i);
    });
  }

  // Of o, and of o with o', from the sums of the rows that were seen.
  void correlations(const Matrix& sums, Matrix& r, Matrix& c) const {
    const double *mean = seen_.mean.data() + o_.begin, *next_mean = seen_.mean.data() + next_.begin;
    each_row([&](std::size_t i) {
      const double *oo = sums.row(o_.begin + i) + o_.begin, *on = sums.row(o_.begin + i) + next_.begin;
      for (std::size_t j = i; j < n_; ++j)
        r.at(i, j) = (oo[j] / seen_.count - mean[i] * mean[j]) * scale_[i] * scale_[j];
      for (std::size_t j = 0; j < n_; ++j)
        c.at(i, j) = (on[j] / seen_.count - mean[i] * next_mean[j]) * scale_[i] * target_[j];
    });
    d_.mirror_upper(r.data(), n_, n_);
  }

  // Sums of products of a fold's rows about the mean of those that were seen.
  double about(const Triangle& sums, std::size_t i, std::size_t j) const {
    const double *s = sums.row(0), mi = seen_.mean[i], mj = seen_.mean[j];
    return sums.row(i)[j] - mi * s[j] - mj * s[i] + s[0] * mi * mj;
  }
  Matrix cross_of_sums(std::size_t fold, Side& side) const {
    const Triangle& sums = *rows_.kept(fold);
    Matrix xy = Matrix::unfilled(n_, n_);
    each_row([&](std::size_t i) {
      for (std::size_t j = 0; j < n_; ++j)
        xy.at(i, j) = about(sums, o_.begin + i, next_.begin + j) * scale_[i] * target_[j];
    });
    for (std::size_t j = next_.begin; j < next_.begin + n_; ++j)
      side.total += about(sums, j, j) * target_[j - next_.begin] * target_[j - next_.begin];
    return xy;
  }
  void square_of_sums(std::size_t fold, Side& side) const {
    const Triangle& sums = *rows_.kept(fold);
    each_row([&](std::size_t i) {
      for (std::size_t j = i; j < n_; ++j)
        side.xx.at(i, j) = about(sums, o_.begin + i, o_.begin + j) * scale_[i] * scale_[j];
    });
    d_.mirror_upper(side.xx.data(), n_, n_);
  }

  void take_rows(std::size_t fold, Side& side) const {
    const UnitRows::Rows& own = rows_.of_fold(fold);
    side.x = Matrix::unfilled(own.size(), n_);
    in_parallel(d_.job, parts(own.size(), ROWS), [&](std::size_t task, std::size_t) {
      const std::size_t first = task * ROWS;
      const Matrix held = rows_.rows(own, first, std::min(ROWS, own.size() - first), seen_.mean);
      for (std::size_t i = 0; i < held.rows; ++i) {
        const double* row = held.row(i) + o_.begin;
        double* x = side.x.row(first + i);
        for (std::size_t j = 0; j < n_; ++j) x[j] = row[j] * scale_[j];
      }
    });
  }
  // Y C^T Q; Y is never whole.
  Matrix take_targets(std::size_t fold, const Matrix& c, Side& side) const {
    const UnitRows::Rows& own = rows_.of_fold(fold);
    const std::size_t m = own.size();
    Matrix cy = Matrix::unfilled(m, n_);
    std::vector<double> squares(parts(m, ROWS));
    in_parallel(d_.job, squares.size(), [&](std::size_t task, std::size_t) {
      const std::size_t first = task * ROWS, count = std::min(ROWS, m - first);
      Matrix held = rows_.rows(own, first, count, seen_.mean);
      double* y = held.row(0) + next_.begin;
      for (std::size_t i = 0; i < count; ++i) {
        double* row = y + i * held.cols;
        for (std::size_t j = 0; j < n_; ++j) row[j] *= target_[j];
        squares[task] += dot(row, row, n_);
      }
      for (std::size_t j = 0; j < n_ && !d_.job.cancelled(); j += COLS)
        d_.k.gemm(false, true, count, std::min(COLS, n_ - j), n_, 1, y, held.cols, c.row(j), n_, 0,
                  cy.row(first) + j, n_);
    });
    for (const double s : squares) side.total += s;
    return cy;
  }

  bool linear_of_sums(const Band& band, const Matrix& c, Side sides[2]) {
    BandedForms forms{n_, banded_.data(), nullptr, nullptr, {}};
    Matrix xy[2];  // Q^T X^T Y
    for (int s = 0; s < 2 && !d_.job.cancelled(); ++s) {
      if (!wanted_[s]) continue;
      xy[s] = cross_of_sums(held_[s], sides[s]);
      band.turn(xy[s].data(), n_, n_);
      forms.sides[s] = {nullptr, c.data(), xy[s].data(), n_, n_, 1, nullptr, nullptr};
      for (double& error : errors_[s]) error = sides[s].total;
    }
    return add(forms, -2);
  }
  // Afterwards Q is not needed: it is in the rows.
  bool linear_of_rows(const Band& band, Matrix& q, const Matrix& c, Side sides[2]) {
    for (int s = 0; s < 2 && !d_.job.cancelled(); ++s) {
      if (!wanted_[s]) continue;
      take_rows(held_[s], sides[s]);
      band.turn_rows(sides[s].x.data(), sides[s].x.rows, n_);
    }
    q = Matrix();
    for (int s = 0; s < 2 && !d_.job.cancelled(); ++s) {
      if (!wanted_[s]) continue;
      const Matrix &x = sides[s].x, cy = take_targets(held_[s], c, sides[s]);
      BandedForms forms{n_, banded_.data(), nullptr, nullptr, {}};
      forms.sides[s] = {nullptr, x.data(), cy.data(), x.rows, 1, n_, nullptr, nullptr};
      for (double& error : errors_[s]) error = sides[s].total;
      if (!add(forms, -2)) return false;
    }
    return true;
  }
  void square(const Band& band, std::size_t fold, Side& side) const {
    side.xx = Matrix::unfilled(n_, n_);
    if (rows_.kept(fold)) {
      square_of_sums(fold, side);
      band.turn_both(side.xx.data(), n_);
    } else {
      d_.symmetric_product(true, false, n_, side.x.rows, 1, side.x.data(), n_, side.x.data(), n_, 0,
                           side.xx.data(), n_);
      side.x = Matrix();
    }
  }

  bool quadratic(const Side sides[2], const Matrix& gram) {
    BandedForms forms{n_, banded_.data(), nullptr, gram.data(), {}};
    for (int s = 0; s < 2; ++s)
      forms.sides[s] = {
          wanted_[s] ? sides[s].xx.data() : nullptr, nullptr, nullptr, 0, 0, 0, nullptr, nullptr};
    return add(forms, 1);
  }
  // Adds the forms times `factor` to the errors: a ridge in each lane. False where B + ridge is not positive
  // definite.
  bool add(const BandedForms& of, double factor) {
    const std::size_t lanes = d_.k.lanes, groups = parts(b_.grid_size, lanes);
    std::vector<char> definite(groups, 1);
    in_parallel(d_.job, groups, [&](std::size_t group, std::size_t) {
      std::vector<double> ridges(lanes), sums[2];
      Matrix work = Matrix::unfilled(1, d_.k.banded_work(n_));
      for (std::size_t l = 0; l < lanes; ++l)
        ridges[l] = b_.grid[std::min(group * lanes + l, b_.grid_size - 1)];
      BandedForms forms = of;
      forms.ridges = ridges.data();
      for (int s = 0; s < 2; ++s) {
        sums[s].assign(lanes, 0.0);
        forms.sides[s].linear = forms.sides[s].quadratic = sums[s].data();
      }
      definite[group] = d_.k.banded_forms(forms, work.data(), d_.job.stop());
      for (int s = 0; s < 2; ++s)
        for (std::size_t l = 0; l < lanes && group * lanes + l < b_.grid_size && wanted_[s]; ++l)
          errors_[s][group * lanes + l] += factor * sums[s][l];
    });
    return d_.job.cancelled() || std::find(definite.begin(), definite.end(), 0) == definite.end();
  }

  const Dense& d_;
  const EstimatesBatch& b_;
  const UnitRows& rows_;
  const Columns o_, next_;
  const std::size_t n_;
  const bool* wanted_;
  std::vector<double>* errors_;
  const UnitRows::Columnwise seen_;
  const std::vector<double> scale_, target_;
  const std::size_t held_[2];
  std::vector<double> banded_;
};

}  // namespace

bool wide_ridge_errors(const Dense& dense, const EstimatesBatch& batch, const UnitRows& rows,
                       MovingSums& moments, LeftOut left, const bool wanted[2],
                       std::vector<double> errors[2]) {
  moments.move_to(left.one, left.other);
  return dense.job.cancelled() || WideRidge(dense, batch, rows, left, wanted, errors).run(moments.sums());
}

}  // namespace exo

#include "core/fold-regression.h"

#include <cmath>

#include "core/conventions.h"
#include "core/pool.h"
#include "core/regression.h"

namespace exo {

std::vector<std::size_t> indices(Columns c) {
  std::vector<std::size_t> out(c.size);
  for (std::size_t i = 0; i < c.size; ++i) out[i] = c.begin + i;
  return out;
}

Matrix gather(const Matrix& s, const std::vector<std::size_t>& rows, const std::vector<std::size_t>& cols) {
  Matrix out(rows.size(), cols.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double* from = s.row(rows[i]);
    for (std::size_t j = 0; j < cols.size(); ++j) out.at(i, j) = from[cols[j]];
  }
  return out;
}

Matrix gather(const Matrix& s, const std::vector<std::size_t>& rows, Columns cols) {
  return gather(s, rows, indices(cols));
}

double dot(const double* a, const double* b, std::size_t n) {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

Matrix cut(const Matrix& s, Columns rows, Columns cols) {
  Matrix out = Matrix::unfilled(rows.size, cols.size);
  for (std::size_t i = 0; i < rows.size; ++i)
    std::copy(s.row(rows.begin + i) + cols.begin, s.row(rows.begin + i) + cols.begin + cols.size, out.row(i));
  return out;
}

Centred centred(const Matrix& sums) {
  const std::size_t w = sums.cols;
  Centred r;
  r.count = sums.at(0, 0);
  r.mean.assign(w, 0.0);
  r.covariance = Matrix(w, w);
  if (!(r.count > 0)) return r;
  for (std::size_t j = 0; j < w; ++j) r.mean[j] = sums.at(0, j) / r.count;
  std::vector<char> still(w);
  for (std::size_t j = 0; j < w; ++j) {
    const double second = sums.at(j, j) / r.count;
    still[j] = !(second - r.mean[j] * r.mean[j] > STANDS_STILL * second);
  }
  for (std::size_t i = 1; i < w; ++i)
    for (std::size_t j = 1; j < w && !still[i]; ++j)
      r.covariance.at(i, j) = still[j] ? 0 : sums.at(i, j) / r.count - r.mean[i] * r.mean[j];
  return r;
}

Matrix about(const double* sums, std::size_t w, const std::vector<double>& mean) {
  const double count = sums[0];
  Matrix out(w, w);
  for (std::size_t i = 1; i < w; ++i)
    for (std::size_t j = 1; j < w; ++j)
      out.at(i, j) = sums[i * w + j] - mean[i] * sums[j] - mean[j] * sums[i] + count * mean[i] * mean[j];
  return out;
}

std::vector<double> unit_scale(const Matrix& covariance, double cut) {
  double largest = 0;
  for (std::size_t i = 0; i < covariance.rows; ++i) largest = std::max(largest, covariance.at(i, i));
  std::vector<double> out(covariance.rows);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const double variance = covariance.at(i, i);
    out[i] = variance > cut * largest ? 1 / std::sqrt(variance) : 0;
  }
  return out;
}
std::vector<double> unit_scale(const Matrix& covariance) { return unit_scale(covariance, REGRESSOR_CUT); }

bool Regression::on(const Dense& d, Matrix covariance, double ridge, std::vector<double> scale) {
  const std::size_t n = covariance.rows;
  scale_ = std::move(scale);
  inverse_.clear();
  factor_ = std::move(covariance);
  constexpr std::size_t few = 64;
  in_parallel(d.job, (n + few - 1) / few, [&](std::size_t task, std::size_t) {
    for (std::size_t i = task * few; i < std::min(n, (task + 1) * few); ++i) {
      for (std::size_t j = 0; j < n; ++j) factor_.at(i, j) *= scale_[i] * scale_[j];
      factor_.at(i, i) += scale_[i] > 0 ? ridge : 1;
    }
  });
  if (n == 0 || d.job.cancelled()) return true;
  // The factor takes the lower triangle: the upper one and the diagonal are what it was of.
  std::vector<double> diagonal(n);
  for (std::size_t i = 0; i < n; ++i) diagonal[i] = factor_.at(i, i);
  if (d.cholesky(factor_.data(), n, n) > 0) return true;
  for (std::size_t i = 0; i < n; ++i) {
    factor_.at(i, i) = diagonal[i];
    for (std::size_t j = 0; j < i; ++j) factor_.at(i, j) = factor_.at(j, i);
  }
  if (!eigen_symmetric(d.k, factor_, inverse_, &d.job)) return false;
  const double least = RELATIVE_TOLERANCE * std::max(inverse_[0], 0.0);
  for (double& v : inverse_) v = v > least ? 1 / v : 0;
  return true;
}

bool Regression::on(const Dense& d, Matrix covariance, double ridge) {
  std::vector<double> scale = unit_scale(covariance);
  return on(d, std::move(covariance), ridge, std::move(scale));
}

Matrix Regression::weights(const Dense& d, Matrix b) const {
  const auto scale_rows = [&](Matrix& m, const std::vector<double>& by) {
    for (std::size_t i = 0; i < m.rows; ++i)
      for (std::size_t j = 0; j < m.cols; ++j) m.at(i, j) *= by[i];
  };
  if (b.rows == 0 || b.cols == 0) return b;
  scale_rows(b, scale_);
  if (inverse_.empty()) {
    d.cholesky_solve(factor_.data(), factor_.rows, factor_.rows, b.data(), b.cols, b.cols);
  } else {
    Matrix t = times(d, factor_, b);
    scale_rows(t, inverse_);
    b = times_tn(d, factor_, t);
  }
  scale_rows(b, scale_);
  return b;
}

Uncorrelated::Uncorrelated(const Matrix& covariance, double ridge)
    : lower_(covariance), pivots_(covariance.rows) {
  double largest = 0;
  for (std::size_t i = 0; i < lower_.rows; ++i) {
    lower_.at(i, i) += ridge;
    largest = std::max(largest, lower_.at(i, i));
  }
  for (std::size_t i = 0; i < lower_.rows; ++i) {
    for (std::size_t j = 0; j < i; ++j)
      lower_.at(i, j) =
          pivots_[j] > 0 ? (lower_.at(i, j) - dot(lower_.row(i), lower_.row(j), j)) / pivots_[j] : 0;
    const double pivot = lower_.at(i, i) - dot(lower_.row(i), lower_.row(i), i);
    pivots_[i] = pivot > NEGLIGIBLE_VARIANCE * largest ? std::sqrt(pivot) : 0;
  }
}

Matrix Uncorrelated::operator()(Matrix rows) const {
  for (std::size_t i = 0; i < rows.rows; ++i) {
    double* row = rows.row(i);
    const double scale = pivots_[i] > 0 ? 1 / pivots_[i] : 0;
    for (std::size_t j = 0; j < i; ++j)
      for (std::size_t c = 0; c < rows.cols; ++c) row[c] -= lower_.at(i, j) * rows.at(j, c);
    for (std::size_t c = 0; c < rows.cols; ++c) row[c] *= scale;
  }
  return rows;
}

}  // namespace exo

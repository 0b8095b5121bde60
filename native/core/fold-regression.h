// Moments about their mean, and ridge regressions of them: the algebra of fold-fit.h.
#pragma once
#include <vector>

#include "core/dense.h"
#include "core/estimates.h"

namespace exo {

// Covariance about the mean of so many rows. A column that stands still has none, exactly.
struct Centred {
  double count = 0;
  std::vector<double> mean;
  Matrix covariance;
};
Centred centred(const Matrix& sums);

// Sums of squares and products about a mean that was found elsewhere.
Matrix about(const double* sums, std::size_t width, const std::vector<double>& mean);

// Columns [at.begin, at.begin + at.size) of the rows of `rows`.
Matrix cut(const Matrix& s, Columns rows, Columns cols);

std::vector<std::size_t> indices(Columns c);
// The entries of these rows and columns, in their order.
Matrix gather(const Matrix& s, const std::vector<std::size_t>& rows, const std::vector<std::size_t>& cols);
Matrix gather(const Matrix& s, const std::vector<std::size_t>& rows, Columns cols);
double dot(const double* a, const double* b, std::size_t n);

// 1 / standard deviation of each coordinate, 0 for one that stands still: whose variance is at most `cut`,
// REGRESSOR_CUT, of the largest.
std::vector<double> unit_scale(const Matrix& covariance, double cut);
std::vector<double> unit_scale(const Matrix& covariance);

// Ridge regression on regressors at unit variance, whatever their units.
class Regression {
 public:
  Regression() = default;
  // False where an eigenproblem did not converge.
  bool on(const Dense& d, Matrix covariance, double ridge);
  // The same with each regressor divided by a scale of the caller's; 0 leaves it out.
  bool on(const Dense& d, Matrix covariance, double ridge, std::vector<double> scale);
  // Weights (regressors, targets) from the covariance of regressors with targets.
  Matrix weights(const Dense& d, Matrix with_targets) const;

 private:
  std::vector<double> scale_;
  Matrix factor_;
  std::vector<double> inverse_;  // of eigenvalues, where the factor is eigenvectors
};

// Rows made uncorrelated one after the other, so that the first k of them say what the first k did: L^-1 rows
// with covariance + ridge = L L^T. A row of which nothing is left becomes zero.
class Uncorrelated {
 public:
  Uncorrelated(const Matrix& covariance, double ridge);
  Matrix operator()(Matrix rows) const;

 private:
  Matrix lower_;
  std::vector<double> pivots_;
};

}  // namespace exo

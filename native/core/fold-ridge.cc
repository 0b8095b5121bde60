#include "core/fold-ridge.h"

#include <algorithm>

#include "core/regression.h"

namespace exo {
namespace {

constexpr double GOOD = 1.1;

void scale_rows(Matrix& m, const std::vector<double>& by) {
  for (std::size_t i = 0; i < m.rows; ++i)
    for (std::size_t j = 0; j < m.cols; ++j) m.at(i, j) *= by[i];
}
void scale_columns(Matrix& m, const std::vector<double>& by) {
  for (std::size_t i = 0; i < m.rows; ++i)
    for (std::size_t j = 0; j < m.cols; ++j) m.at(i, j) *= by[j];
}

}  // namespace

bool ridge_errors(const Kernels& k, const UnitLayout& layout, const Matrix& training, const double* grid,
                  std::size_t grid_size, const Matrix* const held_out[2], std::vector<double> errors[2]) {
  const Columns o = layout.observation, next = layout.observation_next;
  const Centred c = centred(training);
  Matrix vectors = cut(c.covariance, o, o);
  const std::vector<double> scale = unit_scale(vectors), target = unit_scale(cut(c.covariance, next, next));
  scale_rows(vectors, scale);
  scale_columns(vectors, scale);
  symmetrise(vectors);
  std::vector<double> values;
  if (!eigen_symmetric(k, vectors, values)) return false;
  // Everything in the basis of the correlations' eigenvectors, where a ridge is a change of the eigenvalues
  // alone.
  const auto turned = [&](const Matrix& s) {
    Matrix m = cut(s, o, next);
    scale_rows(m, scale);
    scale_columns(m, target);
    return times(k, vectors, m);
  };
  const Matrix own = turned(c.covariance);
  const Matrix own_gram = times_nt(k, own, own);
  const std::size_t n = o.size;
  std::vector<double> inverse(n);
  for (int side = 0; side < 2; ++side) {
    errors[side].assign(grid_size, 0.0);
    if (!held_out[side]) continue;
    const Matrix held = about(held_out[side]->data(), held_out[side]->cols, c.mean);
    double total = 0;
    for (std::size_t j = 0; j < next.size; ++j)
      total += held.at(next.begin + j, next.begin + j) * target[j] * target[j];
    const Matrix cross = turned(held);
    Matrix square = cut(held, o, o);
    scale_rows(square, scale);
    scale_columns(square, scale);
    square = times_nt(k, times(k, vectors, square), vectors);
    std::vector<double> explained(n, 0.0);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < next.size; ++j) explained[i] += own.at(i, j) * cross.at(i, j);
    for (std::size_t g = 0; g < grid_size; ++g) {
      for (std::size_t i = 0; i < n; ++i) inverse[i] = 1 / (std::max(values[i], 0.0) + grid[g]);
      double error = total;
      for (std::size_t i = 0; i < n; ++i) {
        double sum = -2 * explained[i];
        for (std::size_t j = 0; j < n; ++j) sum += inverse[j] * square.at(i, j) * own_gram.at(i, j);
        error += inverse[i] * sum;
      }
      errors[side][g] = error;
    }
  }
  return true;
}

double smallest_good_ridge(const double* grid, const std::vector<double>& errors) {
  const double best = *std::min_element(errors.begin(), errors.end());
  for (std::size_t g = 0; g < errors.size(); ++g)
    if (errors[g] <= GOOD * best) return grid[g];
  return grid[errors.size() - 1];
}

}  // namespace exo

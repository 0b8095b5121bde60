#include "core/partly-labelled.h"

#include <cmath>
#include <limits>

namespace exo {
namespace {

// s^-1 b by Cholesky; false where s is not positive definite.
bool solve(const Kernels& k, Matrix s, Matrix& b) {
  if (!(k.cholesky(s.data(), s.rows, s.rows) > 0)) return false;
  k.cholesky_solve(s.data(), s.rows, s.rows, b.data(), b.cols, b.cols);
  return true;
}

double sum_of_products(const Matrix& a, const Matrix& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.a.size(); ++i) sum += a.a[i] * b.a[i];
  return sum;
}

}  // namespace

double PartlyLabelled::scale() const {
  double sum = all_.left + labels_.weight * labels_.q;
  for (const double v : all_.variance) sum += v;
  return sum;
}

double PartlyLabelled::operator()(const std::vector<double>& x, std::vector<double>& gradient) const {
  const std::size_t m = all_.variance.size(), latents = x.size() / m;
  Matrix d(latents, m);
  d.a.assign(x.begin(), x.end());
  double value = scale();
  // G D, and with it G D L.
  Matrix gd = d;
  if (!solve(k_, times_nt(k_, d, d), gd)) return std::numeric_limits<double>::quiet_NaN();
  Matrix gdl = gd;
  for (std::size_t i = 0; i < latents; ++i)
    for (std::size_t j = 0; j < m; ++j) gdl.at(i, j) *= all_.variance[j];
  value -= sum_of_products(gdl, d);
  // The gradient of -tr G D L D^T is -2 (G D L - (G D L D^T) G D).
  Matrix slope = times(k_, times_nt(k_, gdl, d), gd);
  for (std::size_t i = 0; i < slope.a.size(); ++i) gradient[i] = -2 * (gdl.a[i] - slope.a[i]);
  if (labels_.weight > 0) {
    const Matrix dn = times(k_, d, labels_.n), dp = times(k_, d, labels_.p);
    Matrix y = dp;
    if (!solve(k_, times_nt(k_, dn, d), y)) return std::numeric_limits<double>::quiet_NaN();
    value -= labels_.weight * sum_of_products(y, dp);
    // Of -tr Y^T D P: -2 (Y P^T - Y Y^T D N).
    slope = times_nt(k_, y, labels_.p);
    product(k_, times_nt(k_, y, y), dn, slope, -1, 1);
    for (std::size_t i = 0; i < slope.a.size(); ++i) gradient[i] -= 2 * labels_.weight * slope.a[i];
  }
  return value;
}

bool PartlyLabelled::terms(const Matrix& d, double& reconstruction, double& head) const {
  const std::size_t m = all_.variance.size();
  Matrix gd = d;
  if (!solve(k_, times_nt(k_, d, d), gd)) return false;
  // (I - D^T G D) L^(1/2) is what is left of the innovation.
  Matrix left = times_tn(k_, d, gd);
  reconstruction = all_.left;
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t j = 0; j < m; ++j) {
      const double v = (i == j ? 1.0 : 0.0) - left.at(i, j);
      reconstruction += v * v * all_.variance[j];
    }
  const Matrix dn = times(k_, d, labels_.n), dp = times(k_, d, labels_.p);
  Matrix y = dp;
  if (!solve(k_, times_nt(k_, dn, d), y)) return false;
  head = std::max(0.0, labels_.q - sum_of_products(y, dp));
  return true;
}

}  // namespace exo

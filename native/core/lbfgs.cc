#include "core/lbfgs.h"

#include <algorithm>
#include <cmath>
#include <deque>

#include "core/conventions.h"
#include "core/regression.h"

namespace exo {
namespace {

using Vector = std::vector<double>;

// Pairs of steps and gradient changes that the inverse Hessian is made of.
constexpr std::size_t MEMORY = 12;
// Wolfe's second condition: what may be left of the slope.
constexpr double CURVATURE = 0.9;
constexpr int MOST_TRIALS = 40;

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}
double norm(const Vector& a) { return std::sqrt(dot(a, a)); }

struct Pair {
  Vector step, change;
  double curvature;  // step . change
};

// The two-loop recursion: minus the inverse Hessian's estimate times the gradient.
Vector direction_of(const std::deque<Pair>& pairs, const Vector& gradient) {
  Vector d = gradient;
  std::vector<double> along(pairs.size());
  for (std::size_t i = pairs.size(); i-- > 0;) {
    along[i] = dot(pairs[i].step, d) / pairs[i].curvature;
    for (std::size_t j = 0; j < d.size(); ++j) d[j] -= along[i] * pairs[i].change[j];
  }
  if (!pairs.empty()) {
    const double scale = pairs.back().curvature / dot(pairs.back().change, pairs.back().change);
    for (double& v : d) v *= scale;
  }
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const double back = along[i] - dot(pairs[i].change, d) / pairs[i].curvature;
    for (std::size_t j = 0; j < d.size(); ++j) d[j] += back * pairs[i].step[j];
  }
  for (double& v : d) v = -v;
  return d;
}

struct Point {
  Vector x, gradient;
  double value;
};

// v as a matrix of so many rows, from the left by w.
void turn(const Kernels& k, const Matrix& w, Vector& v) {
  const std::size_t cols = v.size() / w.rows;
  Vector out(v.size());
  k.gemm(false, false, w.rows, cols, w.rows, 1, w.data(), w.rows, v.data(), cols, 0, out.data(), cols);
  v.swap(out);
}

// Rows that are orthonormal again where they have drifted together: x -> W x, and with it every step;
// gradients go by W^-T, so that slopes stay as they are.
void balance(const Kernels& k, std::size_t rows, Point& at, std::deque<Pair>& pairs) {
  const std::size_t cols = at.x.size() / rows;
  Matrix w(rows, rows);
  k.gemm(false, true, rows, rows, cols, 1, at.x.data(), cols, at.x.data(), cols, 0, w.data(), rows);
  double skew = 0;
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < rows; ++j)
      skew = std::max(skew, std::fabs(w.at(i, j) - (i == j ? 1.0 : 0.0)));
  std::vector<double> values;
  if (!(skew > SKEWED) || !eigen_symmetric(k, w, values) || !(values[rows - 1] > 0)) return;
  Matrix back = w;
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < rows; ++j) {
      w.at(i, j) /= std::sqrt(values[i]);
      back.at(i, j) *= std::sqrt(values[i]);
    }
  turn(k, w, at.x);
  turn(k, back, at.gradient);
  for (Pair& pair : pairs) {
    turn(k, w, pair.step);
    turn(k, back, pair.change);
  }
}

}  // namespace

LbfgsOutcome lbfgs(const std::function<double(const Vector&, Vector&)>& value, Vector& x,
                   const LbfgsOptions& options, const Kernels& k, const Job& job) {
  Point at{x, Vector(x.size()), 0};
  std::deque<Pair> pairs;
  balance(k, options.rows, at, pairs);
  at.value = value(at.x, at.gradient);
  LbfgsOutcome out{NOT_CONVERGED, at.value, 0, 0};
  const auto settle = [&](Status status) {
    x = at.x;
    out.status = status;
    out.value = at.value;
    return out;
  };
  for (;; ++out.iterations) {
    out.gradient = norm(at.gradient) * norm(at.x) / options.scale;
    if (!std::isfinite(at.value) || !std::isfinite(out.gradient)) return settle(NON_FINITE);
    if (out.gradient <= options.tolerance) return settle(OK);
    if (out.iterations >= options.iterations || job.cancelled()) return settle(NOT_CONVERGED);

    Vector direction = direction_of(pairs, at.gradient);
    double slope = dot(direction, at.gradient);
    if (!(slope < 0)) {
      pairs.clear();
      direction = direction_of(pairs, at.gradient);
      slope = dot(direction, at.gradient);
    }
    // Without a memory the first step changes x by a tenth of its size.
    double step = pairs.empty() ? 0.1 * norm(at.x) / norm(direction) : 1;
    double low = 0, high = INFINITY;
    Point next{at.x, Vector(x.size()), 0};
    bool found = false;
    for (int trial = 0; trial < MOST_TRIALS && !found && !job.cancelled(); ++trial) {
      for (std::size_t j = 0; j < x.size(); ++j) next.x[j] = at.x[j] + step * direction[j];
      next.value = value(next.x, next.gradient);
      const double after = dot(direction, next.gradient);
      const bool level = std::fabs(next.value - at.value) <= LEVEL * options.scale;
      const bool lower = next.value <= at.value + SUFFICIENT_DECREASE * step * slope ||
                         (level && after <= (2 * SUFFICIENT_DECREASE - 1) * slope);
      if (!lower) {
        high = step;
      } else if (after < CURVATURE * slope) {
        low = step;
      } else {
        found = true;
        break;
      }
      step = std::isfinite(high) ? 0.5 * (low + high) : 2 * step;
    }
    if (!found) {
      // A stale memory may point where nothing decreases; steepest descent gets one try.
      if (pairs.empty()) return settle(NOT_CONVERGED);
      pairs.clear();
      continue;
    }
    Pair pair{Vector(x.size()), Vector(x.size()), 0};
    for (std::size_t j = 0; j < x.size(); ++j) {
      pair.step[j] = next.x[j] - at.x[j];
      pair.change[j] = next.gradient[j] - at.gradient[j];
    }
    pair.curvature = dot(pair.step, pair.change);
    if (pair.curvature > 0) pairs.push_back(std::move(pair));
    if (pairs.size() > MEMORY) pairs.pop_front();
    at = std::move(next);
    balance(k, options.rows, at, pairs);
  }
}

}  // namespace exo

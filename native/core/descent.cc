#include "core/descent.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/conventions.h"
#include "core/lbfgs.h"
#include "core/regression.h"

namespace exo {
namespace {

using Errors = std::vector<SquaredError>;

double sum_of_products(const Matrix& a, const Matrix& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.a.size(); ++i) sum += a.a[i] * b.a[i];
  return sum;
}
void add_scaled(Matrix& to, double factor, const Matrix& a) {
  for (std::size_t i = 0; i < to.a.size(); ++i) to.a[i] += factor * a.a[i];
}

// What an empty model leaves: the size of the loss's terms.
double scale_of(const Errors& errors) {
  double sum = 0;
  for (const SquaredError& error : errors) sum += error.total;
  return sum;
}

// B^T = (G E G^T)^-1 G X^T by Cholesky; false where z has dependent rows.
bool best_decoder(const Kernels& k, const SquaredError& error, const Matrix& g, const Matrix& ge,
                  Matrix& b_transposed) {
  Matrix s = times_nt(k, ge, g);
  b_transposed = times_nt(k, g, error.x);
  if (!(k.cholesky(s.data(), s.rows, s.rows) > 0)) return false;
  k.cholesky_solve(s.data(), s.rows, s.rows, b_transposed.data(), b_transposed.cols, b_transposed.cols);
  return true;
}

// The loss as a function of G alone, every B at its best: total - tr(B G X^T), whose gradient is
// -2 (B^T X - B^T B G E).
class Reduced {
 public:
  Reduced(const Kernels& k, const Errors& errors, std::size_t latents)
      : k_(k), errors_(errors), latents_(latents) {}
  double operator()(const std::vector<double>& v, std::vector<double>& gradient) const {
    Matrix g(latents_, errors_[0].e.rows);
    g.a.assign(v.begin(), v.end());
    std::fill(gradient.begin(), gradient.end(), 0.0);
    double value = 0;
    for (const SquaredError& error : errors_) {
      const Matrix ge = times(k_, g, error.e);
      Matrix b;
      if (!best_decoder(k_, error, g, ge, b)) return std::numeric_limits<double>::quiet_NaN();
      value += error.total - sum_of_products(b, times_nt(k_, g, error.x));
      Matrix slope = times(k_, b, error.x);
      product(k_, times_nt(k_, b, b), ge, slope, -1, 1);
      for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] -= 2 * slope.a[i];
    }
    return value;
  }

 private:
  const Kernels& k_;
  const Errors& errors_;
  std::size_t latents_;
};

// Coordinates in which all errors together see e at unit variance: rows of `whiten`, as many as have any.
bool whitened(const Kernels& k, const Errors& errors, double tolerance, Matrix& whiten, Errors& out) {
  Matrix pooled = errors[0].e;
  for (std::size_t i = 1; i < errors.size(); ++i) add_scaled(pooled, 1, errors[i].e);
  symmetrise(pooled);
  std::vector<double> values;
  if (!eigen_symmetric(k, pooled, values)) return false;
  std::size_t kept = 0;
  while (kept < values.size() && values[kept] > tolerance * values[0]) ++kept;
  whiten = Matrix(kept, pooled.cols);
  for (std::size_t i = 0; i < kept; ++i)
    for (std::size_t j = 0; j < pooled.cols; ++j) whiten.at(i, j) = pooled.at(i, j) / std::sqrt(values[i]);
  for (const SquaredError& error : errors) {
    SquaredError seen{error.total, times_nt(k, error.x, whiten),
                      times_nt(k, times(k, whiten, error.e), whiten)};
    symmetrise(seen.e);
    // One error alone may see nothing of a direction that another one sees.
    for (std::size_t i = 0; errors.size() > 1 && i < kept; ++i) seen.e.at(i, i) += VOID_MOMENTS;
    out.push_back(std::move(seen));
  }
  return true;
}

// The loss knows X by X^T X alone: as many rows as e has will do.
bool narrowed(const Kernels& k, Errors& errors) {
  for (SquaredError& error : errors) {
    if (error.x.rows <= error.x.cols) continue;
    Matrix gram = times_tn(k, error.x, error.x);
    symmetrise(gram);
    std::vector<double> values;
    if (!eigen_symmetric(k, gram, values)) return false;
    for (std::size_t i = 0; i < gram.rows; ++i) {
      const double root = std::sqrt(std::max(values[i], 0.0));
      for (std::size_t j = 0; j < gram.cols; ++j) gram.at(i, j) *= root;
    }
    error.x = std::move(gram);
  }
  return true;
}

// The loss knows z up to its basis only. What closed forms have: B^T B = I over all errors, latents in the
// order of what they explain, those that explain nothing zero. b: of each error, transposed.
bool canonical(const Kernels& k, const Errors& errors, double tolerance, Matrix& g, std::vector<Matrix>& b) {
  Matrix gram = times_nt(k, g, g);
  symmetrise(gram);
  std::vector<double> values;
  if (!eigen_symmetric(k, gram, values)) return false;
  for (std::size_t i = 0; i < g.rows; ++i) {
    if (!(values[i] > 0)) return false;
    for (std::size_t j = 0; j < g.rows; ++j) gram.at(i, j) /= std::sqrt(values[i]);
  }
  g = times(k, gram, g);
  Matrix explained(g.rows, g.rows);
  for (const SquaredError& error : errors) {
    b.emplace_back();
    if (!best_decoder(k, error, g, times(k, g, error.e), b.back())) return false;
    product_nt(k, b.back(), b.back(), explained, 1, 1);
  }
  symmetrise(explained);
  if (!eigen_symmetric(k, explained, values)) return false;
  g = times(k, explained, g);
  for (Matrix& one : b) one = times(k, explained, one);
  for (std::size_t i = 0; i < g.rows; ++i) {
    const double root = values[i] > tolerance * values[0] ? std::sqrt(values[i]) : 0;
    for (std::size_t j = 0; j < g.cols; ++j) g.at(i, j) *= root;
    for (Matrix& one : b)
      for (std::size_t j = 0; j < one.cols; ++j) one.at(i, j) = root > 0 ? one.at(i, j) / root : 0;
  }
  return true;
}

// The entry of largest magnitude of each row of g becomes positive, and its decoders turn with it.
void fix_signs(Matrix& g, std::vector<Matrix>& b) {
  for (std::size_t i = 0; i < g.rows; ++i) {
    double largest = 0, sign = 1;
    for (std::size_t j = 0; j < g.cols; ++j)
      if (std::fabs(g.at(i, j)) > largest * (1 + SIGN_TIE)) {
        largest = std::fabs(g.at(i, j));
        sign = g.at(i, j) < 0 ? -1 : 1;
      }
    for (std::size_t j = 0; j < g.cols; ++j) g.at(i, j) *= sign;
    for (Matrix& one : b)
      for (std::size_t j = 0; j < one.cols; ++j) one.at(i, j) *= sign;
  }
}

DescentOutcome quasi_newton(const Kernels& k, const Errors& errors, const DescentOptions& options,
                            DescentState& state, const Job& job) {
  const double scale = scale_of(errors);
  DescentOutcome outcome{NON_FINITE, 0, 0};
  if (!std::isfinite(scale)) return outcome;
  Matrix whiten;
  Errors seen;
  if (!whitened(k, errors, options.tolerance, whiten, seen)) return {NOT_CONVERGED, 0, 0};
  std::fill(state.g.a.begin(), state.g.a.end(), 0.0);
  for (Matrix& b : state.b) std::fill(b.a.begin(), b.a.end(), 0.0);
  const std::size_t latents = std::min(state.g.rows, whiten.rows);
  // Nothing that z could see: the empty model is the best one.
  if (latents == 0) return {OK, 0, 0};
  Errors narrow = seen;
  if (!narrowed(k, narrow)) return {NOT_CONVERGED, 0, 0};
  const Reduced loss(k, narrow, latents);
  double least = std::numeric_limits<double>::infinity();
  Matrix best(latents, whiten.rows);
  for (std::size_t start = 0; start < options.starts && !job.cancelled(); ++start) {
    std::vector<double> g(latents * whiten.rows);
    k.normals(g.data(), options.seed, start, 0, g.size());
    const LbfgsOutcome found = lbfgs(loss, g, {options.steps, FLAT, scale, latents}, k, job);
    // Of two as low as each other the one that has arrived.
    const double level = LEVEL * scale;
    const bool lower =
        found.value < least - level || (found.value < least + level && found.status < outcome.status);
    if (found.status == NON_FINITE || !(outcome.status == NON_FINITE || lower)) continue;
    least = found.value;
    best.a.assign(g.begin(), g.end());
    outcome = {found.status, found.gradient, found.iterations};
  }
  if (outcome.status == NON_FINITE) return outcome;
  std::vector<Matrix> decoders;
  if (!canonical(k, seen, options.tolerance, best, decoders)) return {NOT_CONVERGED, 0, 0};
  Matrix g = times(k, best, whiten);
  fix_signs(g, decoders);
  std::copy(g.a.begin(), g.a.end(), state.g.a.begin());
  for (std::size_t t = 0; t < seen.size(); ++t)
    for (std::size_t i = 0; i < state.b[t].rows; ++i)
      for (std::size_t j = 0; j < latents; ++j) state.b[t].at(i, j) = decoders[t].at(j, i);
  return outcome;
}

// The loss's gradient in G and in every B, A at its best response.
DescentState slope_of(const Kernels& k, const Errors& errors, const DescentState& at) {
  DescentState out{Matrix(at.g.rows, at.g.cols), {}};
  for (std::size_t t = 0; t < errors.size(); ++t) {
    const Matrix ge = times(k, at.g, errors[t].e);
    Matrix slope = times_nt(k, errors[t].x, at.g);
    product(k, at.b[t], times_nt(k, ge, at.g), slope, 2, -2);
    out.b.push_back(std::move(slope));
    product_tn(k, at.b[t], errors[t].x, out.g, -2, 1);
    product(k, times_tn(k, at.b[t], at.b[t]), ge, out.g, 2, 1);
  }
  return out;
}

double norm(const DescentState& s) {
  double sum = sum_of_products(s.g, s.g);
  for (const Matrix& b : s.b) sum += sum_of_products(b, b);
  return std::sqrt(sum);
}

DescentState ahead(DescentState from, double factor, const DescentState& by) {
  add_scaled(from.g, factor, by.g);
  for (std::size_t t = 0; t < from.b.size(); ++t) add_scaled(from.b[t], factor, by.b[t]);
  return from;
}

// One step of the classical Runge-Kutta method along minus the gradient.
DescentState flow(const Kernels& k, const Errors& errors, const DescentState& at, const DescentState& first,
                  double time) {
  const DescentState second = slope_of(k, errors, ahead(at, -time / 2, first));
  const DescentState third = slope_of(k, errors, ahead(at, -time / 2, second));
  const DescentState fourth = slope_of(k, errors, ahead(at, -time, third));
  DescentState next = ahead(at, -time / 6, first);
  next = ahead(next, -time / 3, second);
  next = ahead(next, -time / 3, third);
  return ahead(next, -time / 6, fourth);
}

}  // namespace

DescentOutcome descend(const Kernels& k, const std::vector<SquaredError>& errors,
                       const DescentOptions& options, DescentState& state, const Job& job) {
  if (options.method == LBFGS) return quasi_newton(k, errors, options, state, job);
  const double scale = scale_of(errors);
  for (std::size_t step = 0;; ++step) {
    const DescentState slope = slope_of(k, errors, state);
    const double gradient = norm(slope) * norm(state) / scale;
    if (!std::isfinite(gradient)) return {NON_FINITE, gradient, step};
    if (step == options.steps || job.cancelled()) return {OK, gradient, step};
    state = options.method == GRADIENT_FLOW ? flow(k, errors, state, slope, options.rate)
                                            : ahead(std::move(state), -options.rate, slope);
  }
}

}  // namespace exo

#include "core/fold-fit.h"

#include <cmath>

#include "core/conventions.h"
#include "core/leading.h"
#include "core/regression.h"
#include "core/stack-moments.h"

namespace exo {

std::size_t FoldFit::remainder(Columns target, const std::vector<std::size_t>& given,
                               const Regression* regression) {
  Remainder r{target, given, Matrix(given.size(), target.size)};
  if (regression) r.weights = regression->weights(dense_, gather(training_.covariance, given, target));
  remainders_.push_back(std::move(r));
  return remainders_.size() - 1;
}

Status FoldFit::condition(Centred training) {
  training_ = std::move(training);
  const Matrix& s = training_.covariance;
  const UnitLayout& at = layout_;
  on_observation_ = indices(at.observation);
  on_seen_ = on_observation_;
  if (!observation_.on(dense_, cut(s, at.observation, at.observation), ridge_)) return NOT_CONVERGED;
  const Regression* seen = &observation_;
  const bool knows_exogenous = at.exogenous.size > 0 && at.exogenous_next.size > 0;
  if (knows_exogenous) {
    for (std::size_t i : indices(at.exogenous)) on_seen_.push_back(i);
    if (!seen_.on(dense_, gather(s, on_seen_, on_seen_), ridge_)) return NOT_CONVERGED;
    seen = &seen_;
  }
  if (job_.cancelled()) return OK;
  const auto index = [](std::size_t i) { return static_cast<std::int32_t>(i); };
  if (at.action.size) {
    action_ = index(remainder(at.action, on_observation_, &observation_));
    raw_action_ = index(remainder(at.action, {}, nullptr));
  }
  if (at.exogenous_next.size) {
    future_ = innovation_ = index(remainder(at.exogenous_next, on_observation_, &observation_));
    if (knows_exogenous) innovation_ = index(remainder(at.exogenous_next, on_seen_, seen));
    raw_future_ = index(remainder(at.exogenous_next, {}, nullptr));
  }
  if (at.endogenous_next.size)
    endogenous_ = index(remainder(at.endogenous_next, on_observation_, &observation_));
  raw_observation_ = index(remainder(at.observation, {}, nullptr));
  return explain();
}

// D Gamma^T for D (rows, o'): what of it o tells.
Matrix FoldFit::by_next(const Matrix& d) const {
  const std::size_t n = layout_.observation.size;
  const Matrix& s = training_.covariance;
  Matrix with(n, d.rows);
  dense_.product(false, true, n, d.rows, n, 1,
                 s.row(layout_.observation.begin) + layout_.observation_next.begin, s.cols, d.data(), d.cols,
                 0, with.data(), with.cols);
  const Matrix weights = observation_.weights(dense_, std::move(with));
  Matrix out(d.rows, n);
  for (std::size_t i = 0; i < d.rows; ++i)
    for (std::size_t j = 0; j < n; ++j) out.at(i, j) = weights.at(j, i);
  return out;
}

const Matrix& FoldFit::gamma() {
  if (gamma_.rows == 0)
    gamma_ = observation_.weights(dense_,
                                  cut(training_.covariance, layout_.observation, layout_.observation_next));
  return gamma_;
}

// Of wide observations the leading eigenvectors of cov(o' given o) are found without that matrix: a product
// with it is a few products with blocks of the moments, and two solves. False where all have to be found.
bool FoldFit::leading_directions(Matrix& g) {
  const Matrix& s = training_.covariance;
  const std::size_t n = layout_.observation.size, w = s.cols;
  const double* oo = s.row(layout_.observation.begin) + layout_.observation.begin;
  const double* on = s.row(layout_.observation.begin) + layout_.observation_next.begin;
  const double* nn = s.row(layout_.observation_next.begin) + layout_.observation_next.begin;
  const auto by = [&](bool transposed, const double* block, const Matrix& x, double alpha, double beta,
                      Matrix& out) {
    dense_.product(transposed, false, n, x.cols, n, alpha, block, w, x.data(), x.cols, beta, out.data(),
                   out.cols);
  };
  // With P the weights of o: cov = S_nn - S_no (P + P S_on - P S_oo P ..), written so that it is the
  // covariance of what the weights leave, whatever rounding does to them.
  const Operator apply = [&](const Matrix& x, Matrix& out) {
    Matrix u(n, x.cols);
    by(false, on, x, 1, 0, u);
    Matrix v = observation_.weights(dense_, u);
    by(false, oo, v, -1, 1, u);
    const Matrix back = observation_.weights(dense_, std::move(u));
    for (std::size_t i = 0; i < v.a.size(); ++i) v.a[i] += back.a[i];
    by(false, nn, x, 1, 0, out);
    by(true, on, v, -1, 1, out);
  };
  std::vector<double> values;
  return leading_eigenpairs(dense_, n, latents_, apply, values, g);
}

Covered FoldFit::cover(Matrix rows) const {
  Covered out{std::move(rows), Matrix(), Matrix()};
  const Matrix& s = training_.covariance;
  const std::size_t n = out.rows.rows, width = s.cols;
  out.with = Matrix(n, width);
  out.variance = Matrix(n, n);
  dense_.product(false, false, n, width, width, 1, out.rows.data(), out.rows.cols, s.data(), width, 0,
                 out.with.data(), width);
  dense_.product(false, true, n, n, width, 1, out.with.data(), width, out.rows.data(), out.rows.cols, 0,
                 out.variance.data(), n);
  symmetrise(out.variance);
  return out;
}

Matrix FoldFit::predicted_from(const Covered& z, const std::vector<std::size_t>& given,
                               const Regression& regression) const {
  const std::size_t rows = z.rows.rows;
  Matrix with(given.size(), rows);
  for (std::size_t i = 0; i < given.size(); ++i)
    for (std::size_t j = 0; j < rows; ++j) with.at(i, j) = z.with.at(j, given[i]);
  const Matrix weights = regression.weights(dense_, with);
  Matrix out(rows, z.rows.cols);
  for (std::size_t i = 0; i < given.size(); ++i)
    for (std::size_t j = 0; j < rows; ++j) out.at(j, given[i]) = weights.at(i, j);
  return out;
}

// P = (I + (gain^-2 - 1) S)^(-1/2), S what x' given o explains of o' given o, its greatest eigenvalue 1: the
// direction in which x' shows most keeps `gain` of itself, one in which it does not show is left alone. False
// where an eigenproblem did not converge.
bool FoldFit::suppressing(double gain, Matrix& projection) {
  const UnitLayout& at = layout_;
  const std::size_t n = at.observation.size;
  const Matrix& s = training_.covariance;
  if (!has_shown_ && future_ >= 0) {
    const Remainder& future = remainders_[static_cast<std::size_t>(future_)];
    Matrix rows(at.exogenous_next.size, at.width);
    for (std::size_t i = 0; i < rows.rows; ++i) {
      rows.at(i, at.exogenous_next.begin + i) = 1;
      for (std::size_t j = 0; j < n; ++j) rows.at(i, at.observation.begin + j) = -future.weights.at(j, i);
    }
    const Covered seen = cover(std::move(rows));
    Matrix variance = seen.variance;
    for (std::size_t i = 0; i < variance.rows; ++i) {
      const std::size_t own = at.exogenous_next.begin + i;
      if (variance.at(i, i) > NEGLIGIBLE_VARIANCE * s.at(own, own)) continue;
      for (std::size_t j = 0; j < variance.rows; ++j) variance.at(i, j) = variance.at(j, i) = 0;
    }
    const Matrix covered = Uncorrelated(variance, 0)(seen.with);
    Matrix half = cut(covered, {0, covered.rows}, at.observation_next);
    Matrix with(n, covered.rows);
    for (std::size_t i = 0; i < covered.rows; ++i)
      for (std::size_t j = 0; j < n; ++j) with.at(j, i) = covered.at(i, at.observation.begin + j);
    const Matrix weights = observation_.weights(dense_, std::move(with));
    dense_.product(true, false, half.rows, n, n, -1, weights.data(), weights.cols,
                   s.row(at.observation.begin) + at.observation_next.begin, s.cols, 1, half.data(), n);
    Matrix u = times_nt(dense_, half, half);
    symmetrise(u);
    if (!eigen_symmetric(k_, u, shown_, &job_)) return false;
    const double most = std::max(shown_[0], 0.0);
    std::size_t kept = 0;
    while (kept < u.rows && shown_[kept] > RELATIVE_TOLERANCE * most) ++kept;
    u.a.resize(kept * u.cols);
    u.rows = kept;
    shown_directions_ = times(dense_, u, half);
    for (std::size_t i = 0; i < kept; ++i) {
      for (std::size_t j = 0; j < n; ++j) shown_directions_.at(i, j) /= std::sqrt(shown_[i]);
      shown_[i] /= most;
    }
    has_shown_ = true;
  }
  const double scale = 1 / (gain * gain) - 1;
  Matrix less = shown_directions_;
  for (std::size_t i = 0; i < less.rows; ++i)
    for (std::size_t j = 0; j < n; ++j) less.at(i, j) *= 1 / std::sqrt(1 + scale * shown_[i]) - 1;
  projection = Matrix(n, n);
  for (std::size_t i = 0; i < n; ++i) projection.at(i, i) = 1;
  if (less.rows)
    dense_.product(true, false, n, n, less.rows, 1, shown_directions_.data(), n, less.data(), n, 1,
                   projection.data(), n);
  return true;
}

Status FoldFit::encoder(const Fitted& asked, Matrix& c, Matrix& d) {
  Fitted fitted = asked;
  Matrix suppressed;
  if (asked.gain > 0) {
    if (!suppressing(asked.gain, suppressed)) return NOT_CONVERGED;
    fitted.projection = suppressed.data();
    fitted.projected = suppressed.rows;
  }
  const Objective& o = fitted.objective;
  UnitLayout known = layout_;
  known.width = training_.covariance.cols;
  const StackMoments stacks(dense_, known, fitted, training_.covariance.data());
  const bool innovation = is_plain(o.f, OBSERVATION) && is_plain(o.e, OBSERVATION_NEXT);
  const bool reconstructs = o.penalty_count == 0 && same(o.y, o.e);
  const std::size_t dim = layout_.observation.size;
  if (innovation && reconstructs && few_of(latents_, dim)) {
    Matrix g;
    if (leading_directions(g) || job_.cancelled()) {
      c = Matrix(latents_, dim);
      d = Matrix(latents_, dim);
      if (job_.cancelled()) return OK;
      stacks.add_maps(o.e, g, 1, c, d);
      if (o.innovation) {
        const Matrix back = by_next(g);
        for (std::size_t i = 0; i < c.a.size(); ++i) c.a[i] -= back.a[i];
      }
      return OK;
    }
  }
  const Matrix s_ff = stacks.covariance(o.f, o.f), s_fe = stacks.covariance(o.f, o.e);
  Regression own;
  if (!innovation && !own.on(dense_, s_ff, ridge_)) return NOT_CONVERGED;
  const Regression& on_f = innovation ? observation_ : own;
  const Matrix gamma_e = innovation ? gamma() : on_f.weights(dense_, s_fe);

  // Eigenpairs of what the encoder sees, penalties added.
  std::vector<double> variance;
  Matrix u;
  if (innovation && o.penalty_count == 0 && has_spectrum_) {
    variance = spectrum_;
    u = spectrum_vectors_;
  } else {
    u = residual_covariance(k_, stacks.covariance(o.e, o.e), s_fe, s_fe, s_ff, gamma_e, gamma_e, &job_);
    for (std::int32_t i = 0; i < o.penalty_count; ++i) {
      const Stack &given = o.penalties[i].given, &of = o.penalties[i].of;
      const Matrix gg = stacks.covariance(given, given), go = stacks.covariance(given, of);
      Regression on_given;
      if (!on_given.on(dense_, gg, ridge_)) return NOT_CONVERGED;
      const Matrix weights = on_given.weights(dense_, go);
      const Matrix move =
          residual_covariance(k_, stacks.covariance(of, of), go, go, gg, weights, weights, &job_);
      const double weight = stacks.coefficient(o.penalties[i].weight);
      for (std::size_t j = 0; j < u.a.size(); ++j) u.a[j] += weight * move.a[j];
    }
    symmetrise(u);
    if (!eigen_symmetric(k_, u, variance, &job_)) return NOT_CONVERGED;
    if (innovation && o.penalty_count == 0) {
      has_spectrum_ = true;
      spectrum_ = variance;
      spectrum_vectors_ = u;
    }
  }
  if (job_.cancelled()) return OK;
  const std::size_t ne = u.rows;
  const double largest = ne ? std::max(variance[0], 0.0) : 0;
  std::size_t kept = 0;
  while (kept < ne && variance[kept] > RELATIVE_TOLERANCE * largest) ++kept;

  Matrix g(latents_, ne);  // row i: the i-th latent's weights on e
  if (reconstructs) {
    std::copy(u.data(), u.data() + std::min(latents_, kept) * ne, g.data());
  } else {
    const Matrix s_fy = stacks.covariance(o.f, o.y), gamma_y = on_f.weights(dense_, s_fy);
    const Matrix s_ye =
        residual_covariance(k_, stacks.covariance(o.y, o.e), s_fy, s_fe, s_ff, gamma_y, gamma_e, &job_);
    // Whitened coordinates: N = S_ye U / sqrt(variance), M = N N^T has the eigenvalues of N^T N.
    u.a.resize(kept * ne);
    u.rows = kept;
    for (std::size_t i = 0; i < kept; ++i) {
      const double scale = 1 / std::sqrt(variance[i]);
      for (std::size_t j = 0; j < ne; ++j) u.at(i, j) *= scale;
    }
    const Matrix n = times_nt(dense_, s_ye, u);
    if (job_.cancelled()) return OK;
    const bool by_target = n.rows < n.cols;
    Matrix b = by_target ? times_nt(dense_, n, n) : times_tn(dense_, n, n);
    symmetrise(b);
    std::vector<double> lambda;
    if (!eigen_symmetric(k_, b, lambda, &job_)) return NOT_CONVERGED;
    const std::size_t rows = std::min(latents_, b.rows);
    b.a.resize(rows * b.cols);
    b.rows = rows;
    // G = B^T N U; where the eigenvectors are those of N^T N, B^T N is they times the roots of the
    // eigenvalues.
    if (!by_target)
      for (std::size_t i = 0; i < rows; ++i)
        for (std::size_t j = 0; j < b.cols; ++j) b.at(i, j) *= std::sqrt(std::max(lambda[i], 0.0));
    const Matrix leading = by_target ? times(dense_, times(dense_, b, n), u) : times(dense_, b, u);
    std::copy(leading.a.begin(), leading.a.end(), g.data());
  }
  c = Matrix(latents_, dim);
  d = Matrix(latents_, dim);
  stacks.add_maps(o.e, g, 1, c, d);
  if (o.innovation && o.f.count) stacks.add_maps(o.f, times_nt(dense_, g, gamma_e), -1, c, d);
  return OK;
}

}  // namespace exo

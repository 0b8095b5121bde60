#include "core/fold-fit.h"

#include <cmath>

#include "core/conventions.h"
#include "core/leading.h"
#include "core/regression.h"
#include "core/stack-moments.h"

namespace exo {
namespace {

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

// Rows made uncorrelated one after the other, so that the first k of them say what the first k did: L^-1 rows
// with covariance + ridge = L L^T. A row of which nothing is left becomes zero.
class Uncorrelated {
 public:
  Uncorrelated(const Matrix& covariance, double ridge) : lower_(covariance), pivots_(covariance.rows) {
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
  Matrix operator()(Matrix rows) const {
    for (std::size_t i = 0; i < rows.rows; ++i) {
      double* row = rows.row(i);
      const double scale = pivots_[i] > 0 ? 1 / pivots_[i] : 0;
      for (std::size_t j = 0; j < i; ++j)
        for (std::size_t c = 0; c < rows.cols; ++c) row[c] -= lower_.at(i, j) * rows.at(j, c);
      for (std::size_t c = 0; c < rows.cols; ++c) row[c] *= scale;
    }
    return rows;
  }

 private:
  Matrix lower_;
  std::vector<double> pivots_;
};

// Rows as loadings on every column, from maps of the variables that begin at these columns.
void place(Matrix& out, const Matrix& map, std::size_t begin, double factor) {
  for (std::size_t i = 0; i < map.rows; ++i)
    for (std::size_t j = 0; j < map.cols; ++j) out.at(i, begin + j) += factor * map.at(i, j);
}

}  // namespace

Matrix cut(const Matrix& s, Columns rows, Columns cols) {
  Matrix out(rows.size, cols.size);
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
  const auto scaled = [&](Matrix& m) {
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) m.at(i, j) *= scale_[i] * scale_[j];
      m.at(i, i) += scale_[i] > 0 ? ridge : 1;
    }
  };
  factor_ = std::move(covariance);
  scaled(factor_);
  if (n == 0) return true;
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

// Of rows whose products with every column these are, with a remainder: (rows, target).
Matrix FoldFit::remainder_cross(const Matrix& products, const Remainder& r) const {
  Matrix out(products.rows, r.target.size), given(products.rows, r.given.size());
  for (std::size_t i = 0; i < products.rows; ++i) {
    for (std::size_t j = 0; j < r.given.size(); ++j) given.at(i, j) = products.at(i, r.given[j]);
    std::copy(products.row(i) + r.target.begin, products.row(i) + r.target.begin + r.target.size, out.row(i));
  }
  if (!r.given.empty())
    dense_.product(false, false, given.rows, out.cols, given.cols, -1, given.data(), given.cols,
                   r.weights.data(), r.weights.cols, 1, out.data(), out.cols);
  return out;
}

void FoldFit::probe(LatentForms& forms, const std::vector<Asked>& asked, const Covered& z) const {
  const Uncorrelated uncorrelated(z.variance, LATENT_RIDGE);
  const Matrix products = uncorrelated(z.with);
  for (const auto& [metric, remainder] : asked) {
    if (remainder < 0) continue;
    const auto index = static_cast<std::size_t>(remainder);
    Probed p{metric, index, forms.latents.size(), remainder_cross(products, remainders_[index]), Matrix()};
    p.gain_gram = times_nt(dense_, p.gain, p.gain);
    forms.probed.push_back(std::move(p));
  }
  forms.latents.push_back(uncorrelated(z.rows));
}

// What is given to one is the beginning of what is given to another: its weights on the rest are zero.
Source FoldFit::source(const std::vector<std::size_t>& remainders) const {
  Source out;
  for (const std::size_t i : remainders) {
    const Remainder& r = remainders_[i];
    for (const std::size_t c : indices(r.target)) out.target.push_back(c);
    if (r.given.size() > out.given.size()) out.given = r.given;
  }
  out.weights = Matrix(out.given.size(), out.target.size());
  std::size_t begin = 0;
  for (const std::size_t i : remainders) {
    const Matrix& w = remainders_[i].weights;
    for (std::size_t g = 0; g < w.rows; ++g)
      std::copy(w.row(g), w.row(g) + w.cols, out.weights.row(g) + begin);
    begin += remainders_[i].target.size;
  }
  return out;
}

// The sources that z may be made of. The covariance of the widest holds those of the others.
Status FoldFit::explain() {
  const auto at = [](std::int32_t i) { return static_cast<std::size_t>(i); };
  std::vector<std::size_t> all;
  if (innovation_ >= 0) all.push_back(at(innovation_));
  if (action_ >= 0) all.push_back(at(action_));
  if (all.empty()) return OK;
  const Matrix& s = training_.covariance;
  Source whole = source(all);
  const Matrix variance =
      residual_variance(dense_, gather(s, whole.target, whole.target), gather(s, whole.given, whole.target),
                        gather(s, whole.given, whole.given), whole.weights);
  if (job_.cancelled()) return OK;
  const auto add = [&](Estimated metric, Source own, std::size_t begin) {
    const std::size_t n = own.target.size();
    Matrix part = cut(variance, {begin, n}, {begin, n});
    std::vector<double> scale = unit_scale(part, NEGLIGIBLE_VARIANCE);
    for (std::size_t i = 0; i < n; ++i)
      if (!(part.at(i, i) > NEGLIGIBLE_VARIANCE * s.at(own.target[i], own.target[i]))) scale[i] = 0;
    const bool found = own.on.on(dense_, std::move(part), LATENT_RIDGE, std::move(scale));
    sources_.push_back({metric, std::move(own)});
    return found;
  };
  bool found = true;
  if (innovation_ >= 0) found = found && add(Estimated::ShareExogenous, source({all.front()}), 0);
  if (action_ >= 0)
    found = found && add(Estimated::ShareAction, source({all.back()}),
                         whole.target.size() - remainders_[all.back()].target.size);
  if (all.size() == 2) found = found && add(Estimated::ShareEither, std::move(whole), 0);
  return found ? OK : NOT_CONVERGED;
}

// What each source explains of rows, brought to unit variance and uncorrelated.
void FoldFit::share(LatentForms& forms, const Covered& z) const {
  if (sources_.empty()) return;
  const Uncorrelated uncorrelated(z.variance, 0);
  const Matrix products = uncorrelated(z.with);
  Matrix whole = uncorrelated(z.rows);
  for (const auto& [metric, source] : sources_)
    forms.shared.push_back(Shared{metric, unexplained(whole, products, source), forms.latents.size()});
  forms.latents.push_back(std::move(whole));
}

// Rows, of which these are the products with every column, less what a source explains of them.
Matrix FoldFit::unexplained(const Matrix& whole, const Matrix& products, const Source& source) const {
  Matrix cross(products.rows, source.target.size()), given(products.rows, source.given.size());
  for (std::size_t i = 0; i < products.rows; ++i) {
    for (std::size_t j = 0; j < cross.cols; ++j) cross.at(i, j) = products.at(i, source.target[j]);
    for (std::size_t j = 0; j < given.cols; ++j) given.at(i, j) = products.at(i, source.given[j]);
  }
  if (!source.given.empty())
    dense_.product(false, false, given.rows, cross.cols, given.cols, -1, given.data(), given.cols,
                   source.weights.data(), source.weights.cols, 1, cross.data(), cross.cols);
  Matrix with(cross.cols, cross.rows);
  for (std::size_t i = 0; i < cross.rows; ++i)
    for (std::size_t j = 0; j < cross.cols; ++j) with.at(j, i) = cross.at(i, j);
  const Matrix weights = source.on.weights(dense_, with);  // (target, K)
  Matrix left = whole;
  for (std::size_t j = 0; j < weights.rows; ++j)
    for (std::size_t i = 0; i < weights.cols; ++i) left.at(i, source.target[j]) -= weights.at(j, i);
  if (!source.given.empty()) {
    const Matrix back = times(dense_, source.weights, weights);  // (given, K)
    for (std::size_t j = 0; j < back.rows; ++j)
      for (std::size_t i = 0; i < back.cols; ++i) left.at(i, source.given[j]) += back.at(j, i);
  }
  return left;
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

Status FoldFit::fit(const Fitted& fitted, LatentForms& forms) {
  Matrix c, d;
  const Status status = encoder(fitted, c, d);
  if (status != OK || job_.cancelled()) return status;
  const UnitLayout& at = layout_;
  // z given o: whatever z holds of o itself drops out, and with it C.
  Matrix given_o(latents_, at.width), raw(latents_, at.width);
  place(given_o, d, at.observation_next.begin, 1);
  place(given_o, by_next(d), at.observation.begin, -1);
  place(raw, d, at.observation_next.begin, 1);
  place(raw, c, at.observation.begin, 1);
  const Covered covered = cover(std::move(given_o));
  const Uncorrelated at_unit(covered.variance, 0);
  const Covered z = cover(at_unit(covered.rows));
  probe(forms,
        {{Estimated::ActionError, action_},
         {Estimated::FutureLeakage, future_},
         {Estimated::EndogenousError, endogenous_}},
        z);
  if (job_.cancelled()) return OK;
  const bool knows_exogenous = innovation_ >= 0 && innovation_ != future_;
  // z given all that is seen before the transition
  Matrix rest = predicted_from(z, on_seen_, knows_exogenous ? seen_ : observation_);
  for (std::size_t i = 0; i < rest.a.size(); ++i) rest.a[i] = z.rows.a[i] - rest.a[i];
  const Covered beyond = cover(std::move(rest));
  if (knows_exogenous) probe(forms, {{Estimated::InnovationLeakage, innovation_}}, beyond);
  share(forms, beyond);
  if (job_.cancelled()) return OK;

  const Covered raw_covered = cover(raw);
  const Covered raw_at_unit = cover(Uncorrelated(raw_covered.variance, 0)(raw));
  probe(forms,
        {{Estimated::RawActionError, raw_action_},
         {Estimated::RawExogenousNextError, raw_future_},
         {Estimated::RawObservationError, raw_observation_}},
        raw_at_unit);
  if (at.pair_observation.size && at.pair_observation_next.size) {
    Matrix moved = raw, whole = raw;
    place(moved, c, at.pair_observation.begin, -1);
    place(moved, d, at.pair_observation_next.begin, -1);
    for (double& v : whole.a) v *= std::sqrt(2.0);
    forms.shared.push_back(Shared{Estimated::ConsistencyError, at_unit(moved), forms.latents.size()});
    forms.latents.push_back(at_unit(whole));
  }
  return OK;
}

Left FoldFit::left(const Held& held) const {
  Left out;
  for (const Remainder& r : remainders_) {
    double left = 0;
    if (held.rows) {
      const Matrix& rows = *held.rows;
      Matrix e = cut(rows, {0, rows.rows}, r.target);
      if (!r.given.empty()) {
        Matrix seen(rows.rows, r.given.size());
        for (std::size_t i = 0; i < rows.rows; ++i)
          for (std::size_t j = 0; j < r.given.size(); ++j) seen.at(i, j) = rows.at(i, r.given[j]);
        dense_.product(false, false, e.rows, e.cols, seen.cols, -1, seen.data(), seen.cols, r.weights.data(),
                       r.weights.cols, 1, e.data(), e.cols);
      }
      left = dot(e.data(), e.data(), e.a.size());
      out.rows.push_back(std::move(e));
    } else {
      const Matrix& sums = *held.sums;
      for (std::size_t i = 0; i < r.target.size; ++i) left += sums.at(r.target.begin + i, r.target.begin + i);
      if (!r.given.empty()) {
        const Matrix mapped = times(dense_, gather(sums, r.given, r.given), r.weights);
        const Matrix with = gather(sums, r.given, r.target);
        for (std::size_t i = 0; i < mapped.a.size(); ++i)
          left += r.weights.a[i] * (mapped.a[i] - 2 * with.a[i]);
      }
      left *= held.scale;
    }
    out.squares.push_back(left);
  }
  return out;
}

// Of each of these rows of loadings, whose products with what is held are `with`, the sum of squares.
static std::vector<double> sum_of_squares(const Matrix& rows, const Matrix& with, const Held& held) {
  std::vector<double> out(rows.rows);
  for (std::size_t i = 0; i < rows.rows; ++i)
    out[i] = held.rows ? dot(with.row(i), with.row(i), with.cols)
                       : held.scale * dot(with.row(i), rows.row(i), with.cols);
  return out;
}

void FoldFit::errors(const LatentForms& forms, const Held& held, const Left& left,
                     const std::int32_t* latent_dims, std::size_t latent_count, double* out) const {
  const auto report = [&](Estimated metric, const std::vector<double>& num, const std::vector<double>& den) {
    for (std::size_t l = 0; l < latent_count; ++l) {
      const std::size_t dims = std::min(static_cast<std::size_t>(latent_dims[l]), latents_);
      double* to = out + (l * ESTIMATED_COUNT + static_cast<std::size_t>(metric)) * 2;
      to[0] = num[dims];
      to[1] = den[dims];
    }
  };
  const auto seen = [&](const Matrix& rows) {
    return held.rows ? times_nt(dense_, rows, *held.rows) : times(dense_, rows, *held.sums);
  };
  std::vector<Matrix> latents, products;
  for (const Matrix& rows : forms.latents) {
    latents.push_back(seen(rows));
    products.push_back(times_nt(dense_, latents.back(), held.rows ? latents.back() : rows));
  }
  std::vector<double> num(latents_ + 1), den(latents_ + 1);
  for (const Probed& p : forms.probed) {
    const double scale = held.rows ? 1 : held.scale;
    const Matrix &with = latents[p.latents], &squares = products[p.latents];
    const Matrix cross = held.rows ? times(dense_, with, left.rows[p.remainder])
                                   : remainder_cross(with, remainders_[p.remainder]);
    std::fill(den.begin(), den.end(), left.squares[p.remainder]);
    num[0] = left.squares[p.remainder];
    for (std::size_t i = 0; i < latents_; ++i) {
      double change =
          p.gain_gram.at(i, i) * squares.at(i, i) - 2 * dot(p.gain.row(i), cross.row(i), cross.cols);
      for (std::size_t j = 0; j < i; ++j)
        change += p.gain_gram.at(i, j) * (squares.at(i, j) + squares.at(j, i));
      num[i + 1] = num[i] + scale * change;
    }
    report(p.metric, num, den);
  }
  for (const Shared& p : forms.shared) {
    const std::vector<double> of_left = sum_of_squares(p.left, seen(p.left), held),
                              of_whole = sum_of_squares(forms.latents[p.whole], latents[p.whole], held);
    num[0] = den[0] = 0;
    for (std::size_t i = 0; i < latents_; ++i) {
      num[i + 1] = num[i] + of_left[i];
      den[i + 1] = den[i] + of_whole[i];
    }
    report(p.metric, num, den);
  }
}

}  // namespace exo

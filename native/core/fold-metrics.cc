// The metrics on data (docs/theory.md section 4) of one fold's model: what each is fitted from, and its
// errors.
#include "core/fold-fit.h"

#include <cmath>

#include "core/conventions.h"
#include "core/regression.h"

namespace exo {
namespace {

// Rows as loadings on every column, from maps of the variables that begin at these columns.
void place(Matrix& out, const Matrix& map, std::size_t begin, double factor) {
  for (std::size_t i = 0; i < map.rows; ++i)
    for (std::size_t j = 0; j < map.cols; ++j) out.at(i, begin + j) += factor * map.at(i, j);
}

}  // namespace

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
  Matrix rows(whole.target.size(), s.cols);
  for (std::size_t t = 0; t < rows.rows; ++t) {
    rows.at(t, whole.target[t]) = 1;
    for (std::size_t g = 0; g < whole.given.size(); ++g) rows.at(t, whole.given[g]) -= whole.weights.at(g, t);
  }
  const Matrix variance = cover(std::move(rows)).variance;
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

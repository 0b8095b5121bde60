#include "core/judge.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace exo {

namespace {

const double NOT_DEFINED = std::numeric_limits<double>::quiet_NaN();

LatentRows latents_of(Rows left, const Rows& whole) {
  LatentRows z{orthonormal_in_order(unit_rows(std::move(left), whole)), {}};
  for (std::size_t i = 0; i < z.basis.rows; ++i)
    z.holds.push_back(dot(z.basis[i], z.basis[i], z.basis.cols) > 0);
  return z;
}

// Variances of coordinates that nothing sees, given something and given nothing.
struct Unseen {
  double left, whole;
};

TargetRows target_of(Rows left, const Rows& whole, const LatentRows& z, std::size_t fixed,
                     Unseen unseen = {0, 0}) {
  TargetRows t{{}, {}, left_after(left, z.basis, fixed), false};
  t.loadings = std::move(left);
  for (double& value : t.left) value += unseen.left;
  t.is_void = !(t.left[0] > VOID_LOADINGS * (squares(whole) + unseen.whole));
  return t;
}

TargetRows sought(Rows left, const Rows& whole, const LatentRows& z, std::size_t fixed,
                  Unseen unseen = {0, 0}) {
  TargetRows t = target_of(std::move(left), whole, z, fixed, unseen);
  t.basis = orthonormal_in_order(unit_rows(t.loadings, whole));
  return t;
}

Rows tied_rows(const Rows& a, const Choice& c) { return rows_of(a, c.fixed_rows, c.tied_rows); }

// One value for each of the complement's coordinates that can be chosen.
std::size_t copies(const Choice& c) { return std::min(c.tied_picks, c.chosen); }

std::vector<double> padded(std::vector<double> values, std::size_t size) {
  values.resize(size);
  return values;
}

Range of_total(Range r, double total) { return {r.first / total, r.second / total}; }
Range one_less(Range r) { return {1 - r.second, 1 - r.first}; }

// The tied rows that hold something.
Rows holding(const Rows& tied, const LatentRows& z, const Choice& c) {
  Rows out(0, tied.cols);
  for (std::size_t i = 0; i < tied.rows; ++i)
    if (z.holds[c.fixed_rows + i]) {
      out.v.insert(out.v.end(), tied[i], tied[i] + tied.cols);
      ++out.rows;
    }
  return out;
}

double nats(double left) {
  return left > VOID_LOADINGS ? -0.5 * std::log(std::min(left, 1.0))
                              : std::numeric_limits<double>::infinity();
}

Rows stacked(const Rows& a, const Rows& b) {
  Rows out(a.rows + b.rows, a.cols);
  std::copy(a.v.begin(), a.v.end(), out.v.begin());
  std::copy(b.v.begin(), b.v.end(), out.v.begin() + static_cast<std::ptrdiff_t>(a.v.size()));
  return out;
}

// The squared sines of the angles between two spaces, for each dimension of the first: from the cosines where
// they are small, else from what the basis leaves of the direction, which has the digits.
std::vector<double> left_of_directions(const Rows& space, const Rows& basis) {
  const Rows along = multiply_transposed(basis, space);
  const bool wide = along.cols < along.rows;
  const Rows across = wide ? transposed(along) : along;
  const Rows turn = orthogonal_turn(across), turned = multiply(turn, across);
  std::vector<double> out;
  Rows near(0, space.rows);
  for (std::size_t i = 0; i < turned.rows; ++i) {
    const double square = dot(turned[i], turned[i], turned.cols);
    if (square > 0.5) {
      const double* direction = wide ? turn[i] : turned[i];
      near.v.insert(near.v.end(), direction, direction + near.cols);
      if (!wide)
        for (std::size_t j = 0; j < near.cols; ++j) near[near.rows][j] /= std::sqrt(square);
      ++near.rows;
    } else {
      out.push_back(1 - square);
    }
  }
  for (const double value : singular_squares(beside(multiply(near, space), basis))) out.push_back(value);
  out.resize(space.rows, 1);
  return out;
}

}  // namespace

Judge::Judge(const SourceWorld& world, const EncoderRows& encoder, std::size_t fixed, GivenMemory& memory,
             double tolerance)
    : world_(world), c_(encoder.complement_c), d_(encoder.complement_d) {
  const Variables& v = world.variables;
  const Rows &o = v.loadings[OBSERVATION], &next = v.loadings[OBSERVATION_NEXT], &a = v.loadings[ACTION];
  const Rows& x = world.exogenous_next;
  const double scale = world.parameter[EXOGENOUS_SCALE], hidden = world.parameter[HIDDEN_EXOGENOUS_DIM];
  const double kept = world.parameter[EXOGENOUS_DECAY] * world.parameter[EXOGENOUS_INITIAL_SCALE];
  const double is_new = hidden == 0 ? 0 : hidden * scale * scale;
  const double unseen = hidden == 0 ? 0 : hidden * (kept * kept + scale * scale);
  whole_ = multiply(encoder.c, o);
  add_scaled(whole_, 1, multiply(encoder.d, next));
  // z given o is D (o' given o): the part that o determines is never there to cancel.
  Given& given_o = memory.of({&o}, tolerance)[0];
  const auto left = [&](const Rows& of) { return given_o.beside(of); };
  given_o_ = latents_of(multiply(encoder.d, left(next)), whole_);
  action_ = sought(left(a), a, given_o_, fixed);
  exogenous_ = sought(left(x), x, given_o_, fixed, {unseen, unseen});
  raw_ = latents_of(whole_, whole_);
  raw_action_ = target_of(a, a, raw_, fixed);
  raw_exogenous_ = target_of(x, x, raw_, fixed, {unseen, unseen});
  raw_observation_ = target_of(o, o, raw_, fixed);

  // Given x, its own sources are gone from everything; then given what o still tells.
  const auto beyond = [&](Rows of) {
    for (std::size_t i = 0; i < of.rows; ++i)
      std::fill_n(of[i] + world.exogenous, world.exogenous_mixing.cols, 0.0);
    return of;
  };
  const Rows rest = beyond(o);
  Given& both = memory.of({&rest}, tolerance)[0];
  const auto left_of_both = [&](const Rows& of) { return both.beside(beyond(of)); };
  given_both_ = latents_of(multiply(encoder.d, left_of_both(next)), whole_);
  innovation_ = sought(left_of_both(x), x, given_both_, fixed, {is_new, unseen});

  // What a redraw of (x, w_x) moves each latent by: (C + rho_x D) Ex x, exogenousScale D Ex w_x.
  const std::size_t dx = world.exogenous_mixing.cols;
  const Rows by_c = multiply(encoder.c, world.exogenous_mixing),
             by_d = multiply(encoder.d, world.exogenous_mixing);
  moved_ = Rows(by_d.rows, 2 * dx);
  for (std::size_t i = 0; i < by_d.rows; ++i)
    for (std::size_t j = 0; j < dx; ++j) {
      moved_[i][j] = world.parameter[EXOGENOUS_INITIAL_SCALE] *
                     (by_c[i][j] + world.parameter[EXOGENOUS_DECAY] * by_d[i][j]);
      moved_[i][dx + j] = world.parameter[EXOGENOUS_SCALE] * by_d[i][j];
    }
}

// tr cov(t | z); `each`: what a coordinate of the complement explains of t.
Range Judge::error(const TargetRows& t, const Rows& tied, const Choice& choice, double each) const {
  std::vector<double> values = padded(singular_squares(multiply_transposed(tied, t.loadings)), tied.rows);
  values.insert(values.end(), copies(choice), each);
  const auto [low, high] = extreme_sums(values, choice.chosen);
  const double before = t.left[choice.fixed_rows] - static_cast<double>(choice.fixed_picks) * each;
  return {before - high, before - low};
}

// I(t; z | o) = -1/2 sum log of what t leaves of each latent beside those before it.
Range Judge::information(const TargetRows& t, const Rows& tied, const Choice& choice) const {
  if (t.is_void) return {NOT_DEFINED, NOT_DEFINED};
  std::vector<double> left;
  const Rows own =
      orthonormal_in_order(beside(rows_of(given_o_.basis, 0, choice.fixed_rows), t.basis), &left);
  double known = 0;
  for (std::size_t i = 0; i < left.size(); ++i)
    if (given_o_.holds[i]) known += nats(left[i]);
  std::vector<double> values = left_of_directions(tied, stacked(t.basis, own));
  for (double& value : values) value = nats(value);
  values.resize(choice.tied_rows + copies(choice));
  const auto [low, high] = extreme_sums(values, choice.chosen);
  return {known + low, known + high};
}

Range Judge::share(const Rows& basis, const Rows& tied, const Choice& choice) const {
  const LatentRows& z = given_both_;
  const double whole = squares(multiply_transposed(rows_of(z.basis, 0, choice.fixed_rows), basis));
  double count = d_ != 0 ? static_cast<double>(choice.fixed_picks) : 0;
  for (std::size_t i = 0; i < choice.fixed_rows; ++i) count += z.holds[i];
  std::vector<double> values = padded(singular_squares(multiply_transposed(tied, basis)), tied.rows);
  // On the complement's coordinates a latent is sensor noise: new if it looks at o' at all, explained by
  // nothing.
  std::size_t empty = choice.tied_rows - tied.rows;
  if (d_ != 0)
    values.resize(values.size() + copies(choice));
  else
    empty += copies(choice);
  return extreme_means(whole, count, values, empty, choice.chosen);
}

Range Judge::consistency(const Choice& choice) const {
  const double eta = world_.parameter[SENSOR_NOISE], noise = eta * eta * (c_ * c_ + d_ * d_);
  const auto form = [&](const Rows& a, double each) {
    const Rows tied = tied_rows(a, choice);
    return Form{squares(rows_of(a, 0, choice.fixed_rows)) + static_cast<double>(choice.fixed_picks) * each,
                multiply_transposed(tied, tied), each};
  };
  return extreme_ratios(form(moved_, 0), form(whole_, noise), copies(choice), choice.chosen);
}

std::vector<Range> Judge::ranges(const Choice& choice) const {
  const auto part = [](const TargetRows& t, Range r) {
    return of_total(r, t.is_void ? NOT_DEFINED : t.left[0]);
  };
  const double eta = world_.parameter[SENSOR_NOISE], outside = world_.parameter[COMPLEMENT_DIM] * eta * eta;
  const Rows given_o = tied_rows(given_o_.basis, choice), given_both = tied_rows(given_both_.basis, choice),
             raw = tied_rows(raw_.basis, choice);
  const Rows new_o = holding(given_o, given_o_, choice), new_both = holding(given_both, given_both_, choice);
  std::vector<Range> out(POPULATION_METRIC_COUNT);
  out[ACTION_ERROR] = part(action_, error(action_, given_o, choice));
  out[FUTURE_LEAKAGE] = one_less(part(exogenous_, error(exogenous_, given_o, choice)));
  out[ACTION_INFORMATION] = information(action_, new_o, choice);
  out[FUTURE_INFORMATION] = information(exogenous_, new_o, choice);
  out[CONSISTENCY_ERROR] = consistency(choice);
  out[RAW_ACTION_ERROR] = part(raw_action_, error(raw_action_, raw, choice));
  out[RAW_EXOGENOUS_NEXT_ERROR] = part(raw_exogenous_, error(raw_exogenous_, raw, choice));
  const double seen = c_ == 0 ? 0 : eta * eta * c_ * c_ / (c_ * c_ + d_ * d_);
  const Range observation = error(raw_observation_, raw, choice, seen);
  out[RAW_OBSERVATION_ERROR] = of_total({observation.first + outside, observation.second + outside},
                                        raw_observation_.left[0] + outside);
  out[INNOVATION_LEAKAGE] = one_less(part(innovation_, error(innovation_, given_both, choice)));
  out[LATENT_SHARE_EXOGENOUS] = share(innovation_.basis, new_both, choice);
  out[LATENT_SHARE_ACTION] = share(action_.basis, new_both, choice);
  return out;
}

}  // namespace exo

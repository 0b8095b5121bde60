#include "core/careful.h"

#include <algorithm>
#include <cmath>

#include "core/judge.h"
#include "core/source-world.h"
#include "core/ties.h"

namespace exo {

namespace {

// The problem on one set of coordinates given f: those of the reduced basis, or one that stands for the
// complement.
struct Side {
  const Variables* variables;
  const Objective* objective;
  Given* f;
  Rows along;  // (width of e, rank of f): E[e | f] = along x basis of f
  std::vector<double> values;
  Rows weights;  // G, a row a latent
  double unexplained = 0, variance = 0;
};

// Appends sqrt(weight) x rows as new sources.
void append(Rows& to, double weight, const Rows& rows) {
  Rows out(to.rows, to.cols + rows.cols);
  for (std::size_t i = 0; i < to.rows; ++i) {
    std::copy_n(to[i], to.cols, out[i]);
    for (std::size_t j = 0; j < rows.cols && i < rows.rows; ++j)
      out[i][to.cols + j] = std::sqrt(weight) * rows[i][j];
  }
  to = out;
}

std::vector<Given>& given_on(const std::vector<Side>& sides, const double* coefficients, double tolerance,
                             GivenMemory& memory, Stack (*stack)(const Objective&, std::int32_t),
                             std::int32_t index) {
  std::vector<Rows> composed;
  for (const Side& side : sides)
    composed.push_back(side.variables->compose(stack(*side.objective, index), coefficients));
  std::vector<const Rows*> all;
  for (const Rows& rows : composed) all.push_back(&rows);
  return memory.of(all, tolerance);
}

// Rows U N that are orthogonal, in the order of their squares, which are the eigenvalues of N N^T. A target
// wider than the bottleneck has more rows than N has directions: then those of N^T are turned instead, unless
// that costs a small eigenvalue digits.
Rows latents_of(const Rows& n, std::vector<double>& values) {
  if (n.cols < n.rows) {
    const Rows across = transposed(n), turn = orthogonal_turn(across);
    const Rows turned = multiply(turn, across);
    Rows out = turn;
    bool clear = true;
    values.assign(n.rows, 0);
    for (std::size_t k = 0; k < out.rows; ++k) {
      values[k] = dot(turned[k], turned[k], turned.cols);
      clear &= values[k] > CLEAR_SHARE * values[0];
      for (std::size_t j = 0; j < out.cols; ++j) out[k][j] *= std::sqrt(values[k]);
    }
    if (clear) return out;
  }
  const Rows turned = multiply(orthogonal_turn(n), n);
  values.assign(n.rows, 0);
  for (std::size_t k = 0; k < turned.rows; ++k) values[k] = dot(turned[k], turned[k], turned.cols);
  return turned;
}

// theory.md section 2 on loadings: with Q an orthonormal basis of e and N = y Q^T, M = N N^T. A penalty is
// the covariance of something independent that e holds besides.
void solve_sides(std::vector<Side>& sides, const double* coefficients, double tolerance,
                 GivenMemory& memory) {
  auto& f = given_on(
      sides, coefficients, tolerance, memory, [](const Objective& o, std::int32_t) { return o.f; }, 0);
  std::vector<Rows> y, e;
  for (std::size_t i = 0; i < sides.size(); ++i) {
    Side& side = sides[i];
    side.f = &f[i];
    const Rows target = side.variables->compose(side.objective->y, coefficients);
    side.variance = squares(target);
    y.push_back(side.f->beside(target));
    e.push_back(side.f->beside(side.variables->compose(side.objective->e, coefficients), &side.along));
  }
  for (std::int32_t p = 0; p < sides[0].objective->penalty_count; ++p) {
    auto& on = given_on(
        sides, coefficients, tolerance, memory,
        [](const Objective& o, std::int32_t index) { return o.penalties[index].given; }, p);
    for (std::size_t i = 0; i < sides.size(); ++i) {
      const Penalty& penalty = sides[i].objective->penalties[p];
      const Rows of = on[i].beside(sides[i].variables->compose(penalty.of, coefficients));
      append(e[i], coefficients[penalty.weight], of);
      append(y[i], 0, of);
      for (std::size_t r = 0; r < y[i].rows; ++r) std::fill_n(y[i][r] + y[i].cols - of.cols, of.cols, 0.0);
    }
  }
  std::vector<const Rows*> bottlenecks;
  for (const Rows& rows : e) bottlenecks.push_back(&rows);
  const auto& bases = memory.of(bottlenecks, tolerance);
  for (std::size_t i = 0; i < sides.size(); ++i) {
    const Rows n = multiply_transposed(y[i], bases[i].basis);
    Rows rest = y[i];
    add_scaled(rest, -1, multiply(n, bases[i].basis));
    sides[i].unexplained = squares(rest);
    sides[i].weights = multiply(latents_of(n, sides[i].values), bases[i].whiten);
  }
}

// An eigenvector's sign is free: the entry of largest magnitude (the first of several) becomes positive.
void fix_signs(Rows& weights) {
  for (std::size_t i = 0; i < weights.rows; ++i) {
    double largest = 0, sign = 1;
    for (std::size_t j = 0; j < weights.cols; ++j) {
      const double v = weights[i][j];
      if (std::fabs(v) <= largest * (1 + SIGN_TIE)) continue;
      largest = std::fabs(v);
      sign = v < 0 ? -1 : 1;
    }
    for (std::size_t j = 0; j < weights.cols; ++j) weights[i][j] *= sign;
  }
}

// z = G (e - E[e | f]) or z = G e.
void encoder_of(const Side& side, Rows weights, const double* coefficients, Rows& c, Rows& d) {
  fix_signs(weights);
  c = d = Rows(weights.rows, side.variables->observation);
  side.variables->add_maps(side.objective->e, weights, 1, coefficients, c, d);
  if (!side.objective->innovation || side.objective->f.count == 0) return;
  const Rows on_f = multiply(multiply(weights, side.along), side.f->whiten);
  side.variables->add_maps(side.objective->f, on_f, -1, coefficients, c, d);
}

// The loss of k latents: the eigenvalues after them and what none could explain, summed from the least.
double loss_of(const std::vector<Side>& sides, double multiplicity, const Order& order, std::size_t k) {
  double sum = sides[0].unexplained;
  if (sides.size() > 1) {
    const std::vector<double>& outside = sides[1].values;
    sum += multiplicity * sides[1].unexplained;
    for (std::size_t i = outside.size(); i-- > 0;)
      sum += (multiplicity - (i == 0 ? static_cast<double>(order.picks_up_to(k)) : 0)) * outside[i];
  }
  for (std::size_t i = sides[0].values.size(); i-- > order.rows_up_to(k);) sum += sides[0].values[i];
  return sum;
}

// Which end of each metric's range is the least favourable: LEAST_FAVOURABLE of lib/backend/requests.ts.
constexpr bool LEAST_IS_HIGH[POPULATION_METRIC_COUNT] = {true,  true,  false, true, true, true,
                                                         false, false, true,  true, false};

void write(const PopulationBatch& batch, std::size_t problem, const Order& order,
           const EncoderRows& encoder) {
  const std::size_t slots = batch.max_latent(), q = batch.basis;
  batch.rank[problem] = static_cast<std::int32_t>(order.rank());
  for (std::size_t i = 0; i < slots; ++i) {
    const std::size_t slot = problem * slots + i;
    batch.spectrum[slot] = order.value(i);
    batch.complement[slot] = order.picks_up_to(i + 1) > order.picks_up_to(i);
    if (!batch.encoder) continue;
    const std::size_t row = order.rows_up_to(i);
    const bool own = order.rows_up_to(i + 1) > row;
    for (std::size_t j = 0; j < q; ++j) {
      batch.encoder_c[slot * q + j] = own ? encoder.c[row][j] : 0;
      batch.encoder_d[slot * q + j] = own ? encoder.d[row][j] : 0;
    }
  }
  if (batch.encoder) {
    batch.complement_encoder[2 * problem] = encoder.complement_c;
    batch.complement_encoder[2 * problem + 1] = encoder.complement_d;
  }
}

}  // namespace

void solve_carefully(const PopulationBatch& batch, std::size_t problem, GivenMemory& memory) {
  double parameter[PARAMETER_COUNT];
  for (std::size_t i = 0; i < PARAMETER_COUNT; ++i)
    parameter[i] = batch.parameters[i * batch.count + problem];
  std::vector<double> coefficients(batch.coefficient_count);
  for (std::size_t i = 0; i < coefficients.size(); ++i)
    coefficients[i] = batch.coefficients[i * batch.count + problem];

  const SourceWorld world = source_world(batch, problem, parameter);
  const double multiplicity = parameter[COMPLEMENT_DIM];
  const Objective outside = complement_objective(batch.objective);
  const Variables coordinate = complement_variables(outside, parameter[SENSOR_NOISE]);
  std::vector<Side> sides(1);
  sides[0].variables = &world.variables;
  sides[0].objective = &batch.objective;
  if (multiplicity > 0 && (parameter[SENSOR_NOISE] != 0 || !coordinate.noise.empty())) {
    sides.emplace_back();
    sides[1].variables = &coordinate;
    sides[1].objective = &outside;
  }
  solve_sides(sides, coefficients.data(), batch.tolerance, memory);

  const double complement = sides.size() > 1 && !sides[1].values.empty() ? sides[1].values[0] : 0;
  const double largest = std::max(sides[0].values.empty() ? 0 : sides[0].values[0], complement);
  const Order order(sides[0].values, complement, static_cast<std::size_t>(multiplicity),
                    batch.tolerance * largest);

  std::vector<Choice> choices;
  std::size_t fixed = 0, rows = order.rows_up_to(batch.max_latent());
  for (std::size_t m = 0; m < batch.latent_count; ++m) {
    choices.push_back(order.choice(static_cast<std::size_t>(batch.latents[m])));
    fixed = std::max(fixed, choices[m].fixed_rows);
    rows = std::max(rows, choices[m].fixed_rows + choices[m].tied_rows);
  }
  EncoderRows encoder;
  encoder_of(sides[0], rows_of(sides[0].weights, 0, rows), coefficients.data(), encoder.c, encoder.d);
  if (order.picks_up_to(order.rank()) > 0) {
    Rows c, d;
    encoder_of(sides[1], rows_of(sides[1].weights, 0, 1), coefficients.data(), c, d);
    encoder.complement_c = c.v[0];
    encoder.complement_d = d.v[0];
  }
  write(batch, problem, order, encoder);

  const Judge judge(world, encoder, fixed, memory, batch.tolerance);
  const std::size_t stride = batch.count * batch.latent_count;
  for (std::size_t m = 0; m < batch.latent_count; ++m) {
    const std::size_t k = static_cast<std::size_t>(batch.latents[m]), out = problem * batch.latent_count + m;
    const Choice& choice = choices[m];
    batch.loss[out] = loss_of(sides, multiplicity, order, k);
    batch.next[out] = order.value(k);
    batch.unique[out] = choice.chosen == 0;
    const std::vector<Range> ranges = judge.ranges(choice);
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      const auto [low, high] = ranges[i];
      batch.metrics[i * stride + out] = LEAST_IS_HIGH[i] ? high : low;
      if (choice.chosen > 0) batch.favourable[i * stride + out] = LEAST_IS_HIGH[i] ? low : high;
    }
    if (!std::isfinite(batch.loss[out])) batch.status[problem] = NON_FINITE;
  }
}

}  // namespace exo

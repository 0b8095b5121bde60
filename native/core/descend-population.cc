// Gradient training of worlds: an objective's variables as loadings, conditioned once, then steps on their
// covariances.
#include <algorithm>
#include <cmath>

#include "core/descent-batch.h"
#include "core/judge.h"
#include "core/pool.h"
#include "core/source-world.h"

namespace exo {

DescentState state_of(const DescentBatch& batch, std::size_t index, std::size_t ne,
                      const std::vector<std::size_t>& widths) {
  const std::size_t k = batch.latent;
  DescentState state{Matrix(k, ne), {}};
  std::size_t n = 0;
  for (const std::size_t width : widths) n += width;
  std::copy_n(batch.encoder_state + index * k * ne, k * ne, state.g.data());
  const double* from = batch.decoder_state + index * n * k;
  for (const std::size_t width : widths) {
    state.b.emplace_back(width, k);
    std::copy_n(from, width * k, state.b.back().data());
    from += width * k;
  }
  return state;
}

void store_state(const DescentBatch& batch, std::size_t index, const DescentState& state) {
  const std::size_t k = batch.latent;
  std::size_t n = 0;
  for (const Matrix& b : state.b) n += b.rows;
  std::copy(state.g.a.begin(), state.g.a.end(), batch.encoder_state + index * state.g.a.size());
  double* to = batch.decoder_state + index * n * k;
  for (const Matrix& b : state.b) to = std::copy(b.a.begin(), b.a.end(), to);
}

DescentOptions options_of(const DescentBatch& batch, std::size_t index, double tolerance) {
  return {batch.method,
          batch.steps,
          batch.rate[index],
          batch.starts,
          static_cast<std::uint64_t>(batch.seed[index]),
          tolerance};
}

namespace {

Matrix dense(const Rows& a) {
  Matrix out(a.rows, a.cols);
  std::copy(a.v.begin(), a.v.end(), out.a.begin());
  return out;
}
Rows rows(const Matrix& a) {
  Rows out(a.rows, a.cols);
  std::copy(a.a.begin(), a.a.end(), out.v.begin());
  return out;
}

// More sources: factor x `more`, or none where it is shorter.
Rows wider(const Rows& a, double factor, const Rows& more) {
  Rows out(a.rows, a.cols + more.cols);
  for (std::size_t i = 0; i < a.rows; ++i) {
    std::copy_n(a[i], a.cols, out[i]);
    for (std::size_t j = 0; factor != 0 && j < more.cols; ++j) out[i][a.cols + j] = factor * more[i][j];
  }
  return out;
}

// y and e of one squared error, given what its decoder sees freely; a penalty is something independent that e
// holds besides.
struct Sides {
  Rows y, e;
};

struct Conditioned {
  std::vector<Sides> errors;
  Rows y_along, e_along;  // E[y | f], E[e | f] along the basis of f
  Rows whiten;            // basis of f = whiten x f
};

Conditioned condition(const PopulationBatch& worlds, const DescentBatch& batch, const Variables& v,
                      const double* coefficients, GivenMemory& memory) {
  const Objective& o = worlds.objective;
  Conditioned out;
  const Rows e = v.compose(o.e, coefficients), f = v.compose(o.f, coefficients);
  {
    Given& given = memory.of({&f}, worlds.tolerance)[0];
    out.errors.push_back(
        {given.beside(v.compose(o.y, coefficients), &out.y_along), given.beside(e, &out.e_along)});
    out.whiten = given.whiten;
  }
  if (batch.head >= 0) {
    Rows action = v.loadings[ACTION];
    for (double& value : action.v) value *= coefficients[batch.head];
    out.errors.push_back({action, e});
  }
  for (std::int32_t p = 0; p < o.penalty_count; ++p) {
    const Rows given = v.compose(o.penalties[p].given, coefficients);
    const Rows of =
        memory.of({&given}, worlds.tolerance)[0].beside(v.compose(o.penalties[p].of, coefficients));
    for (Sides& sides : out.errors) {
      sides.y = wider(sides.y, 0, of);
      sides.e = wider(sides.e, std::sqrt(coefficients[o.penalties[p].weight]), of);
    }
  }
  return out;
}

// What one coordinate of the complement adds to the loss, and what its f tells of its y.
std::pair<double, double> complement_error(const Objective& objective, double sensor_noise,
                                           const double* coefficients) {
  const Objective outside = complement_objective(objective);
  if (outside.y.count == 0) return {0, 0};
  const Variables v = complement_variables(outside, sensor_noise);
  const Rows y = v.compose(outside.y, coefficients), f = v.compose(outside.f, coefficients);
  const double whole = f.rows ? dot(f[0], f[0], f.cols) : 0;
  const double factor = whole > 0 ? dot(y[0], f[0], f.cols) / whole : 0;
  Rows left = y;
  if (factor != 0) subtract(left[0], factor, f[0], f.cols);
  return {squares(left), factor};
}

void judge(const PopulationBatch& worlds, const DescentBatch& batch, std::size_t problem,
           const SourceWorld& world, const EncoderRows& encoder, GivenMemory& memory) {
  const std::size_t k = encoder.c.rows;
  const Judge judged(world, encoder, k, memory, worlds.tolerance);
  const std::vector<Range> ranges = judged.ranges(Choice{k, 0, 0, 0, 0});
  for (std::size_t i = 0; i < ranges.size(); ++i) batch.metrics[i * worlds.count + problem] = ranges[i].first;
}

void descend_one(const Kernels& k, const PopulationBatch& worlds, const DescentBatch& batch,
                 std::size_t problem, GivenMemory& memory, const Job& job) {
  double parameter[PARAMETER_COUNT];
  for (std::size_t i = 0; i < PARAMETER_COUNT; ++i)
    parameter[i] = worlds.parameters[i * worlds.count + problem];
  std::vector<double> coefficients(worlds.coefficient_count);
  for (std::size_t i = 0; i < coefficients.size(); ++i)
    coefficients[i] = worlds.coefficients[i * worlds.count + problem];
  const SourceWorld world = source_world(worlds, problem, parameter);
  const Variables& v = world.variables;
  const Conditioned given = condition(worlds, batch, v, coefficients.data(), memory);

  std::vector<SquaredError> errors;
  std::vector<std::size_t> widths;
  std::vector<Matrix> y, e;
  for (const Sides& sides : given.errors) {
    y.push_back(dense(sides.y));
    e.push_back(dense(sides.e));
    errors.push_back({squares(sides.y), times_nt(k, y.back(), e.back()), times_nt(k, e.back(), e.back())});
    widths.push_back(sides.y.rows);
  }
  DescentState state = state_of(batch, problem, e[0].rows, widths);
  const DescentOutcome outcome = descend(k, errors, options_of(batch, problem, worlds.tolerance), state, job);
  if (job.cancelled()) return;
  batch.status[problem] = outcome.status;
  batch.gradient[problem] = outcome.gradient;
  batch.step[problem] = static_cast<std::int32_t>(outcome.steps);
  store_state(batch, problem, state);
  if (outcome.status == NON_FINITE) return;

  // Summed from what is left, not by subtraction.
  const auto [outside, factor] =
      complement_error(worlds.objective, parameter[SENSOR_NOISE], coefficients.data());
  double left[2] = {outside == 0 ? 0 : parameter[COMPLEMENT_DIM] * outside, 0};
  for (std::size_t t = 0; t < errors.size(); ++t) {
    Matrix rest = y[t];
    product(k, state.b[t], times(k, state.g, e[t]), rest, -1, 1);
    for (const double value : rest.a) left[t] += value * value;
  }
  batch.reconstruction[problem] = left[0];
  batch.supervision[problem] = left[1];
  batch.loss[problem] = left[0] + left[1];
  batch.outside[problem] = factor;

  const Objective& o = worlds.objective;
  const Rows weights = rows(state.g);
  EncoderRows encoder{Rows(weights.rows, v.observation), Rows(weights.rows, v.observation)};
  v.add_maps(o.e, weights, 1, coefficients.data(), encoder.c, encoder.d);
  Rows decoder(given.y_along.rows, given.whiten.cols);
  if (o.f.count > 0) {
    const Rows z_along = multiply(weights, given.e_along);
    if (o.innovation)
      v.add_maps(o.f, multiply(z_along, given.whiten), -1, coefficients.data(), encoder.c, encoder.d);
    // y ~ E[y | f] + B (z - E[z | f]), and z has nothing of f in the innovation gauge.
    Rows along = given.y_along;
    if (!o.innovation) add_scaled(along, -1, multiply(rows(state.b[0]), z_along));
    decoder = multiply(along, given.whiten);
  }
  const std::size_t size = weights.rows * v.observation;
  std::copy(encoder.c.v.begin(), encoder.c.v.end(), batch.encoder_c + problem * size);
  std::copy(encoder.d.v.begin(), encoder.d.v.end(), batch.encoder_d + problem * size);
  std::copy(decoder.v.begin(), decoder.v.end(), batch.decoder_f + problem * decoder.v.size());
  judge(worlds, batch, problem, world, encoder, memory);
}

}  // namespace

void descend_population(const Kernels& kernels, const PopulationBatch& worlds, const DescentBatch& batch,
                        Job& job) {
  std::vector<GivenMemory> memory(job.threads);
  job.expect(worlds.count);
  parallel_for(job, worlds.count, [&](std::size_t problem, std::size_t worker) {
    descend_one(kernels, worlds, batch, problem, memory[worker], job);
  });
}

}  // namespace exo

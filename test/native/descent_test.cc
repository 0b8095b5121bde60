// Exact gradients and nonlinear worlds without Node: steps beside finite differences of a loss in plain
// loops, L-BFGS beside eigenvalues, rows of a world beside its equations, on every kernel table.
#include <cmath>

#include "check.h"
#include "core/descent.h"
#include "core/population.h"
#include "core/train/view-world.h"
#include "tables.h"

using namespace exo;
using exo::test::Checks;
using exo::test::Random;

namespace {

Matrix random_matrix(Random& random, std::size_t rows, std::size_t cols) {
  Matrix out(rows, cols);
  for (double& v : out.a) v = random.uniform();
  return out;
}

// Of y (ny) and e (ne) that are both loadings on the same sources: cov(y, e), cov(e) and the trace of cov(y).
SquaredError random_error(Random& random, std::size_t ny, std::size_t ne) {
  const std::size_t sources = ny + ne + 2;
  const Matrix y = random_matrix(random, ny, sources), e = random_matrix(random, ne, sources);
  SquaredError out{0, Matrix(ny, ne), Matrix(ne, ne)};
  for (std::size_t s = 0; s < sources; ++s) {
    for (std::size_t i = 0; i < ny; ++i) {
      out.total += y.at(i, s) * y.at(i, s);
      for (std::size_t j = 0; j < ne; ++j) out.x.at(i, j) += y.at(i, s) * e.at(j, s);
    }
    for (std::size_t i = 0; i < ne; ++i)
      for (std::size_t j = 0; j < ne; ++j) out.e.at(i, j) += e.at(i, s) * e.at(j, s);
  }
  return out;
}

// E|y - B G e|^2, summed over the errors: with W = B G, total - 2 sum W X + sum W E W^T.
double loss(const std::vector<SquaredError>& errors, const DescentState& at) {
  double sum = 0;
  for (std::size_t t = 0; t < errors.size(); ++t) {
    const SquaredError& error = errors[t];
    sum += error.total;
    for (std::size_t i = 0; i < error.x.rows; ++i) {
      std::vector<double> w(error.e.rows);
      for (std::size_t j = 0; j < w.size(); ++j)
        for (std::size_t q = 0; q < at.g.rows; ++q) w[j] += at.b[t].at(i, q) * at.g.at(q, j);
      for (std::size_t j = 0; j < w.size(); ++j) {
        sum -= 2 * w[j] * error.x.at(i, j);
        for (std::size_t p = 0; p < w.size(); ++p) sum += w[j] * error.e.at(j, p) * w[p];
      }
    }
  }
  return sum;
}

DescentState random_state(Random& random, const std::vector<SquaredError>& errors, std::size_t latents) {
  DescentState state{random_matrix(random, latents, errors[0].e.rows), {}};
  for (const SquaredError& error : errors) state.b.push_back(random_matrix(random, error.x.rows, latents));
  return state;
}

DescentOutcome run(const Kernels& k, const std::vector<SquaredError>& errors, std::int32_t method,
                   std::size_t steps, double rate, DescentState& state) {
  std::int32_t control[3] = {0, 0, 0};
  const Job job(control, 1);
  return descend(k, errors, {method, steps, rate, 2, 7, 1e-10}, state, job);
}

// A step of rate 1 moves every parameter by minus its derivative.
void gradients(Checks& checks, const Kernels& k) {
  Random random(checks.seed());
  std::vector<SquaredError> errors{random_error(random, 5, 4), random_error(random, 2, 4)};
  DescentState at = random_state(random, errors, 3), next = at;
  run(k, errors, GRADIENT_DESCENT, 1, 1, next);
  double off = 0;
  const auto compare = [&](Matrix& parameters, const Matrix& moved) {
    constexpr double h = 1e-5;
    for (std::size_t i = 0; i < parameters.a.size(); ++i) {
      const double here = parameters.a[i];
      parameters.a[i] = here + h;
      const double above = loss(errors, at);
      parameters.a[i] = here - h;
      const double below = loss(errors, at);
      parameters.a[i] = here;
      off = std::max(off, std::fabs((above - below) / (2 * h) - (here - moved.a[i])));
    }
  };
  compare(at.g, next.g);
  for (std::size_t t = 0; t < errors.size(); ++t) compare(at.b[t], next.b[t]);
  checks.below(off, 1e-7, "a derivative off by");
}

// A step of the flow is many small steps down.
void flows(Checks& checks, const Kernels& k) {
  Random random(checks.seed() + 1);
  const std::vector<SquaredError> errors{random_error(random, 3, 4)};
  DescentState flow = random_state(random, errors, 2), steps = flow;
  constexpr std::size_t count = 20000;
  run(k, errors, GRADIENT_FLOW, 10, 1e-3, flow);
  run(k, errors, GRADIENT_DESCENT, count, 1e-2 / count, steps);
  double off = 0;
  for (std::size_t i = 0; i < flow.g.a.size(); ++i)
    off = std::max(off, std::fabs(flow.g.a[i] - steps.g.a[i]));
  checks.below(off, 1e-5, "the flow leaves the path by");
}

// What is left after k latents of one error: its total less the k leading eigenvalues of X E^-1 X^T.
void optimum(Checks& checks, const Kernels& k) {
  Random random(checks.seed() + 2);
  const std::vector<SquaredError> errors{random_error(random, 6, 5)};
  const SquaredError& error = errors[0];
  Matrix factor = error.e, solved(5, 6);
  for (std::size_t i = 0; i < 5; ++i)
    for (std::size_t j = 0; j < 6; ++j) solved.at(i, j) = error.x.at(j, i);
  k.cholesky(factor.data(), 5, 5);
  k.cholesky_solve(factor.data(), 5, 5, solved.data(), 6, 6);
  Matrix m = times(k, error.x, solved);
  symmetrise(m);
  std::vector<double> values(6), work(k.eigen_work(6));
  checks.that(k.eigen(m.data(), 6, values.data(), work.data(), nullptr), "no eigenvalues");
  double left = error.total;
  for (const std::size_t latents : {1, 2, 3}) {
    left -= values[latents - 1];
    DescentState state = random_state(random, errors, latents);
    const DescentOutcome outcome = run(k, errors, LBFGS, 2000, 0, state);
    checks.that(outcome.status == OK, "%zu latents: status %d", latents, outcome.status);
    checks.below(std::fabs(loss(errors, state) / left - 1), 1e-9, "the loss is off the optimum by");
  }
}

// A loss that grows beyond all numbers is told, and where.
void diverges(Checks& checks, const Kernels& k) {
  Random random(checks.seed() + 3);
  const std::vector<SquaredError> errors{random_error(random, 4, 4)};
  DescentState state = random_state(random, errors, 2);
  const DescentOutcome outcome = run(k, errors, GRADIENT_DESCENT, 500, 1e3, state);
  checks.that(outcome.status == NON_FINITE, "status %d", outcome.status);
  checks.that(outcome.steps < 500, "after %zu steps", outcome.steps);
}

// Rows of o = W2 tanh(W1 [s; x; 1]) with s' = rho s + c Ba a and x' = rho_x x, as nothing else moves them.
struct World {
  static constexpr std::size_t d = 5, ds = 3, dx = 2, da = 2, hidden = 4;
  std::vector<std::int32_t> sizes{ds + dx, hidden, d};
  std::vector<float> weights;
  std::vector<double> parameters, effect, no_state, no_exogenous;

  explicit World(Random& random)
      : weights(hidden * (ds + dx + 1) + d * hidden),
        parameters(PARAMETER_COUNT),
        effect(ds * da),
        no_state(da * ds),
        no_exogenous(da * dx) {
    for (float& v : weights) v = static_cast<float>(random.uniform());
    for (double& v : effect) v = random.uniform();
    parameters[ENDOGENOUS_DECAY] = 0.9;
    parameters[EXOGENOUS_DECAY] = 0.7;
    parameters[ACTION_SCALE] = 1.5;
    parameters[POLICY_NOISE] = 1;
    parameters[EXOGENOUS_INITIAL_SCALE] = 1;
  }
  ViewWorldSpec spec() const {
    return {d,
            ds,
            dx,
            da,
            parameters.data(),
            effect.data(),
            no_state.data(),
            no_exogenous.data(),
            {ViewKind::MLP, sizes.data(), sizes.size(), weights.data(), weights.size()}};
  }
  double shown(const float* s, const float* x, std::size_t coordinate) const {
    double sum = 0;
    for (std::size_t h = 0; h < hidden; ++h) {
      const float* w = &weights[h * (ds + dx + 1)];
      double in = w[ds + dx];
      for (std::size_t i = 0; i < ds; ++i) in += w[i] * s[i];
      for (std::size_t i = 0; i < dx; ++i) in += w[ds + i] * x[i];
      sum += weights[hidden * (ds + dx + 1) + coordinate * hidden + h] * std::tanh(in);
    }
    return sum;
  }
};

struct Drawn {
  std::vector<float> o, next, pair, pair_next, a, s, s_next, x, x_next;
  Drawn(const Kernels& k, const ViewWorld& world, std::uint64_t first, std::size_t n)
      : o(n * World::d),
        next(n * World::d),
        pair(n * World::d),
        pair_next(n * World::d),
        a(n * World::da),
        s(n * World::ds),
        s_next(n * World::ds),
        x(n * World::dx),
        x_next(n * World::dx) {
    std::vector<float> scratch;
    const Rows rows{n,        o.data(), next.data(), pair.data(),   pair_next.data(), nullptr,      nullptr,
                    a.data(), nullptr,  s.data(),    s_next.data(), x.data(),         x_next.data()};
    world.fill(k, 11, first, {true, 0, true}, rows, scratch);
  }
};

void view_world(Checks& checks, const Kernels& k) {
  constexpr std::size_t n = 9, d = World::d, ds = World::ds, dx = World::dx, da = World::da;
  Random random(checks.seed() + 4);
  const World world(random);
  const ViewWorld source(k, world.spec());
  const Drawn all(k, source, 0, n);
  double shown = 0, moved = 0, still = 0, apart = 0;
  for (std::size_t r = 0; r < n; ++r) {
    for (std::size_t c = 0; c < d; ++c) {
      shown = std::max(shown, std::fabs(all.o[r * d + c] - world.shown(&all.s[r * ds], &all.x[r * dx], c)));
      shown = std::max(
          shown, std::fabs(all.next[r * d + c] - world.shown(&all.s_next[r * ds], &all.x_next[r * dx], c)));
      apart = std::max(apart, std::fabs(static_cast<double>(all.pair[r * d + c]) - all.o[r * d + c]));
    }
    for (std::size_t i = 0; i < ds; ++i) {
      double expected = 0.9 * all.s[r * ds + i];
      for (std::size_t j = 0; j < da; ++j) expected += 1.5 * world.effect[i * da + j] * all.a[r * da + j];
      moved = std::max(moved, std::fabs(all.s_next[r * ds + i] - expected));
    }
    for (std::size_t i = 0; i < dx; ++i)
      still = std::max(still, std::fabs(all.x_next[r * dx + i] - 0.7 * all.x[r * dx + i]));
  }
  checks.below(shown, 1e-5, "an observation is off by");
  checks.below(moved, 1e-5, "the agent's state is off by");
  checks.below(still, 1e-5, "the exogenous state is off by");
  checks.that(apart > 0.05, "the paired view is the view");
  const Drawn some(k, source, 4, 3);
  checks.that(std::equal(some.o.begin(), some.o.end(), all.o.begin() + 4 * d) &&
                  std::equal(some.pair_next.begin(), some.pair_next.end(), all.pair_next.begin() + 4 * d),
              "rows depend on what is drawn with them");
}

}  // namespace

int main(int argc, char** argv) {
  Checks checks(argc, argv);
  for (const Kernels* k : exo::test::tables()) {
    const std::string isa = std::string(" ") + k->name;
    checks.run("gradients" + isa, [&] { gradients(checks, *k); });
    checks.run("flow" + isa, [&] { flows(checks, *k); });
    checks.run("optimum" + isa, [&] { optimum(checks, *k); });
    checks.run("divergence" + isa, [&] { diverges(checks, *k); });
    checks.run("view world" + isa, [&] { view_world(checks, *k); });
  }
  return checks.finish();
}

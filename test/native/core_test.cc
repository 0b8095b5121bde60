// The stages (native/core) without Node: what sanitizers can see into. Worlds with known answers, every
// kernel table, several threads, odd batch sizes, cancellation.
#include <algorithm>
#include <cmath>

#include "check.h"
#include "core/stages.h"
#include "tables.h"

using namespace exo;
using exo::test::Checks;
using exo::test::Random;
using Numbers = std::vector<double>;

namespace {

bool same_bits(const Numbers& a, const Numbers& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

Block block(std::initializer_list<Term> terms, bool projected = false) {
  Block b{};
  for (const Term& t : terms) b.terms[b.count++] = t;
  b.projected = projected;
  return b;
}
Stack stack(std::initializer_list<Block> blocks) {
  Stack s{};
  for (const Block& b : blocks) s.blocks[s.count++] = b;
  return s;
}
const Block NOW = block({{OBSERVATION, -1, 1}}), NEXT = block({{OBSERVATION_NEXT, -1, 1}});

Objective reconstruction() {
  Objective o{};
  o.y = o.e = stack({NEXT});
  o.f = stack({NOW});
  o.innovation = true;
  return o;
}
Objective supervised() {
  Objective o = reconstruction();
  o.y = stack({NEXT, block({{ACTION, 0, 1}})});
  return o;
}
// A penalty and an augmented regressor at once: every branch of the composition.
Objective composed() {
  Objective o{};
  o.y = stack({block({{OBSERVATION_NEXT, -1, 1}, {DECODER_NOISE, 0, 1}})});
  o.f = stack({block({{OBSERVATION, -1, 1}, {DECODER_NOISE, 0, 1}})});
  o.e = stack({block({{OBSERVATION, -1, 1}, {ENCODER_NOISE, 0, 1}}),
               block({{OBSERVATION_NEXT, -1, 1}, {ENCODER_NOISE, 0, 1}})});
  return o;
}
Objective robust() {
  Objective o = reconstruction();
  o.penalty_count = 1;
  o.penalties[0].of = stack({block({{OBSERVATION_NEXT, -1, 1}, {PAIR_OBSERVATION_NEXT, -1, -1}})});
  o.penalties[0].given = stack({block({{OBSERVATION, -1, 1}, {PAIR_OBSERVATION, -1, -1}})});
  o.penalties[0].weight = 0;
  return o;
}

// A batch with memory of its own: orthonormal worlds (mixing is the identity) of random parameters.
struct Worlds {
  static constexpr std::size_t ds = 5, dx = 4, da = 3, q = ds + dx;
  std::size_t count;
  std::vector<std::int32_t> latents, matrix_index, rank;
  Numbers parameters, coefficients, mixing, effect, gain_s, gain_x, loss, spectrum, next, metrics, favourable,
      c, d, complement_encoder;
  std::vector<std::uint8_t> unique, complement, status;
  PopulationBatch batch{};

  Worlds(std::size_t n, const Objective& objective, std::vector<std::int32_t> dims, bool noise,
         Random& random)
      : count(n), latents(std::move(dims)) {
    const std::size_t k = static_cast<std::size_t>(latents.back()), many = latents.size();
    matrix_index.assign(n, 0);
    rank.assign(n, -1);
    parameters.assign(PARAMETER_COUNT * n, 0);
    coefficients.assign(n, 0.7);
    const auto set = [&](Parameter p, double least, double most) {
      for (std::size_t i = 0; i < n; ++i)
        parameters[p * n + i] = least + (most - least) * (random.uniform() + 1) / 2;
    };
    set(ENDOGENOUS_DECAY, 0.5, 1);
    set(EXOGENOUS_DECAY, 0, 1);
    set(ACTION_SCALE, 0.4, 1.6);
    set(EXOGENOUS_SCALE, 0.2, 3);
    set(POLICY_NOISE, 0.3, 1.2);
    set(EXOGENOUS_INITIAL_SCALE, 1, 1);
    if (noise) {
      set(SENSOR_NOISE, 0.01, 0.2);
      set(PROCESS_NOISE, 0.1, 0.3);
      for (std::size_t i = 0; i < n; ++i) parameters[COMPLEMENT_DIM * n + i] = static_cast<double>(i % 4);
    }
    mixing.assign(q * q, 0);
    for (std::size_t i = 0; i < q; ++i) mixing[i * q + i] = 1;
    effect.assign(ds * da, 0);
    for (std::size_t i = 0; i < da; ++i) effect[i * da + i] = 1;
    gain_s.assign(da * ds, 0.1);
    gain_x.assign(da * dx, 0.1);
    loss.assign(n * many, NAN);
    spectrum.assign(n * k, NAN);
    metrics.assign(POPULATION_METRIC_COUNT * n * many, NAN);
    favourable.assign(POPULATION_METRIC_COUNT * n * many, 0);
    next.assign(n * many, NAN);
    unique.assign(n * many, 255);
    c.assign(n * k * q, 0);
    d.assign(n * k * q, 0);
    complement.assign(n * k, 0);
    complement_encoder.assign(2 * n, 0);
    status.assign(n, 255);
    batch = {n,
             q,
             ds,
             dx,
             da,
             0,
             many,
             latents.data(),
             objective,
             parameters.data(),
             coefficients.data(),
             1,
             matrix_index.data(),
             mixing.data(),
             effect.data(),
             gain_s.data(),
             gain_x.data(),
             nullptr,
             1e-10,
             true,
             loss.data(),
             spectrum.data(),
             rank.data(),
             next.data(),
             unique.data(),
             metrics.data(),
             favourable.data(),
             c.data(),
             d.data(),
             complement.data(),
             complement_encoder.data(),
             status.data()};
  }
  double metric(PopulationMetric which, std::size_t i, std::size_t m = 0) const {
    return metrics[(which * count + i) * latents.size() + m];
  }
  double parameter(Parameter p, std::size_t i) const { return parameters[p * count + i]; }
};

void solve(const Kernels& k, const PopulationBatch& batch, std::size_t threads) {
  std::int32_t control[3] = {0, 0, 0};
  Job job(control, threads);
  solve_population(k, batch, job);
}

// T2: the k largest of {alpha x da} and {beta x dx} are taken, in an orthonormal world without noise or
// feedback.
void picks(Checks& checks, const Kernels& kernels) {
  Random random(checks.seed());
  Worlds w(61, reconstruction(), {1, 3, 6, 7, 9}, false, random);
  solve(kernels, w.batch, 3);
  for (std::size_t i = 0; i < w.count; ++i) {
    const double a = w.parameter(ACTION_SCALE, i) * w.parameter(POLICY_NOISE, i),
                 b = w.parameter(EXOGENOUS_SCALE, i);
    for (std::size_t m = 0; m < w.latents.size(); ++m) {
      const int k = w.latents[m];
      const int first = a > b ? 3 : 4, from_first = std::min(k, first),
                from_second = std::min(k - from_first, 7 - first);
      const int actions = a > b ? from_first : from_second, exogenous = a > b ? from_second : from_first;
      checks.below(std::fabs(w.metric(ACTION_ERROR, i, m) - (1 - actions / 3.0)), 1e-12, "actionError");
      checks.below(std::fabs(w.metric(FUTURE_LEAKAGE, i, m) - exogenous / 4.0), 1e-12, "futureLeakage");
      const double loss = (3 - actions) * a * a + (4 - exogenous) * b * b;
      checks.below(std::fabs(w.loss[i * w.latents.size() + m] - loss), 1e-11, "loss");
    }
    checks.that(w.rank[i] == 7 && w.status[i] == OK, "rank %d, status %d", w.rank[i], w.status[i]);
  }
}

void same_answers(Checks& checks, const Kernels& kernels, const Objective& objective) {
  Random random(checks.seed() + 1);
  Worlds a(53, objective, {2, 5, 10}, true, random);
  Random again(checks.seed() + 1);
  Worlds c(53, objective, {2, 5, 10}, true, again);
  solve(kernels, a.batch, 1);
  solve(kernels, c.batch, 4);
  checks.that(same_bits(a.loss, c.loss) && same_bits(a.spectrum, c.spectrum) &&
                  same_bits(a.metrics, c.metrics) && same_bits(a.c, c.c) && same_bits(a.d, c.d),
              "four threads differ from one");
  for (const Numbers* v : {&a.loss, &a.spectrum, &a.metrics})
    for (const double x : *v) checks.that(std::isfinite(x) || x > 0, "a figure is %g", x);
  for (const std::uint8_t s : a.status) checks.that(s == OK, "status %d", s);
}

Numbers random_moments(std::size_t n, Random& random) {
  Numbers x(3 * n * n), s(n * n, 0);
  for (double& v : x) v = random.uniform();
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j)
      for (std::size_t r = 0; r < 3 * n; ++r) s[i * n + j] += x[r * n + i] * x[r * n + j];
  return s;
}

void data_level(Checks& checks, const Kernels& kernels, const Objective& objective) {
  constexpr std::size_t d = 7, da = 2, n = 4 * d + da, count = 5, k = 4;
  Random random(checks.seed() + 2);
  Numbers moments;
  for (std::size_t i = 0; i < count; ++i) {
    const Numbers s = random_moments(n, random);
    moments.insert(moments.end(), s.begin(), s.end());
  }
  const Numbers coefficients(count, 0.8);
  MomentsBatch b{};
  b.count = count;
  b.width = n;
  b.moments = moments.data();
  b.observation_dim = d;
  b.action_dim = da;
  const std::int32_t columns[] = {0, d, 2 * d, 3 * d, 4 * d, -1, -1};
  std::copy(columns, columns + VARIABLE_COUNT, b.column);
  b.objective = objective;
  b.coefficients = coefficients.data();
  b.projection = coefficients.data();
  b.latent = k;
  b.tolerance = 1e-10;
  const std::size_t ne = moments_bottleneck_width(b);
  Numbers answers[2];
  for (const std::size_t threads : {std::size_t{1}, std::size_t{3}}) {
    Numbers trace(count), spectrum(count * ne), c(count * k * d), dd(count * k * d);
    std::vector<std::int32_t> rank(count);
    std::vector<std::uint8_t> status(count, 255);
    b.trace = trace.data();
    b.spectrum = spectrum.data();
    b.rank = rank.data();
    b.encoder_c = c.data();
    b.encoder_d = dd.data();
    b.status = status.data();
    std::int32_t control[3] = {0, 0, 0};
    Job job(control, threads);
    solve_moments(kernels, b, job);
    checks.that(control[1] == static_cast<int>(count), "%d of %zu problems were counted", control[1], count);
    for (std::size_t i = 0; i < count; ++i) {
      checks.that(status[i] == OK && rank[i] > 0, "status %d, rank %d", status[i], rank[i]);
      double sum = 0;
      for (std::size_t j = 0; j < ne; ++j) {
        sum += spectrum[i * ne + j];
        checks.that(j == 0 || spectrum[i * ne + j] <= spectrum[i * ne + j - 1],
                    "the spectrum is not descending");
      }
      checks.that(sum <= trace[i] * (1 + 1e-9), "eigenvalues add up to %g of %g", sum, trace[i]);
    }
    Numbers& all = answers[threads > 1];
    for (const Numbers* v : {&trace, &spectrum, &c, &dd}) all.insert(all.end(), v->begin(), v->end());
  }
  checks.that(same_bits(answers[0], answers[1]), "three threads differ from one");
}

void probes(Checks& checks, const Kernels& kernels) {
  // The target is o' itself and the encoder shows all of it: nothing is left, and the information is
  // infinite.
  constexpr std::size_t d = 6, n = 4 * d;
  Random random(checks.seed() + 3);
  const Numbers train = random_moments(n, random), held = random_moments(n, random);
  Numbers c(d * d, 0), dd(d * d, 0);
  for (std::size_t i = 0; i < d; ++i) dd[i * d + i] = 1;
  const std::int32_t latents[] = {1, 3, d}, targets[] = {d, d, 2 * d, 3};
  Numbers conditional(6), raw(6), information(6), remaining(2), consistency(3);
  ProbeBatch b{n,
               train.data(),
               held.data(),
               0,
               d,
               d,
               c.data(),
               dd.data(),
               d,
               3,
               2,
               latents,
               targets,
               0.0,
               2 * d,
               3 * d,
               conditional.data(),
               raw.data(),
               information.data(),
               remaining.data(),
               consistency.data()};
  std::int32_t control[3] = {0, 0, 0};
  Job job(control, 2);
  probe(kernels, b, job);
  checks.below(std::fabs(conditional[4]), 1e-9, "o' given o and o'");
  checks.that(conditional[0] > conditional[2] && conditional[2] > conditional[4],
              "more latents explain less");
  checks.that(std::isinf(information[4]), "information of o' in o' is %g", information[4]);
  checks.that(raw[5] > 0 && remaining[1] > 0, "raw %g, remaining %g", raw[5], remaining[1]);
  double moved = 0, variance = 0;
  for (std::size_t i = 0; i < d; ++i) {
    const std::size_t u = d + i, v = 3 * d + i;
    moved += held[u * n + u] + held[v * n + v] - 2 * held[u * n + v];
    variance += held[u * n + u];
  }
  checks.below(std::fabs(consistency[2] - moved / (2 * variance)), 1e-9, "consistency");
}

void sums(Checks& checks, const Kernels& kernels) {
  constexpr std::size_t rows = 2500, width = 401;
  Random random(checks.seed() + 4);
  Numbers x(rows * width), mean(width), one(width * width), many(width * width);
  for (double& v : x) v = random.uniform();
  for (double& v : mean) v = random.uniform();
  std::int32_t control[3] = {0, 0, 0};
  Job single(control, 1), several(control, 4);
  accumulate(kernels, rows, width, x.data(), mean.data(), one.data(), single);
  accumulate(kernels, rows, width, x.data(), mean.data(), many.data(), several);
  checks.that(same_bits(one, many), "four threads differ from one");
  for (std::size_t trial = 0; trial < 200; ++trial) {
    const std::size_t i = random.bits() % width, j = random.bits() % width;
    double sum = 0;
    for (std::size_t r = 0; r < rows; ++r) sum += (x[r * width + i] - mean[i]) * (x[r * width + j] - mean[j]);
    checks.below(std::fabs(sum - one[i * width + j]), 1e-9, "a sum of products");
  }
}

void products(Checks& checks, const Kernels& kernels) {
  constexpr std::size_t rows = 203, inner = 57, cols = 31;
  Random random(checks.seed() + 5);
  Numbers a(rows * inner), b(inner * cols), at(a.size()), bt(b.size()), one(rows * cols), other(rows * cols);
  for (double& v : a) v = random.uniform();
  for (double& v : b) v = random.uniform();
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t k = 0; k < inner; ++k) at[k * rows + i] = a[i * inner + k];
  for (std::size_t k = 0; k < inner; ++k)
    for (std::size_t j = 0; j < cols; ++j) bt[j * inner + k] = b[k * cols + j];
  std::int32_t control[3] = {0, 0, 0};
  Job single(control, 1), several(control, 4);
  multiply(kernels, false, false, rows, cols, inner, a.data(), b.data(), one.data(), single);
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < cols; ++j) {
      double sum = 0;
      for (std::size_t k = 0; k < inner; ++k) sum += a[i * inner + k] * b[k * cols + j];
      checks.below(std::fabs(sum - one[i * cols + j]), 1e-12, "an entry of a product");
    }
  for (int form = 0; form < 4; ++form) {
    multiply(kernels, form & 1, form & 2, rows, cols, inner, form & 1 ? at.data() : a.data(),
             form & 2 ? bt.data() : b.data(), other.data(), several);
    checks.that(same_bits(one, other), "transposed, four threads: other bits");
  }
}

void small_systems(Checks& checks, const Kernels& kernels) {
  for (const std::size_t n : {1u, 5u, 16u, 70u}) {
    Random random(checks.seed() + n);
    constexpr std::size_t count = 11, m = 3;
    Numbers s;
    for (std::size_t i = 0; i < count; ++i) {
      const Numbers one = random_moments(n, random);
      s.insert(s.end(), one.begin(), one.end());
    }
    Numbers right(count * n * m), x(count * n * m), values(count * n), vectors(count * n * n);
    for (double& v : right) v = random.uniform();
    std::int32_t control[3] = {0, 0, 0};
    Job job(control, 3);
    cholesky_solve(kernels, s.data(), right.data(), n, m, count, x.data(), job);
    symmetric_eigen(kernels, s.data(), n, count, values.data(), vectors.data(), job);
    for (std::size_t p = 0; p < count; ++p)
      for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t c = 0; c < m; ++c) {
          double sum = 0;
          for (std::size_t j = 0; j < n; ++j) sum += s[(p * n + i) * n + j] * x[(p * n + j) * m + c];
          checks.below(std::fabs(sum - right[(p * n + i) * m + c]), 1e-7, "a right side");
        }
        double worst = 0;
        for (std::size_t r = 0; r < n; ++r) {
          double sum = 0;
          for (std::size_t j = 0; j < n; ++j) sum += s[(p * n + r) * n + j] * vectors[(p * n + i) * n + j];
          worst = std::max(worst, std::fabs(sum - values[p * n + i] * vectors[(p * n + i) * n + r]));
        }
        checks.below(worst, 1e-9 * static_cast<double>(n), "an eigenpair");
      }
  }
}

void cancelled(Checks& checks, const Kernels& kernels) {
  Random random(checks.seed());
  Worlds w(5000, reconstruction(), {4}, false, random);
  std::int32_t control[3] = {1, 0, 0};
  Job job(control, 2);
  solve_population(kernels, w.batch, job);
  checks.that(control[1] == 0, "%d tasks ran after cancellation", control[1]);
}

}  // namespace

int main(int argc, char** argv) {
  Checks checks(argc, argv);
  for (const Kernels* k : exo::test::tables()) {
    const std::string isa = std::string(" ") + k->name;
    checks.run("population picks" + isa, [&] { picks(checks, *k); });
    checks.run("population reconstruction" + isa, [&] { same_answers(checks, *k, reconstruction()); });
    checks.run("population supervised" + isa, [&] { same_answers(checks, *k, supervised()); });
    checks.run("population composed" + isa, [&] { same_answers(checks, *k, composed()); });
    checks.run("population robust" + isa, [&] { same_answers(checks, *k, robust()); });
    checks.run("moments reconstruction" + isa, [&] { data_level(checks, *k, reconstruction()); });
    checks.run("moments supervised" + isa, [&] { data_level(checks, *k, supervised()); });
    checks.run("moments composed" + isa, [&] { data_level(checks, *k, composed()); });
    checks.run("moments robust" + isa, [&] { data_level(checks, *k, robust()); });
    checks.run("probes" + isa, [&] { probes(checks, *k); });
    checks.run("accumulate" + isa, [&] { sums(checks, *k); });
    checks.run("multiply" + isa, [&] { products(checks, *k); });
    checks.run("systems" + isa, [&] { small_systems(checks, *k); });
    checks.run("cancellation" + isa, [&] { cancelled(checks, *k); });
  }
  return checks.finish();
}

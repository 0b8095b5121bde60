// The stages (native/core) without Node: what sanitizers can see into. Worlds with known answers, every
// kernel table, several threads, odd batch sizes, cancellation.
#include <algorithm>
#include <cmath>

#include "check.h"
#include "core/aligned.h"
#include "core/careful.h"
#include "core/regression.h"
#include "core/stages.h"
#include "tables.h"
#include "worlds.h"

using namespace exo;
using exo::test::Checks;
using exo::test::Random;
using namespace exo::test;

namespace {

template <class Left, class Right>
bool same_bits(const Left& a, const Right& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

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

// Worlds without feedback are symmetric: the kernel answers their ties itself, and as solve_carefully does.
void ties(Checks& checks, const Kernels& kernels, const Objective& objective, bool noise) {
  const std::vector<std::int32_t> dims{1, 2, 5};
  Random random(checks.seed() + 2), again(checks.seed() + 2);
  Worlds a(24, objective, dims, noise, random), b(24, objective, dims, noise, again);
  a.batch.encoder = b.batch.encoder = false;
  const auto scratch = aligned_doubles(kernels.population_scratch(a.batch));
  for (std::size_t first = 0; first < a.count; first += kernels.lanes)
    kernels.population(a.batch, first, kernels.lanes, scratch.get());
  GivenMemory memory;
  std::size_t answered = 0;
  for (std::size_t i = 0; i < a.count; ++i) {
    if (a.careful[i]) continue;
    solve_carefully(b.batch, i, memory);
    for (std::size_t m = 0; m < dims.size(); ++m) {
      const std::size_t at = i * dims.size() + m;
      answered += !a.unique[at];
      checks.that(a.unique[at] == b.unique[at], "unique is %d, not %d", a.unique[at], b.unique[at]);
      checks.below(std::fabs(a.loss[at] - b.loss[at]), 1e-11, "loss");
      for (std::size_t k = 0; k < POPULATION_METRIC_COUNT; ++k)
        for (const auto& [mine, other] :
             {std::pair{&a.metrics, &b.metrics}, {&a.favourable, &b.favourable}}) {
          const double x = (*mine)[k * a.count * dims.size() + at],
                       y = (*other)[k * a.count * dims.size() + at];
          checks.that(x == y || std::fabs(x - y) < 1e-10 || (std::isnan(x) && std::isnan(y)),
                      "metric %zu of %zu latents is %g, not %g", k, std::size_t(dims[m]), x, y);
        }
    }
  }
  checks.that(2 * answered > a.count, "the kernel answered %zu ties of %zu worlds", answered, a.count);
}

Numbers random_moments(std::size_t n, Random& random) {
  Numbers x(3 * n * n), s(n * n, 0);
  for (double& v : x) v = random.uniform();
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j)
      for (std::size_t r = 0; r < 3 * n; ++r) s[i * n + j] += x[r * n + i] * x[r * n + j];
  return s;
}

// The largest entry of cov(o' - A o - B (C o + D o'), o) of moments (n,n) that begin with o and o'.
double left_with_observation(std::size_t d, std::size_t n, std::size_t k, const double* s, const double* c,
                             const double* dd, const double* a, const double* b) {
  double largest = 0;
  for (std::size_t j = 0; j < d; ++j) {
    Numbers z(k, 0);  // cov(z, o_j)
    for (std::size_t l = 0; l < k; ++l)
      for (std::size_t q = 0; q < d; ++q)
        z[l] += c[l * d + q] * s[q * n + j] + dd[l * d + q] * s[(d + q) * n + j];
    for (std::size_t i = 0; i < d; ++i) {
      double left = s[(d + i) * n + j];
      for (std::size_t q = 0; q < d; ++q) left -= a[i * d + q] * s[q * n + j];
      for (std::size_t l = 0; l < k; ++l) left -= b[i * k + l] * z[l];
      largest = std::max(largest, std::fabs(left));
    }
  }
  return largest;
}

// Regressions wider than a panel: with a job to ask, and thus in panels, they are what one piece gives.
void panels(Checks& checks, const Kernels& kernels) {
  constexpr std::size_t n = 70, wide = 450;
  Random random(checks.seed() + 8);
  Matrix s(n, n), with(n, wide), of(wide, wide);
  const Numbers moments = random_moments(n, random);
  s.a.assign(moments.begin(), moments.end());
  for (double& v : with.a) v = random.uniform();
  for (double& v : of.a) v = random.uniform();
  std::int32_t control[3] = {0, 0, 0};
  const Job job(control, 1);
  Matrix weights = with;
  checks.that(solve_semidefinite(kernels, s, 1e-10, weights, &job), "the regression did not converge");
  Matrix factor = s, whole = with;
  kernels.cholesky(factor.data(), n, n);
  kernels.cholesky_solve(factor.data(), n, n, whole.data(), wide, wide);
  checks.that(same_bits(weights.a, whole.a), "weights in panels differ from those in one piece");
  const Matrix left = residual_covariance(kernels, of, with, with, s, weights, weights, &job);
  Matrix expected = of;
  product_tn(kernels, weights, with, expected, -1, 1);
  product_tn(kernels, with, weights, expected, -1, 1);
  product_tn(kernels, weights, times(kernels, s, weights), expected, 1, 1);
  checks.that(same_bits(left.a, expected.a), "what is left differs in panels");
}

// Told to stop before it begins, an eigenproblem ends without an answer; not told, it has one.
void stopped_eigen(Checks& checks, const Kernels& kernels) {
  constexpr std::size_t n = 150;
  Random random(checks.seed() + 9);
  const Numbers s = random_moments(n, random);
  Numbers w(n), work(kernels.eigen_work(n));
  for (const std::int32_t stop : {0, 1}) {
    Numbers v = s;
    checks.that(kernels.eigen(v.data(), n, w.data(), work.data(), &stop) == (stop == 0),
                "an eigenproblem told %d", stop);
  }
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
  b.coefficient_columns = 1;
  b.projection = coefficients.data();
  b.latent = k;
  b.decoder = true;
  b.tolerance = 1e-10;
  const std::size_t ne = moments_width(b, b.objective.e);
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
    Numbers decoder_a(count * d * d), decoder_b(count * d * k), innovation_c(count * k * d);
    b.decoder_a = decoder_a.data();
    b.decoder_b = decoder_b.data();
    b.innovation_c = innovation_c.data();
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
      // Without a ridge, a penalty or noise the decoder is a regression: what it leaves tells nothing of o.
      if (objective.innovation && objective.penalty_count == 0)
        checks.below(left_with_observation(d, n, k, moments.data() + i * n * n, c.data() + i * k * d,
                                           dd.data() + i * k * d, decoder_a.data() + i * d * d,
                                           decoder_b.data() + i * d * k),
                     1e-9, "cov(o' - A o - B z, o)");
    }
    Numbers& all = answers[threads > 1];
    for (const Numbers* v : {&trace, &spectrum, &c, &dd, &decoder_a, &decoder_b, &innovation_c})
      all.insert(all.end(), v->begin(), v->end());
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
    for (const bool noise : {false, true})
      for (const Objective& objective : {reconstruction(), supervised(), composed(), robust()})
        checks.run("population ties" + isa, [&] { ties(checks, *k, objective, noise); });
    checks.run("panels" + isa, [&] { panels(checks, *k); });
    checks.run("stopped eigenproblem" + isa, [&] { stopped_eigen(checks, *k); });
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

// Random streams (native/kernels/streams-inl.h) and sampling for every kernel table that this CPU can run.
#include <algorithm>
#include <cmath>

#include "check.h"
#include "core/sampling.h"
#include "core/wishart.h"
#include "tables.h"

using exo::Kernels;
using exo::test::Checks;
using exo::test::Random;
using Numbers = std::vector<double>;

namespace {

Numbers draw(const Kernels& k, std::uint64_t seed, std::uint64_t stream, std::uint64_t first,
             std::size_t count) {
  Numbers out(count, NAN);
  k.normals(out.data(), seed, stream, first, count);
  return out;
}

std::vector<float> draw_f32(const Kernels& k, std::uint64_t seed, std::uint64_t stream, std::uint64_t first,
                            std::size_t count) {
  std::vector<float> out(count, NAN);
  k.normals_f32(out.data(), seed, stream, first, count);
  return out;
}

template <class T>
bool same_bits(const T* a, const T* b, std::size_t n) {
  return std::memcmp(a, b, n * sizeof(T)) == 0;
}

// Philox4x32-10 of a zero key and counter is 6627e8d5 e169c58d bc57ac4c 9b00dbd8 (Random123): the two normals
// by libm.
void known_answer(Checks& checks, const Kernels& k) {
  const std::uint64_t a = 0xe169c58d6627e8d5u, b = 0x9b00dbd8bc57ac4cu;
  const double u = 1 - static_cast<double>(a >> 12) * 0x1p-52, v = static_cast<double>(b >> 12) * 0x1p-52;
  const double radius = std::sqrt(-2 * std::log(u)), angle = 2 * std::acos(-1.0) * v;
  const Numbers got = draw(k, 0, 0, 0, 2);
  checks.below(std::fabs(got[0] - radius * std::cos(angle)), 1e-14, "first");
  checks.below(std::fabs(got[1] - radius * std::sin(angle)), 1e-14, "second");
}

// The same words as four numbers of the f32 stream.
void known_answer_f32(Checks& checks, const Kernels& k) {
  const std::uint32_t x[4] = {0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u};
  const std::vector<float> got = draw_f32(k, 0, 0, 0, 4);
  for (int i = 0; i < 4; i += 2) {
    const double u = static_cast<float>((x[i] >> 1) + 0.5) * 0x1p-31, v = x[i + 1] * 0x1p-32;
    const double radius = std::sqrt(-2 * std::log(u)), angle = 2 * std::acos(-1.0) * v;
    checks.below(std::fabs(got[i] - radius * std::cos(angle)), 3e-7, "even");
    checks.below(std::fabs(got[i + 1] - radius * std::sin(angle)), 3e-7, "odd");
  }
}

// Against the C library's, and each number by itself: a row's bits do not depend on where it stands.
void cosines(Checks& checks, const Kernels& k) {
  Random random(checks.seed());
  for (const std::size_t count : {std::size_t{1}, k.lanes, 5 * k.lanes + 3, std::size_t{1000}}) {
    Numbers values(count), phases(count);
    for (std::size_t i = 0; i < count; ++i) {
      values[i] = 30 * random.uniform();
      phases[i] = i % 3 == 0 ? 1e5 * random.uniform() : random.uniform();
    }
    Numbers got = values;
    k.cosines(0.25, phases.data(), got.data(), count);
    for (std::size_t i = 0; i < count; ++i) {
      const double along = values[i] + phases[i];
      checks.below(std::fabs(got[i] - 0.25 * std::cos(along)), 1e-15 + 1e-16 * std::fabs(along), "cosine");
      double alone = values[i];
      k.cosines(0.25, &phases[i], &alone, 1);
      checks.that(same_bits(&alone, &got[i], 1), "the same bits alone");
    }
  }
}

template <class Draw>
void splits(Checks& checks, const Kernels& k, Draw draw) {
  Random random(checks.seed());
  const std::uint64_t first = (std::uint64_t{1} << 40) + 3;
  const auto whole = draw(k, 5, 6, first, 500);
  for (int trial = 0; trial < 200; ++trial) {
    const std::size_t begin = random.bits() % 500, count = random.bits() % (500 - begin) + 1;
    const auto part = draw(k, 5, 6, first + begin, count);
    checks.that(same_bits(part.data(), whole.data() + begin, count), "elements %zu .. %zu differ", begin,
                begin + count);
  }
}

template <class Draw>
void distribution(Checks& checks, const Kernels& k, Draw draw) {
  constexpr std::size_t n = 200000;
  const auto of_stream = [&](std::uint64_t stream) {
    const auto drawn = draw(k, checks.seed(), stream, 0, n);
    return Numbers(drawn.begin(), drawn.end());
  };
  Numbers x = of_stream(1), y = of_stream(2);
  double mean = 0, square = 0, fourth = 0, cross = 0, pairs = 0;
  for (std::size_t i = 0; i < n; ++i) {
    mean += x[i] / n;
    square += x[i] * x[i] / n;
    fourth += x[i] * x[i] * x[i] * x[i] / n;
    cross += x[i] * y[i] / n;
    pairs += i % 2 ? x[i] * x[i - 1] / (n / 2) : 0;
  }
  const double deviation = 1 / std::sqrt(static_cast<double>(n));  // five of each
  checks.below(std::fabs(mean), 5 * deviation, "mean");
  checks.below(std::fabs(square - 1), 5 * std::sqrt(2.0) * deviation, "variance - 1");
  checks.below(std::fabs(fourth - 3), 5 * std::sqrt(96.0) * deviation, "fourth moment - 3");
  checks.below(std::fabs(cross), 5 * deviation, "covariance of two streams");
  checks.below(std::fabs(pairs), 5 * std::sqrt(2.0) * deviation, "covariance of a pair");
  std::sort(x.begin(), x.end());
  double distance = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double below = 0.5 * std::erfc(-x[i] / std::sqrt(2.0));
    distance = std::max({distance, std::fabs(below - static_cast<double>(i) / n),
                         std::fabs(below - static_cast<double>(i + 1) / n)});
  }
  checks.below(distance, 2.2 * deviation, "Kolmogorov-Smirnov distance");  // exceeded once in 10,000
}

// How many of 2e7 numbers lie beyond 3, 4 and 5, against the normal distribution: five deviations of a count.
void tails_f32(Checks& checks, const Kernels& k) {
  constexpr std::size_t n = 20000000, chunk = 1 << 16;
  double beyond[3] = {0, 0, 0}, greatest = 0;
  std::vector<float> part(chunk);
  for (std::size_t first = 0; first < n; first += chunk) {
    k.normals_f32(part.data(), checks.seed(), 3, first, chunk);
    for (const float v : part) {
      const double a = std::fabs(static_cast<double>(v));
      for (int i = 0; i < 3; ++i) beyond[i] += a > 3 + i;
      greatest = std::max(greatest, a);
    }
  }
  const double drawn = static_cast<double>((n + chunk - 1) / chunk * chunk);
  for (int i = 0; i < 3; ++i) {
    const double expected = drawn * std::erfc((3 + i) / std::sqrt(2.0));
    checks.below(std::fabs(beyond[i] - expected), 5 * std::sqrt(expected), "count of a tail - expected");
  }
  checks.below(5.1, greatest, "5.1 against the greatest");  // fails for a right answer once in 1000
  checks.below(greatest, std::sqrt(64 * std::log(2.0)) * (1 + 1e-6), "the greatest");
}

// Rows do not depend on the batch they are drawn in, nor on threads.
template <class T>
void rows(Checks& checks, const Kernels& k) {
  constexpr std::size_t d = 11, ds = 3, dx = 2, da = 2, n = 700;
  Random random(checks.seed());
  Numbers parameters = {0.9, 0.7, 1.1, 1.3, 0.8, 0.2, 0.1, 0.5, 0.4, 0.3, 0};
  Numbers mixing(d * (ds + dx)), effect(ds * da), gain_s(da * ds), gain_x(da * dx);
  for (Numbers* m : {&mixing, &effect, &gain_s, &gain_x})
    for (double& v : *m) v = random.uniform();
  const auto sample = [&](std::uint64_t first, std::size_t count, std::size_t threads) {
    std::vector<T> out(count * 4 * d, NAN);
    Numbers states(count * (da + 2 * dx + 2 * ds), NAN);
    double* next = states.data();
    const auto take = [&](std::size_t width) {
      double* p = next;
      next += count * width;
      return p;
    };
    exo::SampleBatch<T> b{};
    b.first = first;
    b.seed = 9;
    b.count = count;
    b.observation_dim = d;
    b.endogenous_dim = ds;
    b.exogenous_dim = dx;
    b.action_dim = da;
    b.parameters = parameters.data();
    b.mixing = mixing.data();
    b.action_effect = effect.data();
    b.state_feedback = gain_s.data();
    b.exogenous_feedback = gain_x.data();
    b.pair = true;
    b.observation = out.data();
    b.observation_next = b.observation + count * d;
    b.pair_observation = b.observation_next + count * d;
    b.pair_observation_next = b.pair_observation + count * d;
    b.action = take(da);
    b.exogenous = take(dx);
    b.exogenous_next = take(dx);
    b.endogenous = take(ds);
    b.endogenous_next = take(ds);
    std::int32_t control[3] = {0, 0, 0};
    exo::Job job(control, threads);
    exo::sample(k, b, job);
    for (const double v : states) checks.that(std::isfinite(v), "a state is %g", v);
    return out;
  };
  const std::vector<T> whole = sample(1000, n, 1), threaded = sample(1000, n, 3), part = sample(1300, 200, 2);
  checks.that(same_bits(whole.data(), threaded.data(), whole.size()), "three threads differ from one");
  checks.that(same_bits(part.data(), whole.data() + 300 * d, 200 * d), "observations of a part differ");
  checks.that(same_bits(part.data() + 600 * d, whole.data() + 3 * n * d + 300 * d, 200 * d),
              "the pair's next differ");
  for (const T v : whole) checks.that(std::isfinite(v), "a sample is %g", static_cast<double>(v));
}

// Draws depend neither on the batch nor on threads; their diagonal has the mean of the loadings' squares.
void wishart(Checks& checks, const Kernels& k, std::uint64_t degrees) {
  constexpr std::size_t n = 13, width = 9, count = 400, size = width * width;
  Random random(checks.seed());
  Numbers loadings(width * n);
  for (double& v : loadings) v = random.uniform();
  const auto draw = [&](std::uint64_t first, std::size_t draws, std::size_t threads) {
    Numbers out(draws * size, NAN);
    std::int32_t control[3] = {0, 0, 0};
    exo::Job job(control, threads);
    exo::wishart(k, {first, checks.seed(), degrees, draws, width, n, loadings.data(), out.data()}, job);
    return out;
  };
  const Numbers whole = draw(70, count, 1), threaded = draw(70, count, 3), part = draw(100, 50, 2);
  checks.that(same_bits(whole.data(), threaded.data(), whole.size()), "three threads differ from one");
  checks.that(same_bits(part.data(), whole.data() + 30 * size, part.size()), "a part differs");
  for (std::size_t i = 0; i < width; ++i) {
    double mean = 0, expected = 0;
    for (std::size_t d = 0; d < count; ++d) {
      mean += whole[d * size + i * width + i] / count;
      for (std::size_t j = 0; j < i; ++j)
        checks.that(whole[d * size + i * width + j] == whole[d * size + j * width + i], "not symmetric");
    }
    for (std::size_t p = 0; p < n; ++p) expected += loadings[i * n + p] * loadings[i * n + p];
    const double deviation = std::sqrt(2.0 / (static_cast<double>(degrees) * count));
    checks.below(std::fabs(mean / expected - 1), 5 * deviation + 1e-14, "mean of the diagonal");
  }
}

}  // namespace

int main(int argc, char** argv) {
  Checks checks(argc, argv);
  for (const Kernels* k : exo::test::tables()) {
    const std::string isa = std::string(" ") + k->name;
    checks.run("known answer" + isa, [&] { known_answer(checks, *k); });
    checks.run("known answer f32" + isa, [&] { known_answer_f32(checks, *k); });
    checks.run("cosines" + isa, [&] { cosines(checks, *k); });
    checks.run("splits" + isa, [&] { splits(checks, *k, draw); });
    checks.run("splits f32" + isa, [&] { splits(checks, *k, draw_f32); });
    checks.run("distribution" + isa, [&] { distribution(checks, *k, draw); });
    checks.run("distribution f32" + isa, [&] { distribution(checks, *k, draw_f32); });
    checks.run("tails f32" + isa, [&] { tails_f32(checks, *k); });
    for (const std::uint64_t degrees :
         {std::uint64_t{1}, std::uint64_t{5}, std::uint64_t{40}, std::uint64_t{1} << 40})
      checks.run("wishart of " + std::to_string(degrees) + isa, [&] { wishart(checks, *k, degrees); });
    checks.run("rows" + isa, [&] { rows<double>(checks, *k); });
    checks.run("rows f32" + isa, [&] { rows<float>(checks, *k); });
    checks.run("agreement" + isa, [&] {
      const Numbers a = draw(*exo::baseline_kernels(), 3, 4, 1, 20001), b = draw(*k, 3, 4, 1, 20001);
      for (std::size_t i = 0; i < a.size(); ++i)
        checks.below(std::fabs(a[i] - b[i]), 2e-14, "against baseline");
    });
    checks.run("agreement f32" + isa, [&] {
      const auto a = draw_f32(*exo::baseline_kernels(), 3, 4, 1, 2000001), b = draw_f32(*k, 3, 4, 1, 2000001);
      double most = 0;
      for (std::size_t i = 0; i < a.size(); ++i)
        most = std::max(most, std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
      checks.below(most, 1e-6, "against baseline");
    });
  }
  return checks.finish();
}

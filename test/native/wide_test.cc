// What wide observations are worked on with (core/dense.h, band.h, leading.h, wide-estimates.h), beside plain
// loops and the stage that knows every unit's moments.
#include <algorithm>
#include <cmath>

#include "check.h"
#include "core/band.h"
#include "core/estimates.h"
#include "core/leading.h"
#include "tables.h"
#include "worlds.h"

using namespace exo;
using exo::test::Checks;
using exo::test::Random;
using namespace exo::test;

namespace {

struct Control {
  std::int32_t numbers[3] = {0, 0, 0};
};

// A covariance whose eigenvalues fall like 1 / i, and nothing below `least`.
Matrix covariance(std::size_t n, double least, Random& random) {
  Matrix x(2 * n, n), s(n, n);
  for (std::size_t i = 0; i < x.rows; ++i)
    for (std::size_t j = 0; j < n; ++j)
      x.at(i, j) = (random.uniform() - 0.5) / std::sqrt(1.0 + static_cast<double>(j));
  const Kernels& k = *baseline_kernels();
  product_tn(k, x, x, s);
  for (std::size_t i = 0; i < n; ++i) s.at(i, i) += least;
  symmetrise(s);
  return s;
}

Matrix random_matrix(std::size_t rows, std::size_t cols, Random& random) {
  Matrix m(rows, cols);
  for (double& v : m.a) v = random.uniform() - 0.5;
  return m;
}

double largest_difference(const Matrix& a, const Matrix& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.a.size(); ++i) largest = std::max(largest, std::fabs(a.a[i] - b.a[i]));
  return largest;
}

void factors(Checks& checks, const Kernels& k) {
  Random random(checks.seed());
  const std::size_t n = 333;
  const Matrix s = covariance(n, 1e-3, random);
  Matrix answers[2][2];
  for (const std::size_t threads : {1, 4}) {
    Control control;
    const Job job(control.numbers, threads);
    const Dense d(k, job);
    Matrix l = s;
    checks.that(d.cholesky(l.data(), n, n) > 0, "not positive definite");
    double above = 0;
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = i + 1; j < n; ++j) above = std::max(above, std::fabs(l.at(i, j) - s.at(i, j)));
    checks.below(above, 0, "what stands above the diagonal");
    for (const std::size_t columns : {5, 900}) {
      Random same(7);
      const Matrix b = random_matrix(n, columns, same);
      Matrix x = b;
      d.cholesky_solve(l.data(), n, n, x.data(), columns, columns);
      checks.below(largest_difference(times(d, s, x), b), 1e-10, "S x - b");
      answers[threads > 1][columns > 5] = x;
    }
  }
  for (int i = 0; i < 2; ++i) checks.that(answers[0][i].a == answers[1][i].a, "four threads: other bits");
  Control control;
  const Job job(control.numbers, 2);
  const Dense d(k, job);
  Matrix negative = s;
  negative.at(300, 300) = -1;
  checks.that(!(d.cholesky(negative.data(), n, n) > 0), "a negative pivot is not seen");
  const Matrix a = random_matrix(n, 200, random);
  Matrix gram(n, n);
  d.symmetric_product(false, true, n, 200, 1, a.data(), 200, a.data(), 200, 0, gram.data(), n);
  checks.below(largest_difference(gram, times_nt(d, a, a)), 0, "half a product, and its copy");
}

// tr X^T (S + lambda)^-1 Y and tr (S + lambda)^-1 G (S + lambda)^-1 H, by a Cholesky factor and by the band.
void banded(Checks& checks, const Kernels& k) {
  for (const std::size_t n : {5, 20, 64, 205}) {
    Random random(checks.seed());
    Control control;
    const Job job(control.numbers, 3);
    const Dense d(k, job);
    const std::size_t counts[2] = {7, 37};
    const Matrix s = covariance(n, 0, random), c = random_matrix(n, n, random);
    Matrix q = s, gram = c;
    Band band(d, q.data(), n, n);
    band.turn(gram.data(), n, n);
    gram = times_nt(d, gram, gram);
    const std::vector<double> rows = band.rows();
    std::vector<double> ridges(k.lanes), work(k.banded_work(n)), linear[2], quadratic[2];
    for (std::size_t l = 0; l < k.lanes; ++l) ridges[l] = std::pow(10.0, static_cast<double>(l % 6) - 5);
    Matrix x[2], y[2], turned[2][2], squares[2];
    BandedForms forms{n, rows.data(), ridges.data(), gram.data(), {}};
    for (std::size_t i = 0; i < 2; ++i) {
      turned[i][0] = x[i] = random_matrix(n, counts[i], random);
      turned[i][1] = y[i] = random_matrix(n, counts[i], random);
      for (Matrix& m : turned[i]) band.turn(m.data(), counts[i], counts[i]);
      squares[i] = times_nt(d, turned[i][0], turned[i][0]);
      linear[i].resize(k.lanes);
      quadratic[i].resize(k.lanes);
      forms.sides[i] = {squares[i].data(), turned[i][0].data(), turned[i][1].data(), counts[i], counts[i], 1,
                        linear[i].data(),  quadratic[i].data()};
    }
    checks.that(k.banded_forms(forms, work.data(), nullptr), "B + lambda is positive definite");
    for (std::size_t l = 0; l < k.lanes; ++l) {
      Matrix plain = s;
      for (std::size_t i = 0; i < n; ++i) plain.at(i, i) += ridges[l];
      d.cholesky(plain.data(), n, n);
      for (std::size_t i = 0; i < 2; ++i) {
        Matrix solved = x[i];
        d.cholesky_solve(plain.data(), n, n, solved.data(), counts[i], counts[i]);
        const Matrix with_y = times_tn(d, y[i], solved), with_c = times_tn(d, c, solved);
        double square = 0;
        for (const double v : with_c.a) square += v * v;
        checks.below(std::fabs(linear[i][l] - trace(with_y)), 1e-9 * (1 + std::fabs(trace(with_y))),
                     "tr X^T R Y");
        checks.below(std::fabs(quadratic[i][l] - square), 1e-9 * square, "tr R G R H");
      }
    }
    ridges.back() = -1e3;
    checks.that(!k.banded_forms(forms, work.data(), nullptr), "one lane is not positive definite");
  }
}

void leading(Checks& checks, const Kernels& k) {
  Random random(checks.seed());
  const std::size_t n = 450, count = 6;
  const Matrix s = covariance(n, 0, random);
  Matrix all = s;
  std::vector<double> values(n), work(k.eigen_work(n)), alone(n);
  checks.that(k.eigenvalues(s.data(), n, alone.data(), work.data(), nullptr), "eigenvalues");
  checks.that(k.eigen(all.data(), n, values.data(), work.data(), nullptr), "all eigenpairs");
  for (std::size_t i = 0; i < n; ++i)
    checks.below(std::fabs(alone[i] - values[i]), 1e-12 * values[0], "an eigenvalue");
  Matrix bits[2];
  for (const std::size_t threads : {1, 3}) {
    Control control;
    const Job job(control.numbers, threads);
    const Dense d(k, job);
    std::vector<double> found;
    Matrix& vectors = bits[threads > 1];
    const Operator by_s = [&](const Matrix& x, Matrix& out) { out = times(d, s, x); };
    checks.that(leading_eigenpairs(d, n, count, by_s, found, vectors), "it converges");
    for (std::size_t i = 0; i < count; ++i) {
      double cosine = 0;
      for (std::size_t j = 0; j < n; ++j) cosine += vectors.at(i, j) * all.at(i, j);
      checks.below(std::fabs(found[i] - values[i]), 1e-11 * values[0], "a leading eigenvalue");
      checks.below(std::fabs(std::fabs(cosine) - 1), 1e-12, "a leading eigenvector");
    }
  }
  checks.that(bits[0].a == bits[1].a, "three threads: other bits");
}

// Rows of [o, o', a, x'] in five folds of units, with a column that moves in one fold alone and one that
// never does.
struct Data {
  static constexpr std::size_t da = 2, dx = 3, folds = 5;
  std::size_t d, units = 12, rows, width;
  Numbers o, next, a, x, mean, factor, moments, held, training, replicates;
  std::vector<std::int32_t> unit, fold, latents{1, 3, 6};
  Numbers ridges;
  std::uint8_t status = 9;

  Data(std::size_t d, std::size_t rows, Random& random) : d(d), rows(rows), width(1 + 2 * d + da + dx) {
    mean.assign(d, 0.25);
    factor.assign(d, 1.5);
    for (std::size_t u = 0; u < units; ++u) fold.push_back(static_cast<std::int32_t>(u % folds));
    const Matrix mix = random_matrix(da + dx + 4, d, random);
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t u = r % units;
      unit.push_back(r == 5 ? -1 : static_cast<std::int32_t>(u));
      Numbers now(mix.rows), then(mix.rows);
      for (double& v : now) v = random.uniform() - 0.5;
      for (std::size_t i = 0; i < then.size(); ++i)
        then[i] = 0.6 * now[i] + (random.uniform() - 0.5) * (1 + i);
      for (std::size_t i = 0; i < da; ++i) a.push_back(then[i] - 0.6 * now[i]);
      for (std::size_t i = 0; i < dx; ++i) x.push_back(then[da + i]);
      for (std::size_t j = 0; j < d; ++j) {
        double before = 0.05 * random.uniform(), after = 0.05 * random.uniform();
        for (std::size_t i = 0; i < mix.rows; ++i) {
          before += now[i] * mix.at(i, j);
          after += then[i] * mix.at(i, j);
        }
        const bool still = j == 3 || (j == 4 && fold[u] != 2);
        o.push_back(still ? 0.5 : before);
        next.push_back(still ? 0.5 : after);
      }
    }
    const std::size_t size = width * width;
    moments.assign(units * size, 0);
    Numbers row(width);
    for (std::size_t r = 0; r < rows; ++r) {
      if (unit[r] < 0) continue;
      row[0] = 1;
      for (std::size_t j = 0; j < d; ++j) {
        row[1 + j] = (o[r * d + j] - mean[j]) * factor[j];
        row[1 + d + j] = (next[r * d + j] - mean[j]) * factor[j];
      }
      std::copy(&a[r * da], &a[r * da] + da, &row[1 + 2 * d]);
      std::copy(&x[r * dx], &x[r * dx] + dx, &row[1 + 2 * d + da]);
      double* to = &moments[static_cast<std::size_t>(unit[r]) * size];
      for (std::size_t i = 0; i < width; ++i)
        for (std::size_t j = 0; j < width; ++j) to[i * width + j] += row[i] * row[j];
    }
  }

  void run(const Kernels& k, std::size_t threads, bool by_rows, bool choose, bool kept = true) {
    static const Numbers zeros(8, 0.0), ones(8, 1.0);
    const double grid[] = {1e-8, 1e-5, 1e-2, 1};
    ridges.assign(folds, choose ? std::nan("") : 1e-4);
    EstimatesBatch b{};
    b.units = units;
    b.folds = b.groups = folds;
    b.layout.width = width;
    b.layout.observation = {1, d};
    b.layout.observation_next = {1 + d, d};
    b.layout.action = {1 + 2 * d, da};
    b.layout.exogenous_next = {1 + 2 * d + da, dx};
    b.fold = b.group = fold.data();
    if (by_rows) {
      b.rows.count = rows;
      if (!kept) b.rows.most_kept = 0;
      b.rows.unit = unit.data();
      b.rows.variables[0] = {d, o.data(), mean.data(), factor.data()};
      b.rows.variables[1] = {d, next.data(), mean.data(), factor.data()};
      b.rows.variables[2] = {da, a.data(), zeros.data(), ones.data()};
      b.rows.variables[4] = {dx, x.data(), zeros.data(), ones.data()};
    } else {
      b.moments = moments.data();
    }
    b.objectives = {{reconstruction(), {0.0}, nullptr, 0}};
    // Of wide observations it looks at directions that are all but determined, and rounds more.
    if (d < 100) b.objectives.push_back({supervised(), {3.0}, nullptr, 0});
    b.latents = latents.data();
    b.latent_count = latents.size();
    b.grid = grid;
    b.grid_size = 4;
    const std::size_t size = b.answers() * b.latent_count * ESTIMATED_COUNT * 2;
    held.assign(size * units, -1);
    training.assign(size, -1);
    replicates.assign(size * folds, -1);
    b.ridges = ridges.data();
    b.held = held.data();
    b.training = training.data();
    b.replicates = replicates.data();
    b.status = &status;
    Control control;
    Job job(control.numbers, threads);
    estimate(k, b, job);
  }
};

void close(Checks& checks, const Numbers& a, const Numbers& b, const char* what) {
  checks.that(a.size() == b.size(), "%s: sizes", what);
  double largest = 0;
  for (const double v : b) largest = std::isnan(v) ? largest : std::max(largest, std::fabs(v));
  for (std::size_t i = 0; i < a.size(); ++i)
    checks.that((std::isnan(a[i]) && std::isnan(b[i])) ||
                    std::fabs(a[i] - b[i]) <= 1e-9 * std::fabs(b[i]) + 1e-11 * largest,
                "%s %zu: %.15g and %.15g", what, i, a[i], b[i]);
}

void rows_as_moments(Checks& checks, const Kernels& k, std::size_t d, std::size_t rows) {
  Random random(checks.seed());
  Data by_rows(d, rows, random);
  Data by_moments = by_rows;
  for (const bool choose : {true, false}) {
    if (d > 100 && !choose) continue;
    by_rows.run(k, 2, true, choose);
    by_moments.run(k, 2, false, choose);
    checks.that(by_rows.status == 0 && by_moments.status == 0, "status %d, %d", by_rows.status,
                by_moments.status);
    close(checks, by_rows.ridges, by_moments.ridges, "ridge");
    close(checks, by_rows.held, by_moments.held, "held out");
    close(checks, by_rows.training, by_moments.training, "training");
    close(checks, by_rows.replicates, by_moments.replicates, "replicate");
  }
  Data many = by_rows;
  many.run(k, 5, true, d > 100);
  checks.that(std::memcmp(many.held.data(), by_rows.held.data(), many.held.size() * sizeof(double)) == 0,
              "five threads: other bits");
  // Sums of folds are kept where they take little memory; without them everything comes from rows.
  Data anew = by_rows;
  anew.run(k, 2, true, true, false);
  by_rows.run(k, 2, true, true);
  close(checks, anew.ridges, by_rows.ridges, "ridge, nothing kept");
  close(checks, anew.held, by_rows.held, "held out, nothing kept");
  many.run(k, 5, true, true, false);
  checks.that(std::memcmp(many.held.data(), anew.held.data(), many.held.size() * sizeof(double)) == 0,
              "five threads, nothing kept: other bits");
}

// Q from the other side and from both, and one X for both sides.
void turned(Checks& checks, const Kernels& k) {
  for (const std::size_t n : {20, 205}) {
    Random random(checks.seed());
    Control control;
    const Job job(control.numbers, 3);
    const Dense d(k, job);
    Matrix q = covariance(n, 0, random);
    const Band band(d, q.data(), n, n);
    const Matrix x = random_matrix(n, 7, random);
    Matrix left = x, right(7, n);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < 7; ++j) right.at(j, i) = x.at(i, j);
    band.turn(left.data(), 7, 7);
    band.turn_rows(right.data(), 7, n);
    double largest = 0;
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < 7; ++j)
        largest = std::max(largest, std::fabs(left.at(i, j) - right.at(j, i)));
    checks.below(largest, 1e-13, "x Q and Q^T x");
    const Matrix s = covariance(n, 0, random);
    Matrix both = s, one = s;
    band.turn_both(both.data(), n);
    band.turn(one.data(), n, n);
    band.turn_rows(one.data(), n, n);
    checks.below(largest_difference(both, one), 1e-12, "Q^T x Q");

    const std::vector<double> rows = band.rows();
    std::vector<double> ridges(k.lanes, 0.1), work(k.banded_work(n)), linear[4];
    for (auto& l : linear) l.resize(k.lanes);
    const Matrix y[2] = {random_matrix(n, n, random), random_matrix(n, n, random)}, copy = both;
    for (const bool shared : {false, true}) {
      BandedForms forms{n, rows.data(), ridges.data(), nullptr, {}};
      for (std::size_t i = 0; i < 2; ++i)
        forms.sides[i] = {nullptr,
                          i == 1 && !shared ? copy.data() : both.data(),
                          y[i].data(),
                          n,
                          1,
                          n,
                          linear[2 * shared + i].data(),
                          nullptr};
      checks.that(k.banded_forms(forms, work.data(), nullptr), "B + lambda is positive definite");
    }
    checks.that(linear[0] == linear[2] && linear[1] == linear[3], "one X for both sides: other bits");
  }
}

}  // namespace

int main(int argc, char** argv) {
  Checks checks(argc, argv);
  for (const Kernels* k : exo::test::tables()) {
    const std::string isa = std::string(" ") + k->name;
    checks.run("factors" + isa, [&] { factors(checks, *k); });
    checks.run("banded" + isa, [&] { banded(checks, *k); });
    checks.run("turned" + isa, [&] { turned(checks, *k); });
    checks.run("leading" + isa, [&] { leading(checks, *k); });
    checks.run("rows as moments" + isa, [&] { rows_as_moments(checks, *k, 37, 400); });
  }
  // The space of leading directions begins above 400 coordinates.
  checks.run("rows as moments, wide",
             [&] { rows_as_moments(checks, *exo::test::tables().back(), 410, 500); });
  return checks.finish();
}

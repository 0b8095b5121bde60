// Judging latents without Node: moments of random features beside plain loops, nested regressions beside
// normal equations solved by elimination, threads, on every kernel table.
#include <cmath>
#include <vector>

#include "check.h"
#include "core/judging.h"
#include "tables.h"

using namespace exo;
using exo::test::Checks;
using exo::test::Random;
using Numbers = std::vector<double>;

namespace {

Numbers random_numbers(Random& random, std::size_t count) {
  Numbers out(count);
  for (double& v : out) v = random.uniform();
  return out;
}

void features(Checks& checks, const Kernels& k) {
  // More rows of a unit than become features together.
  constexpr std::size_t rows = 600, inputs = 5, units = 2;
  Random random(checks.seed());
  const Numbers data = random_numbers(random, rows * inputs), first = random_numbers(random, 7 * 3),
                second = random_numbers(random, 4 * 2), phases = random_numbers(random, 7);
  std::vector<std::int32_t> unit(rows);
  for (std::size_t r = 0; r < rows; ++r) unit[r] = r % 5 == 0;
  FeatureMomentsBatch b{};
  b.rows = rows, b.inputs = inputs, b.units = units;
  b.data = data.data(), b.unit = unit.data();
  b.maps = {{0, 3, 7, first.data(), phases.data()}, {3, 2, 4, second.data(), phases.data()}};
  const std::size_t width = b.width();
  Numbers found(units * width * width), expected(found.size());
  b.moments = found.data();
  std::int32_t control[3] = {0, 0, 0};
  Job job(control, 1);
  feature_moments(k, b, job);
  for (std::size_t r = 0; r < rows; ++r) {
    Numbers row{1};
    row.insert(row.end(), &data[r * inputs], &data[r * inputs] + inputs);
    for (const FeatureMap& map : b.maps)
      for (std::size_t f = 0; f < map.count; ++f) {
        double along = map.phases[f];
        for (std::size_t i = 0; i < map.size; ++i)
          along += map.frequencies[f * map.size + i] * data[r * inputs + map.begin + i];
        row.push_back(std::sqrt(2 / static_cast<double>(map.count)) * std::cos(along));
      }
    double* to = &expected[static_cast<std::size_t>(unit[r]) * width * width];
    for (std::size_t i = 0; i < width; ++i)
      for (std::size_t j = 0; j < width; ++j) to[i * width + j] += row[i] * row[j];
  }
  double off = 0;
  for (std::size_t i = 0; i < found.size(); ++i) off = std::max(off, std::fabs(found[i] - expected[i]));
  checks.below(off, 1e-9, "a moment is off by");
  Numbers again(found.size());
  b.moments = again.data();
  Job shared(control, 3);
  feature_moments(k, b, shared);
  checks.that(again == found, "three threads differ from one");
}

// Weights of y on columns [1, columns] of some rows: normal equations by Gaussian elimination with pivots.
Numbers regressed(const std::vector<Numbers>& rows, const std::vector<std::size_t>& columns, std::size_t y) {
  const std::size_t n = columns.size() + 1;
  std::vector<Numbers> a(n, Numbers(n + 1));
  for (const Numbers& row : rows) {
    Numbers x{1};
    for (const std::size_t c : columns) x.push_back(row[c]);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) a[i][j] += x[i] * x[j];
      a[i][n] += x[i] * row[y];
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    std::size_t pivot = i;
    for (std::size_t r = i; r < n; ++r)
      if (std::fabs(a[r][i]) > std::fabs(a[pivot][i])) pivot = r;
    std::swap(a[i], a[pivot]);
    for (std::size_t r = 0; r < n; ++r) {
      if (r == i) continue;
      const double factor = a[r][i] / a[i][i];
      for (std::size_t j = i; j <= n; ++j) a[r][j] -= factor * a[i][j];
    }
  }
  Numbers out(n);
  for (std::size_t i = 0; i < n; ++i) out[i] = a[i][n] / a[i][i];
  return out;
}

double squared_error(const std::vector<Numbers>& rows, const Numbers& weights,
                     const std::vector<std::size_t>& columns, std::size_t y) {
  double sum = 0;
  for (const Numbers& row : rows) {
    double left = row[y] - weights[0];
    for (std::size_t i = 0; i < columns.size(); ++i) left -= weights[i + 1] * row[columns[i]];
    sum += left * left;
  }
  return sum;
}

// Columns [1, o o, z z, y]: y follows o and z but for noise. With next to no ridge the nested regressions are
// those on o, and on o and z.
void nested(Checks& checks, const Kernels& k) {
  constexpr std::size_t units = 6, folds = 3, per_unit = 25, width = 6, y = 5;
  Random random(checks.seed() + 1);
  std::vector<std::vector<Numbers>> rows(units);
  Numbers moments(units * width * width);
  std::vector<std::int32_t> fold, group;
  for (std::size_t u = 0; u < units; ++u) {
    for (std::size_t r = 0; r < per_unit; ++r) {
      Numbers row{1};
      for (int i = 0; i < 4; ++i) row.push_back(random.uniform() + 0.3);
      row[3] += 0.5 * row[1];
      row.push_back(row[1] - 2 * row[3] + 0.5 * row[4] + 0.2 * random.uniform());
      for (std::size_t i = 0; i < width; ++i)
        for (std::size_t j = 0; j < width; ++j) moments[(u * width + i) * width + j] += row[i] * row[j];
      rows[u].push_back(row);
    }
    fold.push_back(static_cast<std::int32_t>(u % folds));
    group.push_back(static_cast<std::int32_t>(u));
  }
  const Numbers grid{1e-12};
  Numbers held(2 * units), training(2), replicates(2 * units), ridges(2 * folds);
  NestedBatch b{};
  b.units = units, b.width = width, b.folds = folds, b.groups = units;
  b.moments = moments.data(), b.fold = fold.data(), b.group = group.data();
  b.questions = {{{1, 2}, {3, 4}, 0, {{y, 1}}}};
  b.grid = grid.data(), b.grid_size = grid.size();
  b.held = held.data(), b.training = training.data();
  b.replicates = replicates.data(), b.ridges = ridges.data();
  const auto run = [&](std::size_t threads) {
    std::int32_t control[3] = {0, 0, 0};
    Job job(control, threads);
    nested_errors(k, b, job);
  };
  run(1);
  const auto without = [&](std::int32_t left, std::size_t unit) {
    std::vector<Numbers> out;
    for (std::size_t u = 0; u < units; ++u)
      if (fold[u] != left && u != unit) out.insert(out.end(), rows[u].begin(), rows[u].end());
    return out;
  };
  const std::vector<std::size_t> columns[2] = {{1, 2, 3, 4}, {1, 2}};
  double off = 0, replicate_off = 0;
  for (std::size_t side = 0; side < 2; ++side)
    for (std::size_t g = 0; g < units; ++g) {
      const Numbers own = regressed(without(fold[g], units), columns[side], y);
      off = std::max(off, std::fabs(held[side * units + g] - squared_error(rows[g], own, columns[side], y)));
      double expected = 0;
      for (std::size_t u = 0; u < units; ++u)
        if (u != g)
          expected += squared_error(
              rows[u], regressed(without(fold[u], fold[u] == fold[g] ? units : g), columns[side], y),
              columns[side], y);
      replicate_off = std::max(replicate_off, std::fabs(replicates[side * units + g] - expected));
    }
  checks.below(off, 1e-7, "a held-out error is off by");
  checks.below(replicate_off, 1e-7, "a replicate is off by");
  checks.that(held[0] < 0.5 * held[units], "what is added explains nothing");
  const Numbers once = held, twice = replicates;
  std::fill(held.begin(), held.end(), 0.0);
  std::fill(replicates.begin(), replicates.end(), 0.0);
  std::fill(training.begin(), training.end(), 0.0);
  run(3);
  checks.that(held == once && replicates == twice, "three threads differ from one");
}

}  // namespace

int main(int argc, char** argv) {
  Checks checks(argc, argv);
  for (const Kernels* k : exo::test::tables()) {
    const std::string isa = std::string(" ") + k->name;
    checks.run("features" + isa, [&] { features(checks, *k); });
    checks.run("nested" + isa, [&] { nested(checks, *k); });
  }
  return checks.finish();
}

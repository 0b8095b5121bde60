// The stage of estimates without Node: known answers, what a replicate is, threads, cancellation.
#include <algorithm>
#include <cmath>
#include <vector>

#include "check.h"
#include "core/estimates.h"
#include "tables.h"

using namespace exo;
using exo::test::Checks;
using exo::test::Random;
using Numbers = std::vector<double>;

namespace {

Objective reconstruction(bool supervised) {
  Objective o{};
  const auto plain = [](std::int32_t variable, std::int32_t coefficient) {
    Block b{};
    b.terms[b.count++] = {variable, coefficient, 1};
    return b;
  };
  o.y.blocks[o.y.count++] = o.e.blocks[o.e.count++] = plain(OBSERVATION_NEXT, -1);
  o.f.blocks[o.f.count++] = plain(OBSERVATION, -1);
  if (supervised) o.y.blocks[o.y.count++] = plain(ACTION, 0);
  o.innovation = true;
  return o;
}

// Units of o' = 0.9 o + [2 a; w] exactly, with x' = w: a is the larger innovation, z of width 2 is a.
struct Study {
  static constexpr std::size_t d = 5, da = 2, dx = 3, width = 1 + 2 * d + da + dx, rows = 30;
  std::size_t units;
  Numbers moments;
  std::vector<std::int32_t> fold, group, latents{1, 2, 5};
  Numbers ridges, held, training, replicates;
  std::uint8_t status = 255;

  Study(std::size_t count, std::size_t folds, Random& random)
      : units(count), moments(count * width * width, 0.0) {
    Numbers row(width, 1.0);
    for (std::size_t u = 0; u < count; ++u) {
      for (std::size_t r = 0; r < rows; ++r) {
        double* o = row.data() + 1;
        double *next = o + d, *a = next + d, *x = a + da;
        for (std::size_t i = 0; i < d; ++i) o[i] = random.uniform();
        for (std::size_t i = 0; i < da; ++i) a[i] = random.uniform();
        for (std::size_t i = 0; i < dx; ++i) x[i] = random.uniform();
        for (std::size_t i = 0; i < d; ++i) next[i] = 0.9 * o[i] + (i < da ? 2 * a[i] : x[i - da]);
        for (std::size_t i = 0; i < width; ++i)
          for (std::size_t j = 0; j < width; ++j) moments[(u * width + i) * width + j] += row[i] * row[j];
      }
      fold.push_back(static_cast<std::int32_t>(u % folds));
      group.push_back(static_cast<std::int32_t>(u));
    }
    ridges.assign(folds, NAN);
  }

  EstimatesBatch batch(const double* grid, std::size_t grid_size) {
    EstimatesBatch b{};
    b.units = units;
    b.folds = ridges.size();
    b.groups = units;
    b.layout.width = width;
    b.layout.observation = {1, d};
    b.layout.observation_next = {1 + d, d};
    b.layout.action = {1 + 2 * d, da};
    b.layout.exogenous_next = {1 + 2 * d + da, dx};
    b.moments = moments.data();
    b.fold = fold.data();
    b.group = group.data();
    b.objectives = {{reconstruction(false), {0.0}, nullptr, 0}, {reconstruction(true), {3.0}, nullptr, 0}};
    b.latents = latents.data();
    b.latent_count = latents.size();
    b.grid = grid;
    b.grid_size = grid_size;
    const std::size_t size = b.answers() * b.latent_count * ESTIMATED_COUNT * 2;
    held.assign(size * units, -1);
    training.assign(size, -1);
    replicates.assign(size * b.groups, -1);
    b.ridges = ridges.data();
    b.held = held.data();
    b.training = training.data();
    b.replicates = replicates.data();
    b.status = &status;
    return b;
  }
  void run(const Kernels& kernels, std::size_t threads) {
    const double grid[] = {1e-8, 1e-4, 1};
    std::int32_t control[3] = {0, 0, 0};
    Job job(control, threads);
    estimate(kernels, batch(grid, 3), job);
  }
  // Held-out sum over all units, of objective v, the l-th latent dimension; side 0: num, 1: den.
  double sum(std::size_t v, std::size_t l, Estimated metric, std::size_t side) const {
    double total = 0;
    for (std::size_t u = 0; u < units; ++u) total += held[place(v, l, metric, side) * units + u];
    return total;
  }
  std::size_t place(std::size_t v, std::size_t l, Estimated metric, std::size_t side) const {
    return ((v * latents.size() + l) * ESTIMATED_COUNT + static_cast<std::size_t>(metric)) * 2 + side;
  }
  double ratio(std::size_t v, std::size_t l, Estimated metric) const {
    return sum(v, l, metric, 0) / sum(v, l, metric, 1);
  }
};

void known_answers(Checks& checks, const Kernels& kernels) {
  Random random(checks.seed());
  Study s(8, 4, random);
  s.run(kernels, 2);
  checks.that(s.status == 0, "status %d", s.status);
  for (const double ridge : s.ridges)
    checks.that(ridge == 1e-8, "an exact relation needs no ridge: %g", ridge);
  for (std::size_t v = 0; v < 2; ++v) {
    checks.below(s.ratio(v, 2, Estimated::ActionError), 1e-6, "all of o' says all of the action");
    checks.below(s.ratio(v, 2, Estimated::FutureLeakage), 1e-6, "all of o' says all of x'");
    checks.below(s.ratio(v, 1, Estimated::ActionError), 0.01, "two latents are the action");
    checks.below(std::fabs(s.ratio(v, 1, Estimated::FutureLeakage) - 1), 0.05, "and say nothing of x'");
    checks.that(s.ratio(v, 0, Estimated::ActionError) > 0.3, "one latent is half of it");
  }
  checks.that(std::isnan(s.sum(0, 0, Estimated::InnovationLeakage, 0)), "x is not among the variables");
  checks.that(std::isnan(s.sum(0, 0, Estimated::ConsistencyError, 1)), "there is no pair");
}

// A replicate is the whole study without the unit, folds and ridges kept.
void replicates(Checks& checks, const Kernels& kernels) {
  Random random(checks.seed());
  Study whole(9, 3, random);
  std::fill(whole.ridges.begin(), whole.ridges.end(), 1e-3);
  whole.run(kernels, 3);
  for (std::size_t left = 0; left < whole.units; ++left) {
    Study rest = whole;
    const std::size_t size = Study::width * Study::width;
    rest.moments.erase(rest.moments.begin() + static_cast<std::ptrdiff_t>(left * size),
                       rest.moments.begin() + static_cast<std::ptrdiff_t>((left + 1) * size));
    rest.fold.erase(rest.fold.begin() + static_cast<std::ptrdiff_t>(left));
    rest.group.pop_back();
    --rest.units;
    rest.run(kernels, 1);
    for (const Estimated metric : {Estimated::ActionError, Estimated::FutureLeakage, Estimated::ShareAction,
                                   Estimated::RawObservationError})
      for (std::size_t v = 0; v < 2; ++v)
        for (std::size_t l = 0; l < 3; ++l)
          for (std::size_t side = 0; side < 2; ++side) {
            const double found = whole.replicates[whole.place(v, l, metric, side) * whole.units + left];
            const double wanted = rest.sum(v, l, metric, side);
            checks.below(std::fabs(found - wanted), 1e-8 * (1 + std::fabs(wanted)), "a replicate");
          }
  }
}

void threads(Checks& checks, const Kernels& kernels) {
  Random random(checks.seed());
  Study one(11, 5, random);
  Study many = one;
  one.run(kernels, 1);
  many.run(kernels, 5);
  const auto same = [](const Numbers& a, const Numbers& b) {
    return std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
  };
  checks.that(same(one.held, many.held) && same(one.replicates, many.replicates) &&
                  same(one.training, many.training) && same(one.ridges, many.ridges),
              "the bits depend on the number of threads");
}

void cancelled(Checks& checks, const Kernels& kernels) {
  Random random(checks.seed());
  Study s(8, 4, random);
  const double grid[] = {1e-8, 1};
  std::int32_t control[3] = {1, 0, 0};
  Job job(control, 2);
  estimate(kernels, s.batch(grid, 2), job);
  checks.that(control[1] == 0, "%d tasks ran after cancellation", control[1]);
}

}  // namespace

int main(int argc, char** argv) {
  Checks checks(argc, argv);
  for (const Kernels* k : exo::test::tables()) {
    const std::string isa = std::string(" ") + k->name;
    checks.run("estimates known answers" + isa, [&] { known_answers(checks, *k); });
    checks.run("estimates replicates" + isa, [&] { replicates(checks, *k); });
    checks.run("estimates threads" + isa, [&] { threads(checks, *k); });
    checks.run("estimates cancellation" + isa, [&] { cancelled(checks, *k); });
  }
  return checks.finish();
}

// Scratch memory of the kernels: what is counted is enough, and taking more than that is noticed.
#include "kernels/scratch.h"

#include <algorithm>
#include <cmath>

#include "kernels/kernels.h"
#include "tables.h"
#include "worlds.h"

#ifndef EXO_CHECK_SCRATCH
#define EXO_CHECK_SCRATCH  // for the arenas of this file, in every build
#endif

namespace exo {
namespace {
constexpr std::size_t LANES = 2;
#include "kernels/arena-inl.h"
}  // namespace
}  // namespace exo

using namespace exo;
using namespace exo::test;

namespace {

std::size_t overruns = 0, taken_there = 0, counted_there = 0;

// As a kernel does it: `rows` rows for good, and as many once more for a step.
void take_some(Arena arena, std::size_t rows) {
  arena.take(rows, 3);
  Arena local = arena;
  local.take(rows, 3);
}

void overrun(Checks& checks) {
  const std::size_t count = scratch_of([](const Arena& arena) { take_some(arena, 4); });
  checks.that(count == 2 * 4 * 3 * LANES, "%zu doubles were counted", count);
  Numbers memory(4 * count);
  const Arena arena = arena_over(memory.data(), [&] { return count; });
  const auto before = scratch_overrun;
  scratch_overrun = [](std::size_t taken, std::size_t counted) {
    ++overruns;
    taken_there = taken;
    counted_there = counted;
  };
  take_some(arena, 4);
  checks.that(overruns == 0, "what was counted is called an overrun");
  take_some(arena, 5);
  checks.that(overruns == 1 && taken_there > count && counted_there == count,
              "%zu overruns were noticed, %zu of %zu", overruns, taken_there, counted_there);
  scratch_overrun = before;
}

// Memory of exactly `count` doubles and a margin that nobody may touch; also after a cache line, as callers'
// memory is.
class Guarded {
 public:
  explicit Guarded(std::size_t count) : count_(count), memory_(count + MARGIN + 8, UNTOUCHED) {}
  double* begin() {
    const auto address = reinterpret_cast<std::uintptr_t>(memory_.data());
    return memory_.data() + (64 - address % 64) % 64 / sizeof(double);
  }
  // How many doubles lie before the last one that was written.
  std::size_t used() {
    const double* all = begin();
    std::size_t end = count_ + MARGIN;
    while (end > 0 && all[end - 1] == UNTOUCHED) --end;
    return end;
  }

 private:
  static constexpr std::size_t MARGIN = 4096;
  static constexpr double UNTOUCHED = -1.2345678901234e-77;
  std::size_t count_;
  Numbers memory_;
};

void expect_enough(Checks& checks, Guarded& memory, std::size_t count, double least, const char* what) {
  const std::size_t used = memory.used();
  checks.that(used <= count, "%s: %zu doubles were written, %zu counted", what, used, count);
  checks.that(static_cast<double>(used) >= least * static_cast<double>(count),
              "%s: of %zu doubles that were counted only %zu were written", what, count, used);
}

void linear_algebra(Checks& checks, const Kernels& k) {
  Random random(checks.seed());
  for (const std::size_t n : {1u, 2u, 5u, 24u, 25u, 33u, 70u}) {
    const std::size_t count = 2 * k.lanes + 1, m = 3;
    Numbers matrices(count * n * n), right(count * n * m), values(count * n), vectors(count * n * n);
    for (double& v : right) v = random.uniform();
    for (std::size_t p = 0; p < count; ++p)
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j <= i; ++j) {
          const double v = random.uniform() + (i == j ? 2 * static_cast<double>(n) : 0);
          matrices[(p * n + i) * n + j] = matrices[(p * n + j) * n + i] = v;
        }
    Guarded batch(k.eigen_batch_work(n));
    k.eigen_batch(matrices.data(), n, count, values.data(), vectors.data(), batch.begin());
    expect_enough(checks, batch, k.eigen_batch_work(n), 0.5, "eigen_batch");

    Guarded solutions(k.cholesky_batch_work(n, m));
    k.cholesky_solve_batch(matrices.data(), right.data(), n, m, count, right.data(), solutions.begin());
    expect_enough(checks, solutions, k.cholesky_batch_work(n, m), 0.5, "cholesky_solve_batch");

    Guarded dense(k.eigen_work(n));
    k.eigen(matrices.data(), n, values.data(), dense.begin(), nullptr);
    expect_enough(checks, dense, k.eigen_work(n), n < 24 ? 0 : 0.1, "eigen");
  }
}

struct Form {
  const char* name;
  Objective objective;
};

// The objectives that lib/solve/objectives.ts knows, in their blocks and terms.
std::vector<Form> forms() {
  Objective difference{};
  difference.y = difference.e = stack({block({{OBSERVATION_NEXT, -1, 1}, {OBSERVATION, -1, -1}})});
  Objective representation = reconstruction();
  representation.y = representation.e = stack({block({{OBSERVATION_NEXT, -1, 1}}, true)});
  representation.f = stack({block({{OBSERVATION, -1, 1}}, true)});
  Objective cross{};
  cross.y = stack({block({{PAIR_OBSERVATION_NEXT, -1, 1}})});
  cross.f = stack({block({{PAIR_OBSERVATION, -1, 1}})});
  cross.e = stack({NOW, NEXT});
  return {{"reconstruction", reconstruction()},
          {"difference", difference},
          {"representation", representation},
          {"supervised", supervised()},
          {"cross", cross},
          {"robust", robust()},
          {"augmented", composed()}};
}

// Every objective, in worlds that are well conditioned and in worlds in which nothing is: actions without
// noise, copies of the exogenous state, so that every careful path is taken.
void population(Checks& checks, const Kernels& k) {
  const Numbers projection(2 * Worlds::q, 0.25);
  for (const Form& form : forms())
    for (const bool noise : {false, true})
      for (const bool singular : {false, true}) {
        Random random(checks.seed());
        Worlds worlds(k.lanes, form.objective, {1, 4, 9}, noise, random);
        worlds.batch.sensor_noise = worlds.batch.process_noise = noise;
        worlds.batch.projected = 2;
        worlds.batch.projection = projection.data();
        if (singular)
          for (std::size_t i = 0; i < k.lanes; i += 2) {
            worlds.parameters[POLICY_NOISE * k.lanes + i] = 0;
            worlds.parameters[EXOGENOUS_SCALE * k.lanes + i] = 0;
          }
        const std::size_t count = k.population_scratch(worlds.batch);
        Guarded memory(count);
        k.population(worlds.batch, 0, k.lanes, memory.begin());
        expect_enough(checks, memory, count, 0.5, form.name);
      }
}

}  // namespace

int main(int argc, char** argv) {
  Checks checks(argc, argv);
  checks.run("scratch overrun", [&] { overrun(checks); });
  for (const Kernels* k : exo::test::tables()) {
    const std::string isa = std::string(" ") + k->name;
    checks.run("scratch of linear algebra" + isa, [&] { linear_algebra(checks, *k); });
    checks.run("scratch of the population path" + isa, [&] { population(checks, *k); });
  }
  return checks.finish();
}

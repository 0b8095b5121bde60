// The population path, one world per lane: parameters in, loss, spectrum, metrics and encoders out
// (docs/theory.md).
#pragma once
#include "kernels/population/answer-inl.h"

// Between stages, of a problem of any size.
inline bool stopped(const Arena& arena) { return !arena.counts() && lanes_stopped(LONG_STEP); }

static void population_in(const PopulationBatch& batch, std::size_t first, std::size_t count, Arena arena) {
  const Group group{batch, first, count};
  const World world = build_world(group, world_shape(batch), arena);
  if (stopped(arena)) return;
  Problem problem;
  pose_problem(problem, world, group, arena);
  if (stopped(arena)) return;
  const Spectrum spectrum = solve_problem(world, group, problem, arena);
  if (stopped(arena)) return;
  const Encoder encoder = encoder_of(world, group, problem, spectrum, arena);
  const MetricSums sums = metric_sums(world, group, problem, encoder, spectrum, arena);
  if (arena.counts() || stopped(arena)) return;
  const Solved solved{group, world, problem, spectrum, encoder, sums};
  for (std::size_t l = 0; l < count; ++l) write_answer(solved, l);
}

static std::size_t population_scratch(const PopulationBatch& batch) {
  return scratch_of([&](const Arena& arena) { population_in(batch, 0, 1, arena); });
}

static void population(const PopulationBatch& batch, std::size_t first, std::size_t count, double* scratch) {
  lanes_flag = batch.stop;
  population_in(batch, first, count, arena_over(scratch, [&] { return population_scratch(batch); }));
  lanes_flag = nullptr;
}

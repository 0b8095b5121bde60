// The population path, one world per lane: parameters in, loss, spectrum, metrics and encoders out
// (docs/theory.md).
#pragma once
#include "kernels/population/answer-inl.h"

static void population(const PopulationBatch& batch, std::size_t first, std::size_t count, double* scratch) {
  Arena arena{scratch};
  const Group group{batch, first, count};
  const World world = build_world(group, world_shape(batch), arena);
  Problem problem;
  pose_problem(problem, world, group, arena);
  const Spectrum spectrum = solve_problem(world, group, problem, arena);
  const Encoder encoder = encoder_of(world, group, problem, spectrum, arena);
  const Moments moments = moments_of(world, group, problem, spectrum, encoder, arena);
  const Explained explained = explain(world, group, spectrum, moments, arena);
  const double* moved = moved_by_exogenous(world, group, encoder, arena);
  const Solved solved{group, world, problem, spectrum, encoder, moments, explained, moved};
  for (std::size_t l = 0; l < count; ++l) write_lane(solved, l);
}

static std::size_t population_scratch(const PopulationBatch& batch) {
  const WorldShape s = world_shape(batch);
  const std::size_t rows[] = {s.qe + 1,
                              s.ds + s.dx,
                              s.projected,
                              stack_rows(s, batch.objective.y),
                              stack_rows(s, batch.objective.f),
                              stack_rows(s, batch.objective.e),
                              batch.latent_count};
  std::size_t widest = s.pd;
  for (const std::size_t r : rows) widest = r > widest ? r : widest;
  const std::size_t matrices =
      140;  // more than population() takes from its arena, at the widest of all shapes
  return matrices * widest * widest * LANES + 4 * (eigen_lanes_work(widest) + LANES);
}

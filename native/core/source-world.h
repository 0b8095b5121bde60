// The variables of one world as loadings on its sources (docs/theory.md), and stacks of them.
#pragma once
#include <vector>

#include "core/loadings.h"
#include "core/population.h"

namespace exo {

// First source of an augmentation noise of one width.
struct NoiseSource {
  std::int32_t variable;
  std::size_t width, begin;
};

// What an objective refers to: the reduced basis, or one coordinate that stands for the complement.
struct Variables {
  std::size_t observation, action, projected, sources;
  Rows loadings[VARIABLE_COUNT];
  Rows projection;
  std::vector<NoiseSource> noise;

  std::size_t width(const Block& block) const;
  Rows compose(const Stack& stack, const double* coefficients) const;
  // Weights (rows, width of the stack) as maps of o and o': added, times sign, to c and d. Noise and views
  // that no encoder sees are left out.
  void add_maps(const Stack& stack, const Rows& weights, double sign, const double* coefficients, Rows& c,
                Rows& d) const;
};

struct SourceWorld {
  const double* parameter;  // (PARAMETER_COUNT)
  Variables variables;
  Rows exogenous_next, exogenous_mixing;
  std::size_t exogenous;  // first source of x
};

inline bool is_action(const Block& block) { return block.terms[0].variable == ACTION; }
inline bool is_noise(std::int32_t variable) { return variable >= ENCODER_NOISE; }

SourceWorld source_world(const PopulationBatch& batch, std::size_t problem, const double* parameter);
// Sensor and augmentation noise alone, under an objective of what reaches outside the basis.
Variables complement_variables(const Objective& objective, double sensor_noise);
Objective complement_objective(const Objective& objective);

}  // namespace exo

// Judging latents that any encoder made: lib/backend/judging-requests.ts in C++.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/job.h"
#include "kernels/kernels.h"

namespace exo {

struct FeatureMap {
  std::size_t begin, size, count;
  const double *frequencies, *phases;  // (count, size), (count)
};

struct FeatureMomentsBatch {
  std::size_t rows, inputs, units;
  const double* data;        // (rows, inputs)
  const std::int32_t* unit;  // (rows)
  std::vector<FeatureMap> maps;
  double* moments;  // (units, width, width)
  std::size_t width() const {
    std::size_t sum = 1 + inputs;
    for (const FeatureMap& map : maps) sum += map.count;
    return sum;
  }
};

void feature_moments(const Kernels& kernels, const FeatureMomentsBatch& batch, Job& job);

struct NestedQuestion {
  std::vector<std::size_t> given, added;
  std::size_t free = 0;
  struct Target {
    std::size_t begin, size;
  };
  std::vector<Target> targets;
};

struct NestedBatch {
  std::size_t units, width, folds, groups;
  const double* moments;             // (units, width, width)
  const std::int32_t *fold, *group;  // (units)
  std::vector<NestedQuestion> questions;
  const double* grid;  // (grid_size), ascending
  std::size_t grid_size;
  double* held;        // (T, 2, units)
  double* training;    // (T, 2)
  double* replicates;  // (T, 2, groups)
  double* ridges;      // (T, 2, folds)
  std::size_t targets() const {
    std::size_t sum = 0;
    for (const NestedQuestion& q : questions) sum += q.targets.size();
    return sum;
  }
};

void nested_errors(const Kernels& kernels, const NestedBatch& batch, Job& job);

}  // namespace exo

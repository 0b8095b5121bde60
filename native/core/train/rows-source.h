// Rows of a data set, in their order or shuffled anew for every pass.
#pragma once
#include <memory>

#include "core/train/source.h"

namespace exo {

// Fields of RowsSource (lib/backend/batch-sources.ts); null where empty. The arrays outlive the source.
struct RowsSpec {
  std::size_t rows, observation_dim, action_dim, exogenous_dim;
  const float* frames;
  const std::int32_t *current, *next, *pair, *pair_next, *later, *pair_later;
  const float *action, *exogenous, *exogenous_next;
  const std::uint8_t* labelled;
  bool shuffled;
};

std::shared_ptr<const BatchSource> make_rows_source(const RowsSpec& spec);

// Place n of an endless shuffled reading: see lib/backend/reference/train/sources.ts.
std::size_t shuffled_row(std::size_t rows, std::uint64_t seed, std::uint64_t n);

}  // namespace exo

// Where the rows of a training batch come from: lib/backend/batch-sources.ts in C++.
//
// A further kind of source is a class below (its own .h and .cc here), a reader of its request in
// native/addon/train-sources.cc, and its plain counterpart in lib/backend/reference/train/sources.ts. Row n
// of a source is a function of (source, seed, n) alone, whatever else is drawn with it and on which thread: a
// batch is rows step * batch_size ... of it, and training must be resumable to the bit.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/kernels.h"

namespace exo {

// Streams of a source are numbered from here (TRAIN_STREAM.source in lib/backend/train-requests.ts).
constexpr std::uint64_t SOURCE_STREAMS = 0x74720010;

// What is wanted beside o, o' and the action.
struct RowNeeds {
  bool pair;          // the paired view
  std::size_t later;  // observations after o', of each view
  bool states;        // s, s', x, x', where the source knows them
};

// Where rows go: each array begins at the first row that is asked for and holds `count` rows of its width,
// one after another. Null where it is not needed, or the source does not know it.
struct Rows {
  std::size_t count;
  float *observation, *observation_next;            // (count, d)
  float *pair_observation, *pair_observation_next;  // (count, d)
  float *later, *pair_later;                        // (count, later * d)
  float* action;                                    // (count, da)
  std::uint8_t* labelled;                           // (count)
  float *endogenous, *endogenous_next;              // (count, ds)
  float *exogenous, *exogenous_next;                // (count, dx)
};

class BatchSource {
 public:
  virtual ~BatchSource() = default;
  BatchSource() = default;
  BatchSource(const BatchSource&) = delete;
  BatchSource& operator=(const BatchSource&) = delete;

  // Rows first .. first + rows.count. Called by several threads at once, each with a scratch vector of its
  // own, which fill() makes as long as it needs and whose content means nothing between calls.
  virtual void fill(const Kernels& kernels, std::uint64_t seed, std::uint64_t first, const RowNeeds& needs,
                    const Rows& rows, std::vector<float>& scratch) const = 0;

  // Whether fill() writes `labelled`; otherwise a share of the rows is labelled (TrainObjective).
  virtual bool knows_labels() const { return false; }
};

}  // namespace exo

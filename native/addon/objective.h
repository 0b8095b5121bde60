// An objective from its wire form (lib/backend/native.ts: encodeObjective), every count and number checked.
#pragma once
#include <napi.h>

#include "addon/arrays.h"
#include "core/objective.h"

namespace exo {

class ObjectiveReader {
 public:
  ObjectiveReader(Request& request, std::size_t coefficient_columns)
      : env_(request.env()), columns_(static_cast<std::int32_t>(coefficient_columns)) {
    const auto wire = request.array<std::int32_t>("objective");
    next_ = wire.first;
    end_ = wire.first + wire.second;
  }

  Objective read() {
    Objective o{};
    o.innovation = take(0, 1) == 1;
    o.y = stack(1);
    o.f = stack(0);
    o.e = stack(1);
    o.penalty_count = take(0, MAX_PENALTIES);
    for (std::int32_t p = 0; p < o.penalty_count; ++p) {
      o.penalties[p].of = stack(1);
      o.penalties[p].given = stack(0);
      o.penalties[p].weight = take(-1, columns_ - 1);
    }
    return o;
  }

 private:
  std::int32_t take(std::int32_t least, std::int32_t most) {
    if (next_ == end_ || *next_ < least || *next_ > most)
      throw Napi::RangeError::New(env_, "objective: malformed");
    return *next_++;
  }
  Stack stack(std::int32_t least) {
    Stack s{};
    s.count = take(least, MAX_BLOCKS);
    for (std::int32_t b = 0; b < s.count; ++b) s.blocks[b] = block();
    return s;
  }
  Block block() {
    Block b{};
    b.projected = take(0, 1) == 1;
    b.count = take(1, MAX_TERMS);
    for (std::int32_t t = 0; t < b.count; ++t) {
      b.terms[t].variable = take(0, VARIABLE_COUNT - 1);
      b.terms[t].coefficient = take(-1, columns_ - 1);
      b.terms[t].sign = take(0, 1) == 1 ? -1.0 : 1.0;
      const bool mixes = (b.terms[t].variable == ACTION) != (b.terms[0].variable == ACTION);
      if (mixes || (b.projected && b.terms[t].variable == ACTION))
        throw Napi::RangeError::New(env_, "objective: a block adds observations or actions, not both");
    }
    return b;
  }

  Napi::Env env_;
  std::int32_t columns_;
  const std::int32_t *next_, *end_;
};

}  // namespace exo

// An objective as data: blocks of terms over variables (lib/backend/requests.ts: ObjectiveRows). No stage
// switches on a kind. Plain arrays, because kernels read it: a std:: template in a kernel file is a weak
// symbol of one instruction set.
#pragma once
#include <cstddef>
#include <cstdint>

namespace exo {

// The numbering of VARIABLES in lib/backend/requests.ts.
enum Variable : std::int32_t {
  OBSERVATION,
  OBSERVATION_NEXT,
  PAIR_OBSERVATION,
  PAIR_OBSERVATION_NEXT,
  ACTION,
  ENCODER_NOISE,
  DECODER_NOISE,
  VARIABLE_COUNT
};

constexpr std::int32_t MAX_TERMS = 4, MAX_BLOCKS = 4, MAX_PENALTIES = 2;

struct Term {
  std::int32_t variable;
  std::int32_t coefficient;  // column of the coefficients, -1 for 1
  double sign;
};

struct Block {
  Term terms[MAX_TERMS];
  std::int32_t count;
  bool projected;  // observations are seen through P
};

struct Stack {
  Block blocks[MAX_BLOCKS];
  std::int32_t count;
};

struct Penalty {
  Stack of, given;      // `of` as wide as e
  std::int32_t weight;  // column of the coefficients
};

struct Objective {
  Stack y, f, e;
  Penalty penalties[MAX_PENALTIES];
  std::int32_t penalty_count;
  bool innovation;  // z = G (e - E[e | f]); otherwise z = G e
};

}  // namespace exo

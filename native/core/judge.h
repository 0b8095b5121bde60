// theory.md section 4 for one problem, and its extremes over a tie.
#pragma once
#include <vector>

#include "core/given.h"
#include "core/source-world.h"
#include "core/ties.h"

namespace exo {

// Latents z = C o + D o' on the reduced basis; z = c n + d n' on each coordinate of the complement.
struct EncoderRows {
  Rows c, d;
  double complement_c = 0, complement_d = 0;
};

// Latents given something, each orthonormal to those before it; one that holds nothing more is zero.
struct LatentRows {
  Rows basis;
  std::vector<bool> holds;
};

struct TargetRows {
  Rows loadings, basis;      // basis: of a target that is looked for in z
  std::vector<double> left;  // tr of what the first 0, 1, .. latents leave
  bool is_void;
};

class Judge {
 public:
  // `fixed`: the most latents of the encoder's that a choice holds for certain.
  Judge(const SourceWorld& world, const EncoderRows& encoder, std::size_t fixed, GivenMemory& memory,
        double tolerance);
  // (POPULATION_METRIC_COUNT): each metric's range.
  std::vector<Range> ranges(const Choice& choice) const;

 private:
  Range error(const TargetRows& t, const Rows& tied, const Choice& choice, double each = 0) const;
  Range information(const TargetRows& t, const Rows& tied, const Choice& choice) const;
  Range share(const Rows& basis, const Rows& tied, const Choice& choice) const;
  Range consistency(const Choice& choice) const;

  const SourceWorld& world_;
  double c_, d_;  // of the complement
  Rows whole_, moved_;
  LatentRows given_o_, given_both_, raw_;
  TargetRows action_, exogenous_, innovation_, raw_action_, raw_exogenous_, raw_observation_;
};

}  // namespace exo

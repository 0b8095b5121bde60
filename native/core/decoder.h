// The decoder that goes with a solved encoder (docs/linear-lam.md): y ~ A o + B z.
#pragma once
#include "core/innovation.h"
#include "core/objective.h"

namespace exo {

struct Decoder {
  Matrix a;             // (decoded, observation_dim); what is decoded is y without its actions
  Matrix b;             // (decoded, latents); zero where an eigenvalue is
  Matrix innovation_c;  // (latents, observation_dim): C of the innovation gauge
};

// An encoder as solved: z = weights e, of eigenvalues `lambda`, and the same as maps of o and o'.
struct Solved {
  const Matrix& weights;
  const double* lambda;
  const Matrix &c, &d;
};

Status decode(const Kernels& k, const StackMoments& stacks, const Objective& objective,
              const Innovation& given_f, const Solved& encoder, double ridge, double tolerance,
              const Job& job, Decoder& out);

}  // namespace exo

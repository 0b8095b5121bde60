// The encoder z = C o + D o' in the reduced basis.
#pragma once
#include "kernels/population/spectrum-inl.h"

struct Encoder {
  std::size_t rows;
  double *c, *d;                   // (rows, qe); rows that are no latents of the reduced basis are zero
  vec complement_c, complement_d;  // z = c n_o + d n_o' on a coordinate of the complement
};

// Adds sign times weights (rows, stack.rows) on the observations of one block.
static void add_block(Encoder& encoder, const World& w, const Group& group, const Rows& stack,
                      const Block& block, std::int32_t b, const double* weights, vec sign, Arena local) {
  const std::size_t rows = encoder.rows, qe = w.shape.qe;
  double* through = local.take(rows, qe);
  if (local.counts()) return;
  const double* part = weights + stack.begin[b] * LANES;
  std::size_t cols = stack.rows;
  if (stack.through[b]) {
    gemm_strided_lanes(through, part, cols, 1, w.projection, qe, 1, rows, qe, w.shape.projected, false);
    part = through;
    cols = qe;
  }
  for (std::int32_t t = 0; t < block.count; ++t) {
    const Term& term = block.terms[t];
    if (term.variable > OBSERVATION_NEXT) continue;
    double* target = term.variable == OBSERVATION ? encoder.c : encoder.d;
    const vec factor = sign * group.coefficient(term.coefficient) * splat(term.sign);
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < qe; ++j)
        put(target, i * qe + j, fma(factor, at(part, i * cols + j), at(target, i * qe + j)));
  }
}

// The complement's weights go apart, and rows that are no latents become zero.
static void part_complement(Encoder& encoder, const WorldShape& s, const Spectrum& spectrum) {
  double *c = encoder.c, *d = encoder.d;
  const std::size_t rows = encoder.rows, q = s.q, qe = s.qe;
  const double* latent = spectrum.kept;
  for (std::size_t i = 0; i < rows; ++i) {
    if (s.noise) {
      const mask complement = (mask)(at(spectrum.complement, i) > splat(0.5));
      encoder.complement_c = select(complement, at(c, i * qe + q), encoder.complement_c);
      encoder.complement_d = select(complement, at(d, i * qe + q), encoder.complement_d);
    }
    const mask in = (mask)(at(latent, i) > splat(0.5));
    for (std::size_t j = 0; j < qe; ++j) {
      const bool reduced = j < q;
      put(c, i * qe + j, reduced ? select(in, at(c, i * qe + j), splat(0)) : splat(0));
      put(d, i * qe + j, reduced ? select(in, at(d, i * qe + j), splat(0)) : splat(0));
    }
  }
}

static Encoder encoder_of(const World& w, const Group& group, const Problem& p, const Spectrum& spectrum,
                          Arena& arena) {
  const WorldShape& s = w.shape;
  const Objective& objective = group.batch.objective;
  const std::size_t rows = spectrum.rows;
  Encoder encoder{rows, arena.take(rows, s.qe), arena.take(rows, s.qe), splat(0), splat(0)};
  const bool works = !arena.counts();
  if (works) {
    clear_lanes(encoder.c, rows * s.qe);
    clear_lanes(encoder.d, rows * s.qe);
  }
  for (std::int32_t b = 0; b < p.e.blocks; ++b)
    add_block(encoder, w, group, p.e, objective.e.blocks[b], b, spectrum.g, splat(1), arena);
  if (objective.innovation && p.f.rows) {
    Arena local = arena;
    double* regression = local.take(rows, p.f.rows);
    if (works) gemm_nt_lanes(regression, spectrum.g, p.re.gamma, rows, p.f.rows, p.e.rows, false);
    for (std::int32_t b = 0; b < p.f.blocks; ++b)
      add_block(encoder, w, group, p.f, objective.f.blocks[b], b, regression, splat(-1), local);
  }
  if (works) part_complement(encoder, s, spectrum);
  return encoder;
}

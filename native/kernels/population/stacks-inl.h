// Stacks of variables as rows of loadings, and their covariances.
#pragma once
#include "kernels/population/world-inl.h"

// Composed rows: dense loadings and, block by block, the noise scalars.
struct Rows {
  const double* dense;           // (rows, cols)
  std::size_t rows, cols, from;  // nothing left of column `from`
  bool noisy;                    // some block has noise scalars
  std::int32_t blocks;
  std::size_t begin[MAX_BLOCKS], width[MAX_BLOCKS];
  bool through[MAX_BLOCKS], observed[MAX_BLOCKS];
  double* noise;  // (blocks, NOISE_GROUPS)
};

// The noise scalars of a stack's blocks, all zero.
static double* block_noise(Arena& arena) {
  const auto blocks = static_cast<std::size_t>(MAX_BLOCKS);
  double* noise = arena.take(blocks, NOISE_GROUPS);
  if (!arena.counts()) clear_lanes(noise, blocks * NOISE_GROUPS);
  return noise;
}

// The terms of one block, without the loadings where dense is null: its loadings, and in `noise`
// (NOISE_GROUPS) how it sees each noise.
static void compose_block(double* dense, double* noise, const World& w, const Block& block,
                          const Group& group, std::size_t width, std::size_t cols, Arena local) {
  const WorldShape& s = w.shape;
  const std::size_t inner = block.projected ? s.qe : width;  // before the projection
  double* sum = block.projected ? local.take(inner, cols) : dense;
  if (local.counts()) return;
  if (dense) clear_lanes(sum, inner * cols);
  for (std::int32_t t = 0; t < block.count; ++t) {
    const Term& term = block.terms[t];
    const vec c = group.coefficient(term.coefficient) * splat(term.sign);
    const std::int32_t v = term.variable;
    if (v != ACTION) {
      const std::size_t group_of = is_observation(v)
                                       ? static_cast<std::size_t>(v)
                                       : SENSOR_GROUPS + static_cast<std::size_t>(v - ENCODER_NOISE);
      put(noise, group_of, at(noise, group_of) + c * (is_observation(v) ? w.sensor : w.one));
    }
    const double* from = w.variable[v];
    for (std::size_t i = 0; i < inner && from && dense; ++i)
      for (std::size_t j = 0; j < w.cols[v]; ++j)
        put(sum, i * cols + j, fma(c, at(from, i * w.cols[v] + j), at(sum, i * cols + j)));
  }
  if (block.projected) gemm_nn_lanes(dense, w.projection, sum, width, cols, inner, false);
}

static Rows compose(const World& w, const Stack& stack, const Group& group, Arena& arena) {
  const WorldShape& s = w.shape;
  Rows r;
  r.rows = stack_rows(s, stack);
  r.blocks = stack.count;
  r.cols = 0;
  r.from = s.pd;
  r.noisy = false;
  for (std::int32_t b = 0; b < stack.count; ++b)
    for (std::int32_t t = 0; t < stack.blocks[b].count; ++t) {
      const std::int32_t v = stack.blocks[b].terms[t].variable;
      r.cols = w.cols[v] > r.cols ? w.cols[v] : r.cols;
      r.from = w.from[v] < r.from ? w.from[v] : r.from;
      r.noisy |= s.noise && v != ACTION;
    }
  // One variable as it is needs no copy.
  const Term& first = stack.blocks[0].terms[0];
  const bool alone = stack.count == 1 && stack.blocks[0].count == 1 && !stack.blocks[0].projected &&
                     first.coefficient < 0 && first.sign > 0 && w.variable[first.variable];
  double* dense = alone ? w.variable[first.variable] : arena.take(r.rows, r.cols);
  r.dense = dense;
  r.noise = block_noise(arena);
  std::size_t row = 0;
  for (std::int32_t b = 0; b < stack.count; ++b) {
    const Block& block = stack.blocks[b];
    r.begin[b] = row;
    r.width[b] = block_rows(s, block);
    r.through[b] = block.projected;
    r.observed[b] = block.terms[0].variable != ACTION;
    compose_block(alone ? nullptr : dense + row * r.cols * LANES,
                  r.noise + static_cast<std::size_t>(b) * NOISE_GROUPS * LANES, w, block, group, r.width[b],
                  r.cols, arena);
    row += r.width[b];
  }
  return r;
}

// out (a.rows, b.rows) += covariance of the noise of two stacks.
static void add_noise_covariance(const World& w, const Rows& a, const Rows& b, double* out) {
  if (!a.noisy || !b.noisy) return;
  for (std::int32_t i = 0; i < a.blocks; ++i)
    for (std::int32_t j = 0; j < b.blocks; ++j) {
      if (!a.observed[i] || !b.observed[j]) continue;
      vec sensor = splat(0), augmentation = splat(0);
      for (std::size_t g = 0; g < NOISE_GROUPS; ++g) {
        const vec product = at(a.noise, static_cast<std::size_t>(i) * NOISE_GROUPS + g) *
                            at(b.noise, static_cast<std::size_t>(j) * NOISE_GROUPS + g);
        if (g < SENSOR_GROUPS)
          sensor += product;
        else
          augmentation += product;
      }
      if (!any((mask)(sensor != splat(0)) | (mask)(augmentation != splat(0)))) continue;
      const auto add = [&](std::size_t r, std::size_t c, vec v) {
        const std::size_t cell = (a.begin[i] + r) * b.rows + b.begin[j] + c;
        put(out, cell, at(out, cell) + v);
      };
      if (!a.through[i] && !b.through[j]) {  // each coordinate has noise of its own
        for (std::size_t r = 0; r < a.width[i]; ++r) add(r, r, sensor + augmentation);
        continue;
      }
      for (std::size_t r = 0; r < a.width[i]; ++r)
        for (std::size_t c = 0; c < b.width[j]; ++c) {
          vec gram;  // of how each sees the sensor's noise
          if (a.through[i] && b.through[j])
            gram = at(w.projection_gram, r * w.shape.projected + c);
          else if (a.through[i])
            gram = at(w.projection, r * w.shape.qe + c);
          else
            gram = at(w.projection, c * w.shape.qe + r);
          vec sum = gram * sensor;
          if (r == c && a.through[i] == b.through[j]) sum += augmentation;
          add(r, c, sum);
        }
    }
}

// Whether some noise is seen by both, in any lane.
static bool share_noise(const Rows& a, const Rows& b) {
  for (std::int32_t i = 0; a.noisy && i < a.blocks; ++i)
    for (std::int32_t j = 0; b.noisy && j < b.blocks; ++j)
      for (std::size_t g = 0; g < NOISE_GROUPS; ++g)
        if (any((mask)(at(a.noise, static_cast<std::size_t>(i) * NOISE_GROUPS + g) *
                           at(b.noise, static_cast<std::size_t>(j) * NOISE_GROUPS + g) !=
                       splat(0))))
          return true;
  return false;
}

// Whether its coordinates have each noise of their own, so that the noise's covariance is a diagonal.
inline bool noise_is_diagonal(const Rows& r) { return r.blocks == 1 && !r.through[0]; }

// out (n,n) = a a^T for a (n,k) with rows `ld` apart: the lower triangle in tiles, then mirrored.
static void gram_lanes(double* out, const double* a, std::size_t ld, std::size_t n, std::size_t k) {
  std::size_t i = 0;
  for (; i + 4 <= n && !lanes_stopped(n * k); i += 4) {
    std::size_t j = 0;
    for (; j + LANE_TILE <= i + 4; j += LANE_TILE)
      gemm_tile_lanes<4, LANE_TILE>(out + (i * n + j) * LANES, n, a + i * ld * LANES, ld, 1,
                                    a + j * ld * LANES, 1, ld, k, false);
    for (; j < i + 4; ++j)
      gemm_tile_lanes<4, 1>(out + (i * n + j) * LANES, n, a + i * ld * LANES, ld, 1, a + j * ld * LANES, 1,
                            ld, k, false);
  }
  for (; i < n && !lanes_stopped(n * k); ++i)
    for (std::size_t j = 0; j <= i; ++j)
      gemm_tile_lanes<1, 1>(out + (i * n + j) * LANES, n, a + i * ld * LANES, ld, 1, a + j * ld * LANES, 1,
                            ld, k, false);
  for (i = 0; i < n; ++i)
    for (std::size_t j = i + 1; j < n; ++j) put(out, i * n + j, at(out, j * n + i));
}

// a b^T for loadings (m,a_cols) and (n,b_cols), either of which is zero left of `from`: what only one of them
// has columns for adds nothing.
static void loadings_product(double* out, const double* a, std::size_t a_cols, std::size_t m, const double* b,
                             std::size_t b_cols, std::size_t n, std::size_t from) {
  const std::size_t end = a_cols < b_cols ? a_cols : b_cols, k = end > from ? end - from : 0;
  const double *left = a + from * LANES, *right = b + from * LANES;
  if (a == b && m == n) return gram_lanes(out, left, a_cols, n, k);
  gemm_strided_lanes(out, left, a_cols, 1, right, 1, b_cols, m, n, k, false);
}

inline std::size_t later(std::size_t a, std::size_t b) { return a > b ? a : b; }

static double* covariance(const World& w, const Rows& a, const Rows& b, Arena& arena) {
  double* out = arena.take(a.rows, b.rows);
  if (arena.counts() || lanes_stopped(a.rows * b.rows)) return out;
  loadings_product(out, a.dense, a.cols, a.rows, b.dense, b.cols, b.rows, later(a.from, b.from));
  add_noise_covariance(w, a, b, out);
  return out;
}

inline vec squares_lanes(const double* a, std::size_t count) {
  vec sum = splat(0);
  for (std::size_t i = 0; i < count; ++i) sum = fma(at(a, i), at(a, i), sum);
  return sum;
}

// Total variance of a stack; the complement's coordinate of a block stands for `multiplicity` of them.
static vec variance_of(const World& w, const Rows& r, vec multiplicity, Arena local) {
  double* noise = local.take(r.rows, r.rows);
  vec sum = splat(0);
  if (local.counts()) return sum;
  sum = squares_lanes(r.dense, r.rows * r.cols);
  if (!r.noisy) return sum;
  clear_lanes(noise, r.rows * r.rows);
  add_noise_covariance(w, r, r, noise);
  for (std::int32_t b = 0; b < r.blocks; ++b)
    for (std::size_t i = 0; i < r.width[b]; ++i) {
      const std::size_t row = r.begin[b] + i;
      const bool complement = r.observed[b] && !r.through[b] && i + 1 == r.width[b];
      sum = fma(complement ? multiplicity : splat(1), at(noise, row * r.rows + row), sum);
    }
  return sum;
}

static Stack plain(std::int32_t variable) {
  Stack s{};
  s.blocks[0].terms[0] = {variable, -1, 1.0};
  s.blocks[0].count = 1;
  s.count = 1;
  return s;
}

static bool same_block(const Block& a, const Block& b) {
  if (a.count != b.count || a.projected != b.projected) return false;
  for (std::int32_t t = 0; t < a.count; ++t)
    if (a.terms[t].variable != b.terms[t].variable || a.terms[t].coefficient != b.terms[t].coefficient ||
        a.terms[t].sign != b.terms[t].sign)
      return false;
  return true;
}

static bool same_stack(const Stack& a, const Stack& b) {
  if (a.count != b.count) return false;
  for (std::int32_t i = 0; i < a.count; ++i)
    if (!same_block(a.blocks[i], b.blocks[i])) return false;
  return true;
}

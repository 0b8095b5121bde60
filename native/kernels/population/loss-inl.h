// The loss of every number of latents as what is left of the target, summed: a difference of traces would
// lose it where it is small.
#pragma once
#include "kernels/population/problem-inl.h"
#include "kernels/population/rows-inl.h"

// y given f as a sum of products, row i of `parts` times row i of `by`, over the latents, and a rest. By
// loadings, so only without noise, which bounds the loss.
struct Explained {
  std::size_t rows, first, wide;  // sources `first` on, and those that stand for penalties
  double *parts, *by;             // (rows, ny), (rows, wide)
  double* bottleneck;  // (ne, wide): what the latents are made of, as loadings; null where that is y
};

// The columns `first` on of a residual at the left of a (rows, cols) that is zero elsewhere.
static double* widened(const Residual& from, std::size_t first, std::size_t cols, Arena& arena) {
  const std::size_t n = from.v->rows, kept = from.cols - first;
  double* out = arena.take(n, cols);
  if (arena.counts()) return out;
  for (std::size_t i = 0; i < n; ++i) {
    double* row = out + i * cols * LANES;
    memcpy(row, from.dense + (i * from.cols + first) * LANES, kept * LANES * sizeof(double));
    if (cols > kept) clear_lanes(row + kept * LANES, cols - kept);
  }
  return out;
}

// Room for `rows`. With noise: no arrays.
static Explained explained_by(const World& w, const Group& group, const Problem& p, std::size_t rows,
                              Arena& arena) {
  const auto penalties = static_cast<std::size_t>(group.batch.objective.penalty_count);
  const std::size_t first = even_below(p.re.from < p.ry.from ? p.re.from : p.ry.from);
  const std::size_t wide = w.shape.pd * (1 + penalties) - first;
  if (w.shape.noise) return {rows, first, wide, nullptr, nullptr, nullptr};
  double* by = arena.take(rows, wide);
  if (p.reconstructs) return {rows, first, wide, nullptr, by, nullptr};
  return {rows, first, wide, arena.take(rows, p.y.rows), by, widened(p.re, first, wide, arena)};
}

// remaining[k] = |y given f - the first k products|^2 for every k of `latents`, ascending; kept[i] 0: row i
// is nothing.
static void remaining_loss(double* remaining, const Problem& p, const Explained& x, const double* kept,
                           const PopulationBatch& batch, Arena local) {
  const std::size_t ny = p.y.rows, cols = x.wide;
  double* y = widened(p.ry, x.first, cols, local);
  double* parts = local.take(ny, x.rows);
  if (local.counts()) return;
  std::size_t done = 0;
  for (std::size_t m = 0; m < batch.latent_count && !lanes_stopped(ny * cols); ++m) {
    const auto k = static_cast<std::size_t>(batch.latents[m]), end = k < x.rows ? k : x.rows;
    const std::size_t more = end - done;
    for (std::size_t i = 0; i < ny; ++i)
      for (std::size_t j = 0; j < more; ++j)
        put(parts, i * more + j, at(kept, done + j) * at(x.parts, (done + j) * ny + i));
    subtract_product(y, parts, x.by + done * cols * LANES, ny, cols, more);
    vec sum = splat(0);
    for (std::size_t i = 0; i < ny; ++i) sum += squares_lanes(y + i * cols * LANES, cols);
    put(remaining, end, sum);
    done = end;
  }
}

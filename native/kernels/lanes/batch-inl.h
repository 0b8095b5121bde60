// Problems of the *lanes* family one after another, as callers have them.
#pragma once
#include "kernels/lanes/cholesky-inl.h"
#include "kernels/lanes/eigen-inl.h"

// Where up to LANES problems begin, `size` numbers apart. Lanes beyond the last problem repeat it.
struct ProblemLanes {
  const double* at[LANES];
  ProblemLanes(const double* problems, std::size_t size, std::size_t present) {
    for (std::size_t l = 0; l < LANES; ++l) at[l] = problems + (l < present ? l : present - 1) * size;
  }
};

// Numbers [from, to) of every problem into lanes: vector i holds number i of each.
inline void interleave_lanes(const ProblemLanes& problems, std::size_t from, std::size_t to, double* out) {
  std::size_t i = from;
  for (; i + LANES <= to; i += LANES) {
    vec tile[LANES];
    for (std::size_t l = 0; l < LANES; ++l) tile[l] = load(problems.at[l] + i);
    transpose(tile);
    for (std::size_t l = 0; l < LANES; ++l) lane_store(out, i + l, tile[l]);
  }
  for (; i < to; ++i)
    for (std::size_t l = 0; l < LANES; ++l) out[i * LANES + l] = problems.at[l][i];
}

// The other way: `size` vectors to `present` problems.
inline void deinterleave_lanes(const double* from, std::size_t size, std::size_t present, double* problems) {
  std::size_t i = 0;
  for (; i + LANES <= size; i += LANES) {
    vec tile[LANES];
    for (std::size_t l = 0; l < LANES; ++l) tile[l] = lane_load(from, i + l);
    transpose(tile);
    for (std::size_t l = 0; l < present; ++l) store(problems + l * size + i, tile[l]);
  }
  for (; i < size; ++i)
    for (std::size_t l = 0; l < present; ++l) problems[l * size + i] = from[i * LANES + l];
}

// The lower triangles of problems (n,n); what is right of them is left as it was, or not.
inline void interleave_lower_lanes(const ProblemLanes& problems, std::size_t n, double* out) {
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t whole = (i + LANES) / LANES * LANES;
    interleave_lanes(problems, i * n, i * n + (whole < n ? whole : n), out);
  }
}

// Eigenvectors straight to where they belong in each problem.
inline void eigen_output_lanes(const EigenLanes& x, std::size_t n, std::size_t present, double* values,
                               double* vectors) {
  const std::size_t ld = eigen_stride_lanes(n);
  for (std::size_t i = 0; i < n; ++i) {
    const vec factor = inverse_length_lanes(x.z, ld, i);
    double* row[LANES];
    for (std::size_t l = 0; l < present; ++l) {
      const std::size_t rank = (std::size_t)x.p[i * LANES + l];
      values[l * n + rank] = x.d[i * LANES + l];
      row[l] = vectors + (l * n + rank) * n;
    }
    const double* z = x.z + i * ld * LANES;
    std::size_t j = 0;
    for (; j + LANES <= n; j += LANES) {
      vec tile[LANES];
      for (std::size_t l = 0; l < LANES; ++l) tile[l] = fma(lane_load(z, j + l), factor, x.poison);
      transpose(tile);
      for (std::size_t l = 0; l < present; ++l) store(row[l] + j, tile[l]);
    }
    for (; j < n; ++j) {
      const vec y = fma(lane_load(z, j), factor, x.poison);
      for (std::size_t l = 0; l < present; ++l) row[l][j] = y[l];
    }
  }
}

template <int GROUPS>
inline void eigen_groups_lanes(const double* matrices, std::size_t n, std::size_t count, double* values,
                               double* vectors, Arena arena) {
  EigenLanes x[GROUPS];
  const std::size_t nn = n * n;
  for (int g = 0; g < GROUPS; ++g) {
    double* a = arena.take(n, n);
    x[g] = eigen_arrays_lanes(a, n, arena);
  }
  if (arena.counts()) return;
  for (int g = 0; g < GROUPS; ++g) {
    const std::size_t first = g * LANES, present = count - first < LANES ? count - first : LANES;
    interleave_lower_lanes(ProblemLanes(matrices + first * nn, nn, present), n, x[g].a);
    eigen_reduce_lanes(x[g], n);
  }
  implicit_ql_lanes<GROUPS>(x, eigen_stride_lanes(n), n);
  for (int g = 0; g < GROUPS; ++g) {
    const std::size_t first = g * LANES, present = count - first < LANES ? count - first : LANES;
    eigen_rank_lanes(x[g], n);
    eigen_output_lanes(x[g], n, present, values + first * n, vectors + first * nn);
  }
}

// See kernels.h. Two vectors of problems side by side while both fit into the nearest cache.
constexpr std::size_t EIGEN_PAIRED = 24;
inline std::size_t eigen_batch_work(std::size_t n) {
  return scratch_of([&](const Arena& arena) {
    if (n <= EIGEN_PAIRED)
      eigen_groups_lanes<2>(nullptr, n, 0, nullptr, nullptr, arena);
    else
      eigen_groups_lanes<1>(nullptr, n, 0, nullptr, nullptr, arena);
  });
}
inline void eigen_batch(const double* matrices, std::size_t n, std::size_t count, double* values,
                        double* vectors, double* work) {
  const Arena arena = arena_over(work, [&] { return eigen_batch_work(n); });
  while (count > 0) {
    const std::size_t most = n <= EIGEN_PAIRED ? 2 * LANES : LANES, present = count < most ? count : most;
    if (present > LANES)
      eigen_groups_lanes<2>(matrices, n, present, values, vectors, arena);
    else
      eigen_groups_lanes<1>(matrices, n, present, values, vectors, arena);
    matrices += present * n * n;
    values += present * n;
    vectors += present * n * n;
    count -= present;
  }
}

struct CholeskyArrays {
  double *a, *x, *pivot;
};
inline CholeskyArrays cholesky_arrays(std::size_t n, std::size_t m, Arena& arena) {
  return {arena.take(n, n), arena.take(n, m), arena.take(1, 1)};
}
inline std::size_t cholesky_batch_work(std::size_t n, std::size_t m) {
  return scratch_of([&](Arena arena) { cholesky_arrays(n, m, arena); });
}

// See kernels.h.
inline void cholesky_solve_batch(const double* matrices, const double* right_sides, std::size_t n,
                                 std::size_t m, std::size_t count, double* solutions, double* work) {
  Arena arena = arena_over(work, [&] { return cholesky_batch_work(n, m); });
  const auto [a, x, pivot] = cholesky_arrays(n, m, arena);
  for (std::size_t first = 0; first < count; first += LANES) {
    const std::size_t present = count - first < LANES ? count - first : LANES;
    interleave_lower_lanes(ProblemLanes(matrices + first * n * n, n * n, present), n, a);
    interleave_lanes(ProblemLanes(right_sides + first * n * m, n * m, present), 0, n * m, x);
    cholesky_lanes(a, n, pivot);
    cholesky_solve_lanes(a, x, n, m);
    const vec failed = select((mask)(load(pivot) > vec{}), vec{}, splat(__builtin_nan("")));
    if (any((mask)(failed != failed)))
      for (std::size_t i = 0; i < n * m; ++i) lane_store(x, i, lane_load(x, i) + failed);
    deinterleave_lanes(x, n * m, present, solutions + first * n * m);
  }
}

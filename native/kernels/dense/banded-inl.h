// Forms in the inverse of a banded matrix, of the *dense* family of kernels.h.
#pragma once
#include "kernels/arena-inl.h"
#include "kernels/dense/gemm-inl.h"

// B + lambda = L D L^T, a lambda in each lane. With X' = L^-1 X,
//     tr(X^T (B + lambda)^-1 Y) = sum X'_ij Y'_ij / d_i
//     tr((B + lambda)^-1 G (B + lambda)^-1 H) = sum G''_ij H''_ij / (d_i d_j),  G'' = L^-1 G L^-T.
// Columns are taken STRIP at a time from the first row to the last, which needs the BAND rows before; of G''
// also the BAND columns before the strip. Both are the same step: of GROUP rows (or columns) at a time, so
// that what is loaded serves several sums in registers.
constexpr std::size_t STRIP = 32, GROUP = 4;
constexpr std::size_t ABREAST = LANES == 8 ? 4 : 2;  // sums of a row that are in registers
// Of a group's part of L: (BAND, GROUP) on the rows before it, and what it has below its own diagonal.
constexpr std::size_t INSIDE = GROUP * (GROUP - 1) / 2, OF_GROUP = BAND * GROUP + INSIDE;

struct BandedWork {
  std::size_t groups;
  double *l, *d;      // (n, BAND) of L(i, i - 1 - p), (n)
  double* grouped;    // (groups, OF_GROUP) of L
  double* over;       // (groups GROUP): 1 / d, 0 beyond n
  double* above[3];   // (BAND, STRIP): the latest rows of a strip, row i at i % BAND
  double* before[3];  // (groups, BAND, GROUP): the columns before a strip, in their order
};
inline BandedWork banded_layout(Arena& arena, std::size_t n) {
  BandedWork o{};
  o.groups = (n + GROUP - 1) / GROUP;
  o.d = arena.take(n, 1);
  o.grouped = arena.take(o.groups, OF_GROUP);
  o.over = arena.take(o.groups, GROUP);
  for (std::size_t m = 0; m < 3; ++m) {
    o.above[m] = arena.take(BAND, STRIP);
    o.before[m] = arena.take(o.groups, BAND * GROUP);
  }
  o.l = o.before[0];  // which nothing needs before L is in groups
  return o;
}
inline std::size_t banded_work(std::size_t n) {
  return scratch_of([&](Arena arena) { banded_layout(arena, n); }) + 8;
}

// False where B + lambda is not positive definite in some lane.
inline bool banded_factor(const BandedWork& o, std::size_t n, const double* band, vec lambda) {
  for (std::size_t i = 0; i < n; ++i) {
    double* li = o.l + i * BAND * LANES;
    vec scaled[BAND];  // L(i, i - 1 - p) d
    vec pivot = splat(band[i * (BAND + 1)]) + lambda;
    for (std::size_t p = BAND; p-- > 0;) {
      scaled[p] = vec{};
      store(li + p * LANES, vec{});
      if (p >= i) continue;
      const std::size_t j = i - 1 - p;
      vec sum = splat(band[i * (BAND + 1) + p + 1]);
      for (std::size_t q = p + 1; q < BAND && q < i; ++q)
        sum = fnma(scaled[q], load(o.l + (j * BAND + q - p - 1) * LANES), sum);
      scaled[p] = sum;
      const vec own = sum / load(o.d + j * LANES);
      store(li + p * LANES, own);
      pivot = fnma(sum, own, pivot);
    }
    for (std::size_t l = 0; l < LANES; ++l)
      if (!(pivot[l] > 0)) return false;
    store(o.d + i * LANES, pivot);
  }
  return true;
}

// The factor as steps take it.
inline void group_factor(const BandedWork& o, std::size_t n) {
  for (std::size_t g = 0; g < o.groups; ++g) {
    double* to = o.grouped + g * OF_GROUP * LANES;
    for (std::size_t r = 0, inside = 0; r < GROUP; ++r) {
      const std::size_t i = g * GROUP + r;
      const auto l = [&](std::size_t p) {
        return p < BAND && i < n ? load(o.l + (i * BAND + p) * LANES) : vec{};
      };
      // The k-th of the BAND rows before the group is row i - 1 - p.
      for (std::size_t k = 0; k < BAND; ++k) store(to + (k * GROUP + r) * LANES, l(BAND - 1 - k + r));
      for (std::size_t q = 0; q < r; ++q) store(to + (BAND * GROUP + inside++) * LANES, l(r - 1 - q));
      store(o.over + i * LANES, i < n ? splat(1) / load(o.d + i * LANES) : vec{});
    }
  }
}

// x (GROUP rows) less L's part of the group times the rows before it, row k (of BAND) at before(k), and then
// times its own.
template <class Before>
inline void banded_step(const double* l, const Before& before, vec (&x)[GROUP][ABREAST]) {
  for (std::size_t k = 0; k < BAND; ++k, l += GROUP * LANES) {
    const double* row = before(k);
    vec other[ABREAST];
    for (std::size_t j = 0; j < ABREAST; ++j) other[j] = load(row + j * LANES);
    for (std::size_t r = 0; r < GROUP; ++r) {
      const vec c = load(l + r * LANES);
      for (std::size_t j = 0; j < ABREAST; ++j) x[r][j] = fnma(c, other[j], x[r][j]);
    }
  }
  for (std::size_t r = 1; r < GROUP; ++r)
    for (std::size_t q = 0; q < r; ++q, l += LANES)
      for (std::size_t j = 0; j < ABREAST; ++j) x[r][j] = fnma(load(l), x[q][j], x[r][j]);
}

// A matrix X: element (i, j) at at[i * row + j * col]; zeros beyond (n, count).
struct BandedInput {
  const double* at;
  std::size_t row, col, n, count;
};

// The rows of a group of L^-1 X in the strip that begins at column `first`: where they are then.
inline const double* forward_group(const BandedWork& o, std::size_t g, const BandedInput& from,
                                   std::size_t first, double* above) {
  const double* l = o.grouped + g * OF_GROUP * LANES;
  double* own = above + g * GROUP % BAND * STRIP * LANES;
  const bool whole = g * GROUP + GROUP <= from.n && first + STRIP <= from.count;
  for (std::size_t q = 0; q < STRIP; q += ABREAST) {
    vec x[GROUP][ABREAST];
    const double* at = from.at + g * GROUP * from.row + (first + q) * from.col;
    for (std::size_t r = 0; r < GROUP; ++r)
      for (std::size_t j = 0; j < ABREAST; ++j)
        x[r][j] = whole || (g * GROUP + r < from.n && first + q + j < from.count)
                      ? splat(at[r * from.row + j * from.col])
                      : vec{};
    banded_step(l, [&](std::size_t k) { return above + ((g * GROUP + k) % BAND * STRIP + q) * LANES; }, x);
    for (std::size_t r = 0; r < GROUP; ++r)
      for (std::size_t j = 0; j < ABREAST; ++j) store(own + (r * STRIP + q + j) * LANES, x[r][j]);
  }
  return own;
}

// The same rows of L^-1 X L^-T, (BAND + STRIP, GROUP) with what stands in the columns before the strip: that
// comes from `before`, and what will then stand there goes there.
inline void across_group(const BandedWork& o, std::size_t first, const double* rows, double* before,
                         double* all) {
  constexpr std::size_t SIZE = GROUP * LANES;
  for (std::size_t k = 0; k < BAND * GROUP; ++k) store(all + k * LANES, load(before + k * LANES));
  for (std::size_t c = 0; c < STRIP && first / GROUP + c / GROUP < o.groups; c += GROUP)
    for (std::size_t q = 0; q < GROUP; q += ABREAST) {
      vec x[GROUP][ABREAST];
      for (std::size_t r = 0; r < GROUP; ++r)
        for (std::size_t j = 0; j < ABREAST; ++j) x[r][j] = load(rows + ((q + j) * STRIP + c + r) * LANES);
      banded_step(
          o.grouped + (first + c) / GROUP * OF_GROUP * LANES,
          [&](std::size_t k) { return all + (c + k) * SIZE + q * LANES; }, x);
      for (std::size_t r = 0; r < GROUP; ++r)
        for (std::size_t j = 0; j < ABREAST; ++j)
          store(all + (BAND + c + r) * SIZE + (q + j) * LANES, x[r][j]);
    }
  for (std::size_t k = 0; k < BAND * GROUP; ++k)
    store(before + k * LANES, load(all + STRIP * SIZE + k * LANES));
}

// See kernels.h: the linear forms. X of both sides is one where it is the same memory.
inline void banded_linear(const BandedForms& f, const BandedWork& o, const std::int32_t* stop) {
  const bool shared = f.sides[0].x == f.sides[1].x;
  vec linear[2] = {};
  std::size_t most = 0;
  for (const auto& side : f.sides) most = side.count > most ? side.count : most;
  for (std::size_t first = 0; first < most && !told_to(stop); first += STRIP)
    for (std::size_t s = 0; s < 2; ++s) {
      const BandedForms::Side& side = f.sides[s];
      // Where both have one X, the second side's strip comes with the first's.
      const std::size_t with = shared ? 2 : s + 1;
      if (first >= side.count || (shared && s == 1)) continue;
      for (std::size_t m = 0; m < 3; ++m)
        for (std::size_t i = 0; i < BAND * STRIP; ++i) store(o.above[m] + i * LANES, vec{});
      for (std::size_t g = 0; g < o.groups; ++g) {
        const double* x =
            forward_group(o, g, {side.x, side.row, side.col, f.n, side.count}, first, o.above[0]);
        for (std::size_t t = s; t < with; ++t) {
          const BandedForms::Side& of = f.sides[t];
          if (!of.y) continue;
          const double* y =
              forward_group(o, g, {of.y, of.row, of.col, f.n, of.count}, first, o.above[1 + t - s]);
          for (std::size_t r = 0; r < GROUP; ++r) {
            vec sum{};
            for (std::size_t j = 0; j < STRIP; ++j)
              sum = fma(load(x + (r * STRIP + j) * LANES), load(y + (r * STRIP + j) * LANES), sum);
            linear[t] = fma(sum, load(o.over + (g * GROUP + r) * LANES), linear[t]);
          }
        }
      }
    }
  for (std::size_t s = 0; s < 2; ++s)
    if (f.sides[s].count) store(f.sides[s].linear, linear[s]);
}

// The quadratic forms.
inline void banded_quadratic(const BandedForms& f, const BandedWork& o, const std::int32_t* stop) {
  constexpr std::size_t SIZE = GROUP * LANES;
  const std::size_t n = f.n;
  const double* at[3] = {f.gram, f.sides[0].square, f.sides[1].square};
  alignas(64) double all[3][(BAND + STRIP) * SIZE] = {};
  for (std::size_t m = 0; m < 3; ++m)
    for (std::size_t i = 0; i < o.groups * BAND * GROUP; ++i) store(o.before[m] + i * LANES, vec{});
  vec quadratic[2] = {};
  for (std::size_t first = 0; first < n && !told_to(stop); first += STRIP) {
    for (std::size_t m = 0; m < 3; ++m)
      for (std::size_t i = 0; i < BAND * STRIP; ++i) store(o.above[m] + i * LANES, vec{});
    for (std::size_t g = 0; g < o.groups; ++g) {
      const bool wanted = g * GROUP + GROUP > first;
      for (std::size_t m = 0; m < 3; ++m) {
        if (!at[m]) continue;
        const double* rows = forward_group(o, g, {at[m], n, 1, n, n}, first, o.above[m]);
        if (wanted) across_group(o, first, rows, o.before[m] + g * BAND * SIZE, all[m]);
      }
      if (!wanted) continue;
      vec sums[2][GROUP] = {};
      for (std::size_t j = 0; j < STRIP && first + j < n; ++j) {
        const vec over = load(o.over + (first + j) * LANES);
        for (std::size_t r = 0; r < GROUP; ++r) {
          // Below the diagonal, which counts twice, and on it.
          const std::size_t i = g * GROUP + r;
          if (i < first + j) continue;
          const std::size_t place = (BAND + j) * SIZE + r * LANES;
          const vec own = load(all[0] + place) * (i == first + j ? over : over + over);
          for (std::size_t s = 0; s < 2; ++s)
            if (at[s + 1]) sums[s][r] = fma(own, load(all[s + 1] + place), sums[s][r]);
        }
      }
      for (std::size_t s = 0; s < 2; ++s)
        for (std::size_t r = 0; r < GROUP; ++r)
          quadratic[s] = fma(sums[s][r], load(o.over + (g * GROUP + r) * LANES), quadratic[s]);
    }
  }
  for (std::size_t s = 0; s < 2; ++s)
    if (at[s + 1]) store(f.sides[s].quadratic, quadratic[s]);
}

// See kernels.h.
inline bool banded_forms(const BandedForms& f, double* memory, const std::int32_t* stop) {
  const std::size_t past = reinterpret_cast<std::uintptr_t>(memory) % 64 / sizeof(double);
  Arena arena = arena_over(memory + (8 - past) % 8, [&] { return banded_work(f.n) - 8; });
  const BandedWork o = banded_layout(arena, f.n);
  if (!banded_factor(o, f.n, f.band, load(f.ridges))) return false;
  group_factor(o, f.n);
  if (f.gram) banded_quadratic(f, o, stop);
  if (f.sides[0].count || f.sides[1].count) banded_linear(f, o, stop);
  return true;
}

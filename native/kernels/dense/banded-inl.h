// Forms in the inverse of a banded matrix, of the *dense* family of kernels.h.
#pragma once
#include "kernels/arena-inl.h"
#include "kernels/dense/gemm-inl.h"

// B + lambda = L D L^T, a lambda in each lane. With X' = L^-1 X,
//     tr(X^T (B + lambda)^-1 Y) = sum X'_ij Y'_ij / d_i
//     tr((B + lambda)^-1 G (B + lambda)^-1 H) = sum G''_ij H''_ij / (d_i d_j),  G'' = L^-1 G L^-T.
// Columns are taken STRIP at a time from the first row to the last, which needs the BAND rows before; of G''
// also the BAND columns before the strip.
constexpr std::size_t STRIP = 16;

struct BandedWork {
  double *l, *d;      // (n, BAND) of L(i, i - 1 - p), (n)
  double* above[3];   // (BAND, STRIP): the latest rows of a strip, row i at i % BAND
  double* before[3];  // (n, BAND): the columns before a strip, in their order
};
inline BandedWork banded_layout(Arena& arena, std::size_t n) {
  BandedWork o{};
  o.l = arena.take(n, BAND);
  o.d = arena.take(n, 1);
  for (std::size_t m = 0; m < 3; ++m) {
    o.above[m] = arena.take(BAND, STRIP);
    o.before[m] = arena.take(n, BAND);
  }
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

// Row i of L^-1 X in a strip, of whose row i of X `width` numbers are at `row`.
inline void forward_row(const double* l, std::size_t i, const double* row, std::size_t width, double* above,
                        vec* out) {
  constexpr std::size_t HALF = STRIP / 2;
  for (std::size_t first = 0; first < STRIP; first += HALF) {
    vec x[HALF];
    for (std::size_t j = 0; j < HALF; ++j) x[j] = splat(first + j < width ? row[first + j] : 0);
    for (std::size_t p = 0; p < BAND; ++p) {
      const vec c = load(l + (i * BAND + p) * LANES);
      const double* other = above + ((i + BAND - 1 - p) % BAND * STRIP + first) * LANES;
      for (std::size_t j = 0; j < HALF; ++j) x[j] = fnma(c, load(other + j * LANES), x[j]);
    }
    double* own = above + (i % BAND * STRIP + first) * LANES;
    for (std::size_t j = 0; j < HALF; ++j) {
      store(own + j * LANES, x[j]);
      out[first + j] = x[j];
    }
  }
}

// The same row of L^-1 X L^-T: what stands in the columns before in, and what will then stand there out.
inline void across_row(const double* l, std::size_t column, std::size_t width, double* before, vec* x) {
  vec all[BAND + STRIP];
  for (std::size_t p = 0; p < BAND; ++p) all[p] = load(before + p * LANES);
  for (std::size_t j = 0; j < width; ++j) {
    vec sum = x[j];
    for (std::size_t p = BAND; p-- > 0;)
      sum = fnma(load(l + ((column + j) * BAND + p) * LANES), all[BAND + j - 1 - p], sum);
    x[j] = all[BAND + j] = sum;
  }
  if (width < STRIP) return;  // the last strip
  for (std::size_t p = 0; p < BAND; ++p) store(before + p * LANES, all[STRIP + p]);
}

// See kernels.h.
inline bool banded_forms(const BandedForms& f, double* memory, const std::int32_t* stop) {
  const std::size_t n = f.n;
  const std::size_t past = reinterpret_cast<std::uintptr_t>(memory) % 64 / sizeof(double);
  Arena arena = arena_over(memory + (8 - past) % 8, [&] { return banded_work(n) - 8; });
  const BandedWork o = banded_layout(arena, n);
  if (!banded_factor(o, n, f.band, load(f.ridges))) return false;
  const auto begin = [&](double* rows, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) store(rows + i * LANES, vec{});
  };
  for (std::size_t m = 0; m < 3; ++m) begin(o.before[m], n * BAND);
  vec linear[2] = {}, quadratic[2] = {};
  for (std::size_t s = 0; s < 2; ++s) {
    const BandedForms::Side& side = f.sides[s];
    for (std::size_t first = 0; first < side.count && !told_to(stop); first += STRIP) {
      const std::size_t width = smaller(STRIP, side.count - first);
      for (std::size_t m = 0; m < 2; ++m) begin(o.above[m], BAND * STRIP);
      for (std::size_t i = 0; i < n; ++i) {
        vec x[STRIP], y[STRIP], sum{};
        forward_row(o.l, i, side.x + i * side.count + first, width, o.above[0], x);
        forward_row(o.l, i, side.y + i * side.count + first, width, o.above[1], y);
        for (std::size_t j = 0; j < STRIP; ++j) sum = fma(x[j], y[j], sum);
        linear[s] = linear[s] + sum / load(o.d + i * LANES);
      }
    }
  }
  for (std::size_t first = 0; first < n && !told_to(stop); first += STRIP) {
    const std::size_t width = smaller(STRIP, n - first);
    const double* at[3] = {f.gram, f.sides[0].square, f.sides[1].square};
    for (std::size_t m = 0; m < 3; ++m) begin(o.above[m], BAND * STRIP);
    for (std::size_t i = 0; i < n; ++i) {
      vec x[3][STRIP];
      // Below the diagonal, which counts twice, and on it.
      const std::size_t wanted = i < first ? 0 : smaller(width, i - first + 1);
      for (std::size_t m = 0; m < 3; ++m) {
        if (!at[m]) continue;
        forward_row(o.l, i, at[m] + i * n + first, width, o.above[m], x[m]);
        if (wanted > 0) across_row(o.l, first, wanted, o.before[m] + i * BAND * LANES, x[m]);
      }
      for (std::size_t s = 0; s < 2 && wanted > 0; ++s) {
        if (!at[s + 1]) continue;
        vec sum{};
        for (std::size_t j = 0; j < wanted; ++j) {
          const vec share = x[0][j] * x[s + 1][j] / load(o.d + (first + j) * LANES);
          sum = sum + (first + j < i ? share + share : share);
        }
        quadratic[s] = quadratic[s] + sum / load(o.d + i * LANES);
      }
    }
  }
  for (std::size_t s = 0; s < 2; ++s) {
    store(f.sides[s].linear, linear[s]);
    store(f.sides[s].quadratic, quadratic[s]);
  }
  return true;
}

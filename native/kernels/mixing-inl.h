// Observations of a world: a few latent coordinates through a tall mixing matrix, for many rows.

// One latent coordinate: that of row r is at[r * step].
struct Coordinate {
  const double* at;
  std::size_t step;
};

constexpr std::size_t MIX_ROWS = LANES == 8 ? 8 : 4, MIX_VECS = LANES == 2 ? 2 : 3;

// ROWS rows from `row` on and VECS vectors of out, whole ones. Plain stores: non-temporal ones were slower.
template <std::size_t ROWS, std::size_t VECS, bool NOISE>
inline void mix_tile(std::size_t row, const Coordinate* state, std::size_t n, const double* packed,
                     double noise, double* out, std::size_t step) {
  vec sum[ROWS][VECS];
  for (std::size_t r = 0; r < ROWS; ++r)
    for (std::size_t v = 0; v < VECS; ++v) sum[r][v] = vec{};
  for (std::size_t p = 0; p < n; ++p) {
    const double* left = state[p].at + row * state[p].step;
    const std::size_t next = state[p].step;
    vec right[VECS];
    for (std::size_t v = 0; v < VECS; ++v) right[v] = load(packed + (v * n + p) * LANES);
    for (std::size_t r = 0; r < ROWS; ++r)
      for (std::size_t v = 0; v < VECS; ++v) sum[r][v] = fma(splat(left[r * next]), right[v], sum[r][v]);
  }
  for (std::size_t r = 0; r < ROWS; ++r)
    for (std::size_t v = 0; v < VECS; ++v) {
      double* to = out + r * step + v * LANES;
      store(to, NOISE ? sum[r][v] + splat(noise) * load(to) : sum[r][v]);
    }
}

// ROWS rows of out (.., width) from `row` on. Columns that fill no vector are made aside.
template <std::size_t ROWS, bool NOISE>
inline void mix_rows(std::size_t row, std::size_t width, const Coordinate* state, std::size_t n,
                     const double* packed, double noise, double* out) {
  out += row * width;
  std::size_t left = 0;
  for (; left + MIX_VECS * LANES <= width; left += MIX_VECS * LANES)
    mix_tile<ROWS, MIX_VECS, NOISE>(row, state, n, packed + left * n, noise, out + left, width);
  for (; left + LANES <= width; left += LANES)
    mix_tile<ROWS, 1, NOISE>(row, state, n, packed + left * n, noise, out + left, width);
  if (left == width) return;
  alignas(64) double aside[ROWS * LANES] = {};
  const std::size_t bytes = (width - left) * sizeof(double);
  for (std::size_t r = 0; r < ROWS && NOISE; ++r)
    __builtin_memcpy(aside + r * LANES, out + r * width + left, bytes);
  mix_tile<ROWS, 1, NOISE>(row, state, n, packed + left * n, noise, aside, LANES);
  for (std::size_t r = 0; r < ROWS; ++r) __builtin_memcpy(out + r * width + left, aside + r * LANES, bytes);
}

template <bool NOISE>
inline void mix_all(std::size_t rows, std::size_t width, const Coordinate* state, std::size_t n,
                    const double* packed, double noise, double* out) {
  std::size_t row = 0;
  for (; row + MIX_ROWS <= rows; row += MIX_ROWS)
    mix_rows<MIX_ROWS, NOISE>(row, width, state, n, packed, noise, out);
  for (; row < rows; ++row) mix_rows<1, NOISE>(row, width, state, n, packed, noise, out);
}

// See kernels.h. An element is the same sequence of operations wherever its tile begins.
static void mix(std::size_t rows, std::size_t width, const double* packed, const double* s, std::size_t ds,
                const double* x, std::size_t dx, double noise, double* out) {
  const std::size_t n = ds + dx;
  Coordinate* state = (Coordinate*)pack_memory();
  for (std::size_t p = 0; p < n; ++p) state[p] = p < ds ? Coordinate{s + p, ds} : Coordinate{x + p - ds, dx};
  if (noise != 0)
    mix_all<true>(rows, width, state, n, packed, noise, out);
  else
    mix_all<false>(rows, width, state, n, packed, noise, out);
}

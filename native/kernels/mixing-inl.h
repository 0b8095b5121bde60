// Observations of a world: a few latent coordinates through a tall mixing matrix, for many rows.

// One latent coordinate: that of row r is at[r * step].
template <class T>
struct Coordinate {
  const T* at;
  std::size_t step;
};

constexpr std::size_t MIX_ROWS = LANES == 8 ? 8 : 4, MIX_VECS = LANES == 2 ? 2 : 3;

// ROWS rows from `row` on and VECS vectors of out, whole ones. Plain stores: non-temporal ones were slower.
template <std::size_t ROWS, std::size_t VECS, bool NOISE, class T>
inline void mix_tile(std::size_t row, const Coordinate<T>* state, std::size_t n, const T* packed, T noise,
                     T* out, std::size_t step) {
  typename Register<T>::type sum[ROWS][VECS];
  for (std::size_t r = 0; r < ROWS; ++r)
    for (std::size_t v = 0; v < VECS; ++v) sum[r][v] = typename Register<T>::type{};
  for (std::size_t p = 0; p < n; ++p) {
    const T* left = state[p].at + row * state[p].step;
    const std::size_t next = state[p].step;
    typename Register<T>::type right[VECS];
    for (std::size_t v = 0; v < VECS; ++v) right[v] = load_of(packed + (v * n + p) * WIDTH<T>);
    for (std::size_t r = 0; r < ROWS; ++r)
      for (std::size_t v = 0; v < VECS; ++v) sum[r][v] = fma(splat_of(left[r * next]), right[v], sum[r][v]);
  }
  for (std::size_t r = 0; r < ROWS; ++r)
    for (std::size_t v = 0; v < VECS; ++v) {
      T* to = out + r * step + v * WIDTH<T>;
      const auto value = NOISE ? sum[r][v] + splat_of(noise) * load_of(to) : sum[r][v];
      __builtin_memcpy(to, &value, sizeof value);
    }
}

// ROWS rows of out (.., width) from `row` on. Columns that fill no vector are made aside.
template <std::size_t ROWS, bool NOISE, class T>
inline void mix_rows(std::size_t row, std::size_t width, const Coordinate<T>* state, std::size_t n,
                     const T* packed, T noise, T* out) {
  out += row * width;
  std::size_t left = 0;
  for (; left + MIX_VECS * WIDTH<T> <= width; left += MIX_VECS * WIDTH<T>)
    mix_tile<ROWS, MIX_VECS, NOISE>(row, state, n, packed + left * n, noise, out + left, width);
  for (; left + WIDTH<T> <= width; left += WIDTH<T>)
    mix_tile<ROWS, 1, NOISE>(row, state, n, packed + left * n, noise, out + left, width);
  if (left == width) return;
  alignas(64) T aside[ROWS * WIDTH<T>] = {};
  const std::size_t bytes = (width - left) * sizeof(T);
  for (std::size_t r = 0; r < ROWS && NOISE; ++r)
    __builtin_memcpy(aside + r * WIDTH<T>, out + r * width + left, bytes);
  mix_tile<ROWS, 1, NOISE, T>(row, state, n, packed + left * n, noise, aside, WIDTH<T>);
  for (std::size_t r = 0; r < ROWS; ++r)
    __builtin_memcpy(out + r * width + left, aside + r * WIDTH<T>, bytes);
}

template <bool NOISE, class T>
inline void mix_all(std::size_t rows, std::size_t width, const Coordinate<T>* state, std::size_t n,
                    const T* packed, T noise, T* out) {
  std::size_t row = 0;
  for (; row + MIX_ROWS <= rows; row += MIX_ROWS)
    mix_rows<MIX_ROWS, NOISE>(row, width, state, n, packed, noise, out);
  for (; row < rows; ++row) mix_rows<1, NOISE>(row, width, state, n, packed, noise, out);
}

// See kernels.h. An element is the same sequence of operations wherever its tile begins.
template <class T>
static void mix(std::size_t rows, std::size_t width, const T* packed, const T* s, std::size_t ds, const T* x,
                std::size_t dx, T noise, T* out) {
  const std::size_t n = ds + dx;
  auto* state = (Coordinate<T>*)pack_memory();
  for (std::size_t p = 0; p < n; ++p)
    state[p] = p < ds ? Coordinate<T>{s + p, ds} : Coordinate<T>{x + p - ds, dx};
  if (noise != 0)
    mix_all<true>(rows, width, state, n, packed, noise, out);
  else
    mix_all<false>(rows, width, state, n, packed, noise, out);
}

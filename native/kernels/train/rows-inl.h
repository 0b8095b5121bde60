// What training does to arrays by panels beside products: see kernels/train.h.

// The first halves of a and b interleaved, and the second halves.
template <class Vec>
inline void zip(Vec a, Vec b, Vec& low, Vec& high) {
  constexpr std::size_t size = sizeof(Vec) / sizeof(a[0]);
  Vec first{}, second{};
  for (std::size_t l = 0; l < size / 2; ++l) {
    first[2 * l] = a[l];
    first[2 * l + 1] = b[l];
    second[2 * l] = a[l + size / 2];
    second[2 * l + 1] = b[l + size / 2];
  }
  low = first;
  high = second;
}

// Interleaving row i with row i + half, as often as halving takes to reach 1, is the transpose.
template <class T>
inline void transpose_tile(const T* from, std::size_t ldf, T* out, std::size_t ldo) {
  using Vec = typename Register<T>::type;
  constexpr std::size_t size = WIDTH<T>;
  Vec a[size], b[size];
  for (std::size_t i = 0; i < size; ++i) a[i] = load_of(from + i * ldf);
  for (std::size_t round = 1; round < size; round *= 2) {
    for (std::size_t i = 0; i < size / 2; ++i) zip(a[i], a[i + size / 2], b[2 * i], b[2 * i + 1]);
    for (std::size_t i = 0; i < size; ++i) a[i] = b[i];
  }
  for (std::size_t i = 0; i < size; ++i) __builtin_memcpy(out + i * ldo, &a[i], sizeof a[i]);
}

template <class T>
static void transpose_rows(std::size_t rows, std::size_t columns, const T* from, std::size_t ldf, T* out,
                           std::size_t ldo) {
  for (std::size_t i = 0; i < rows; i += WIDTH<T>)
    for (std::size_t j = 0; j < columns; j += WIDTH<T>)
      transpose_tile(from + i * ldf + j, ldf, out + j * ldo + i, ldo);
}

template <class T>
static void error_rows(std::size_t begin, std::size_t end, std::size_t rows_alloc, const Panel* panels,
                       std::size_t panel_count, std::size_t width, const T* target, T factor, T* prediction,
                       double* square) {
  for (std::size_t row = begin; row < end; ++row) {
    typename Register<T>::type sum{};
    double rest = 0;
    for (std::size_t j = 0; j < panel_count; ++j) {
      const std::size_t at = panels[j].begin * rows_alloc + row * panels[j].width;
      T* p = prediction + at;
      const T* y = target + at;
      const std::size_t inside = smaller(panels[j].width, width - panels[j].begin);
      std::size_t i = 0;
      for (; i + WIDTH<T> <= inside; i += WIDTH<T>) {
        const auto e = load_of(p + i) - load_of(y + i);
        sum = fma(e, e, sum);
        const auto scaled = splat_of(factor) * e;
        __builtin_memcpy(p + i, &scaled, sizeof scaled);
      }
      for (; i < panels[j].width; ++i) {
        const T e = i < inside ? p[i] - y[i] : 0;
        rest += static_cast<double>(e) * static_cast<double>(e);
        p[i] = factor * e;
      }
    }
    for (std::size_t l = 0; l < WIDTH<T>; ++l) rest += static_cast<double>(sum[l]);
    square[row] = rest;
  }
}

template <class T>
static void nearest(std::size_t rows, std::size_t width, const T* z, std::size_t pitch, const T* book,
                    std::size_t size, std::size_t ldb, std::int32_t* chosen, std::size_t step) {
  for (std::size_t r = 0; r < rows; ++r) {
    T best = 0;
    std::int32_t winner = -1;
    for (std::size_t c = 0; c < size; c += WIDTH<T>) {
      typename Register<T>::type distance{};
      for (std::size_t j = 0; j < width; ++j) {
        const auto apart = splat_of(z[r * pitch + j]) - load_of(book + j * ldb + c);
        distance = fma(apart, apart, distance);
      }
      for (std::size_t l = 0; l < smaller(WIDTH<T>, size - c); ++l)
        if (winner < 0 || distance[l] < best) {
          best = distance[l];
          winner = static_cast<std::int32_t>(c + l);
        }
    }
    chosen[r * step] = winner;
  }
}

template <class T>
constexpr TrainKernels<T> TRAIN = {WIDTH<T>,          TILE_ROWS,  TILE_VECS, layer_forward<T>,
                                   layer_backward<T>, descend<T>, update<T>, transpose_rows<T>,
                                   error_rows<T>,     nearest<T>};

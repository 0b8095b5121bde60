// The loss of every number of latents as what is left of the target, summed: a difference of traces would
// lose it where it is small.

// The explained part of y as a sum of products: row i of `parts` (rows, ny) times row i of `by` (rows, cols).
struct Explained {
  const double *parts, *by;
  std::size_t rows;
};

// remaining[k] = |y - the first k products|^2 for k <= rows; kept[i] 0: row i is nothing. y (ny, cols) is
// spent.
static void remaining_loss(double* remaining, double* y, std::size_t ny, std::size_t cols, const Explained& x,
                           const double* kept) {
  put(remaining, 0, squares_of_rows(y, ny, cols));
  for (std::size_t k = 0; k < x.rows; ++k) {
    const double* by = x.by + k * cols * LANES;
    vec sum = splat(0);
    for (std::size_t i = 0; i < ny; ++i) {
      const vec part = at(kept, k) * at(x.parts, k * ny + i);
      double* row = y + i * cols * LANES;
      vec square = splat(0);
      for (std::size_t j = 0; j < cols; ++j) {
        const vec v = fnma(part, at(by, j), at(row, j));
        put(row, j, v);
        square = fma(v, v, square);
      }
      sum += square;
    }
    put(remaining, k + 1, sum);
  }
}

// Rows of `from` (n, from_cols) at the top left of a cleared (n, cols).
static double* widened(const double* from, std::size_t n, std::size_t from_cols, std::size_t cols,
                       Arena& arena) {
  double* out = arena.take(n, cols);
  clear_lanes(out, n * cols);
  for (std::size_t i = 0; i < n; ++i)
    memcpy(out + i * cols * LANES, from + i * from_cols * LANES, from_cols * LANES * sizeof(double));
  return out;
}

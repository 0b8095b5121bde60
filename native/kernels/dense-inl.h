// Linear algebra on one large row-major problem (the *dense* family of kernels.h).
//
// Every sum runs in a fixed order that depends on the sizes alone, so the bits do not depend on how a caller
// splits the columns of an output or its problems over threads.

// ---- products ----
//
// c = beta c + alpha a b, made of tiles of TILE_ROWS x TILE_COLS that stay in registers while p runs over
// DEPTH terms. The panel of b that a column of tiles shares is packed for L1, the block of a for L2.
//
// Element (i, j) is the same sequence of operations wherever its tile begins: an fma chain over each DEPTH of
// p, and each chain added to c. So a part of a product equals the same part of the whole, bit by bit.
enum class Part { FULL, UPPER, LOWER };  // which triangle of c is wanted, the diagonal included

// Element (i, j) is at[i * row + j * col]: a transpose is a swap of strides.
template <class T>
struct View {
  const T* at;
  std::size_t row, col;
};

// One full register of T: vec or vecf.
template <class T>
struct Register;
template <>
struct Register<double> {
  using type = vec;
};
template <>
struct Register<float> {
  using type = vecf;
};
template <class T>
constexpr std::size_t WIDTH = sizeof(vec) / sizeof(T);
template <class T>
inline typename Register<T>::type load_of(const T* p) {
  typename Register<T>::type v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
template <class T>
inline typename Register<T>::type splat_of(T x) {
  return x - typename Register<T>::type{};
}

constexpr std::size_t TILE_ROWS = LANES == 8 ? 8 : 4, TILE_VECS = LANES == 2 ? 2 : 3;
template <class T>
constexpr std::size_t TILE_COLS = TILE_VECS * WIDTH<T>;
constexpr std::size_t DEPTH = LANES == 8 ? 128 : 192, HEIGHT = 128;

inline std::size_t smaller(std::size_t x, std::size_t y) { return x < y ? x : y; }

// panel[p * SIZE + i] = from[i * step + p * next] for i < width. Where width ends inside a register, zeros
// follow.
template <std::size_t SIZE, class T>
inline void pack_panel(T* panel, const T* from, std::size_t step, std::size_t next, std::size_t width,
                       std::size_t depth) {
  if (step == 1 && width == SIZE) {
    for (std::size_t p = 0; p < depth; ++p)
      for (std::size_t i = 0; i < SIZE; ++i) panel[p * SIZE + i] = from[p * next + i];
  } else if (step == 1 && width % WIDTH<T> == 0) {
    for (std::size_t p = 0; p < depth; ++p)
      for (std::size_t i = 0; i < width; i += WIDTH<T>) {
        const auto x = load_of(from + p * next + i);
        __builtin_memcpy(panel + p * SIZE + i, &x, sizeof x);
      }
  } else {
    for (std::size_t i = 0; i < SIZE; ++i)
      for (std::size_t p = 0; p < depth; ++p) panel[p * SIZE + i] = i < width ? from[i * step + p * next] : 0;
  }
}

// c (TILE_ROWS, VECS registers) = beta c + alpha a b, for a (TILE_ROWS,depth) and a panel b.
template <std::size_t VECS, class T>
__attribute__((noinline)) void product_tile(std::size_t depth, View<T> a, const T* b, T alpha, T beta, T* c,
                                            std::size_t ldc) {
  for (std::size_t i = 0; i < TILE_ROWS; ++i) __builtin_prefetch(c + i * ldc, 1);
  using Vec = typename Register<T>::type;
  Vec sum[TILE_ROWS][VECS];
  for (std::size_t i = 0; i < TILE_ROWS; ++i)
    for (std::size_t j = 0; j < VECS; ++j) sum[i][j] = Vec{};
  for (std::size_t p = 0; p < depth; ++p, a.at += a.col, b += TILE_COLS<T>) {
    Vec right[VECS];
    for (std::size_t j = 0; j < VECS; ++j) right[j] = load_of(b + j * WIDTH<T>);
    for (std::size_t i = 0; i < TILE_ROWS; ++i)
      for (std::size_t j = 0; j < VECS; ++j) sum[i][j] = fma(splat_of(a.at[i * a.row]), right[j], sum[i][j]);
  }
  for (std::size_t i = 0; i < TILE_ROWS; ++i)
    for (std::size_t j = 0; j < VECS; ++j) {
      T* out = c + i * ldc + j * WIDTH<T>;
      Vec x = splat_of(alpha) * sum[i][j];
      if (beta != 0) x = fma(splat_of(alpha), sum[i][j], splat_of(beta) * load_of(out));
      __builtin_memcpy(out, &x, sizeof x);
    }
}

// The tile of c at row `top`, column `left`; rows and cols are what c has of it. A tile that reaches beyond c
// or beyond its wanted part is made aside.
template <class T>
inline void product_at(Part part, std::size_t top, std::size_t left, std::size_t rows, std::size_t cols,
                       std::size_t depth, View<T> a, const T* b, T alpha, T beta, T* c, std::size_t ldc) {
  const auto tile = [&](T* to, std::size_t step) {
    const std::size_t vecs = (cols + WIDTH<T> - 1) / WIDTH<T>;
    if (vecs == 1) product_tile<1>(depth, a, b, alpha, beta, to, step);
    if (vecs == 2) product_tile<2>(depth, a, b, alpha, beta, to, step);
    if (vecs == 3) product_tile<TILE_VECS>(depth, a, b, alpha, beta, to, step);
  };
  T* out = c + top * ldc + left;
  const bool inside =
      part == Part::FULL || (part == Part::UPPER ? top + rows <= left + 1 : top + 1 >= left + cols);
  if (inside && rows == TILE_ROWS && cols % WIDTH<T> == 0) return tile(out, ldc);

  alignas(64) T aside[TILE_ROWS * TILE_COLS<T>] = {};
  const auto each = [&](auto copy) {
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t q = 0; q < cols; ++q)
        if (part == Part::FULL || (part == Part::UPPER ? top + r <= left + q : top + r >= left + q))
          copy(aside[r * TILE_COLS<T> + q], out[r * ldc + q]);
  };
  if (beta != 0) each([](T& inside_tile, T& in_c) { inside_tile = in_c; });
  tile(aside, TILE_COLS<T>);
  each([](T& inside_tile, T& in_c) { in_c = inside_tile; });
}

// How many of the n columns that are left the next tiles take. One register alone is slow: four are taken as
// two and two.
template <class T>
inline std::size_t next_columns(std::size_t n) {
  if (TILE_VECS == 3 && n > TILE_COLS<T> && n <= 4 * WIDTH<T>) return 2 * WIDTH<T>;
  return smaller(n, TILE_COLS<T>);
}

template <class T>
inline void product(Part part, std::size_t m, std::size_t n, std::size_t k, T alpha, View<T> a, View<T> b,
                    T beta, T* c, std::size_t ldc) {
  static_assert((HEIGHT + TILE_COLS<T>)*DEPTH * sizeof(T) <= PACK_BYTES);
  T *left = (T*)pack_memory(), *right = left + HEIGHT * DEPTH;
  for (std::size_t i0 = 0; i0 < m; i0 += HEIGHT)
    for (std::size_t p0 = 0; p0 < k; p0 += DEPTH) {
      const std::size_t height = smaller(m - i0, HEIGHT), depth = smaller(k - p0, DEPTH);
      const T* block = a.at + i0 * a.row + p0 * a.col;
      // Rows of a are read in place where they are contiguous; whatever else is packed.
      const std::size_t in_place = a.col == 1 ? height / TILE_ROWS * TILE_ROWS : 0;
      for (std::size_t i = in_place; i < height; i += TILE_ROWS)
        pack_panel<TILE_ROWS>(left + i * depth, block + i * a.row, a.row, a.col,
                              smaller(height - i, TILE_ROWS), depth);
      for (std::size_t j = 0, cols = 0; j < n; j += cols) {
        cols = next_columns<T>(n - j);
        // rows [low, high) of the block meet the wanted part in these columns
        std::size_t low = 0, high = height;
        if (part == Part::UPPER) high = j + cols <= i0 ? 0 : smaller(j + cols - i0, height);
        if (part == Part::LOWER) low = j <= i0 ? 0 : (j - i0) / TILE_ROWS * TILE_ROWS;
        if (low >= high) continue;
        pack_panel<TILE_COLS<T>>(right, b.at + p0 * b.row + j * b.col, b.col, b.row, cols, depth);
        for (std::size_t i = low; i < high; i += TILE_ROWS) {
          const View<T> rows =
              i < in_place ? View<T>{block + i * a.row, a.row, 1} : View<T>{left + i * depth, 1, TILE_ROWS};
          product_at<T>(part, i0 + i, j, smaller(height - i, TILE_ROWS), cols, depth, rows, right, alpha,
                        p0 == 0 ? beta : 1, c, ldc);
        }
      }
    }
}

// c (m,n) = beta c + alpha op(a) op(b): see kernels.h.
template <class T>
inline void gemm(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k, T alpha,
                 const T* a, std::size_t lda, const T* b, std::size_t ldb, T beta, T* c, std::size_t ldc) {
  if (k == 0 || alpha == 0) {
    for (std::size_t i = 0; i < m; ++i)
      for (std::size_t j = 0; j < n; ++j) c[i * ldc + j] = beta == 0 ? 0 : beta * c[i * ldc + j];
    return;
  }
  product<T>(Part::FULL, m, n, k, alpha, transpose_a ? View<T>{a, 1, lda} : View<T>{a, lda, 1},
             transpose_b ? View<T>{b, 1, ldb} : View<T>{b, ldb, 1}, beta, c, ldc);
}

// The upper triangle of c (n,n) += x^T x, n <= SYRK_COLS: x is packed once, its panels serve as both factors.
constexpr std::size_t SYRK_COLS = 264;
inline void syrk_block(std::size_t rows, std::size_t n, const double* x, std::size_t ldx, double* c,
                       std::size_t ldc) {
  constexpr std::size_t COLS = TILE_COLS<double>;
  constexpr std::size_t STRIDE = DEPTH * COLS + 8;  // a cache line more: panels start in different cache sets
  static_assert((SYRK_COLS + COLS - 1) / COLS * STRIDE * sizeof(double) <= PACK_BYTES);
  double* panels = (double*)pack_memory();
  for (std::size_t p0 = 0; p0 < rows; p0 += DEPTH) {
    const std::size_t depth = smaller(rows - p0, DEPTH);
    for (std::size_t p = 0; p < depth; ++p) {
      const double* from = x + (p0 + p) * ldx;
      double* to = panels + p * COLS;
      std::size_t j = 0;
      for (; j + COLS <= n; j += COLS, to += STRIDE)
        for (std::size_t v = 0; v < COLS; v += LANES) store(to + v, load(from + j + v));
      for (std::size_t q = 0; j < n && q < COLS; ++q) to[q] = j + q < n ? from[j + q] : 0;
    }
    for (std::size_t j = 0; j < n; j += COLS) {
      const double* right = panels + j / COLS * STRIDE;
      const std::size_t cols = smaller(n - j, COLS);
      for (std::size_t i = 0; i < j + cols; i += TILE_ROWS) {
        const std::size_t skip = i <= j ? 0 : (i - j) / LANES * LANES;  // whole vectors left of the diagonal
        const View<double> rows_of_a{panels + i / COLS * STRIDE + i % COLS, 1, COLS};
        product_at<double>(Part::UPPER, i, j + skip, smaller(n - i, TILE_ROWS), cols - skip, depth, rows_of_a,
                           right + skip, 1, 1, c, ldc);
      }
    }
  }
}

// c (n,n) += x^T x for x (rows,n): see kernels.h.
inline void syrk_accumulate(std::size_t rows, std::size_t n, const double* x, std::size_t ldx, double* c,
                            std::size_t ldc) {
  for (std::size_t j = 0; j < n; j += SYRK_COLS) {
    const std::size_t cols = smaller(n - j, SYRK_COLS);
    if (j > 0 && rows > 0) gemm<double>(true, false, j, cols, rows, 1, x, ldx, x + j, ldx, 1, c + j, ldc);
    syrk_block(rows, cols, x + j, ldx, c + j * ldc + j, ldc);
  }
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < i; ++j) c[i * ldc + j] = c[j * ldc + i];
}

// ---- Cholesky ----
//
// By blocks of BLOCK columns; the rest of the matrix sees a block once, in a product.
constexpr std::size_t BLOCK = 32;

// The factor of the n <= BLOCK leading columns of a (rows,n), rows >= n: the triangle, then the rows below
// it. Returns the smallest pivot, or the first that is not positive.
inline double cholesky_block(double* a, std::size_t rows, std::size_t n, std::size_t lda) {
  alignas(64) double l[BLOCK * BLOCK] =
      {};  // l[k * BLOCK + j] = L(j, k), so that a column is contiguous; zeros above
  double inverse[BLOCK], smallest = __builtin_inf();
  for (std::size_t j = 0; j < n; ++j)
    for (std::size_t k = 0; k <= j; ++k) l[k * BLOCK + j] = a[j * lda + k];
  for (std::size_t k = 0; k < n; ++k) {
    double* column = l + k * BLOCK;
    const double pivot = column[k];
    smallest = pivot < smallest ? pivot : smallest;
    if (!(pivot > 0)) return pivot;
    const double root = __builtin_sqrt(pivot);
    inverse[k] = 1 / root;
    for (std::size_t j = k / LANES * LANES; j < n; j += LANES)
      store(column + j, load(column + j) * splat(inverse[k]));
    column[k] = root;
    for (std::size_t i = k + 1; i < n; ++i)
      for (std::size_t j = i / LANES * LANES; j < n; j += LANES)
        store(l + i * BLOCK + j, fnma(splat(column[i]), load(column + j), load(l + i * BLOCK + j)));
  }
  for (std::size_t j = 0; j < n; ++j)
    for (std::size_t k = 0; k <= j; ++k) a[j * lda + k] = l[k * BLOCK + j];
  // x L^T = row, for LANES rows at a time
  for (std::size_t i = n; i < rows; i += LANES) {
    const std::size_t count = smaller(rows - i, LANES);
    vec x[BLOCK];
    for (std::size_t j = 0; j < n; ++j) {
      x[j] = vec{};
      for (std::size_t r = 0; r < count; ++r) x[j][r] = a[(i + r) * lda + j];
    }
    for (std::size_t j = 0; j < n; ++j) {
      vec even = x[j], odd{};
      std::size_t k = 0;
      for (; k + 2 <= j; k += 2) {
        even = fnma(x[k], splat(l[k * BLOCK + j]), even);
        odd = fnma(x[k + 1], splat(l[(k + 1) * BLOCK + j]), odd);
      }
      if (k < j) even = fnma(x[k], splat(l[k * BLOCK + j]), even);
      x[j] = (even + odd) * splat(inverse[j]);
    }
    for (std::size_t j = 0; j < n; ++j)
      for (std::size_t r = 0; r < count; ++r) a[(i + r) * lda + j] = x[j][r];
  }
  return smallest;
}

// a (n,n): see kernels.h. Stops at the first pivot that is not positive.
inline double cholesky(double* a, std::size_t n, std::size_t lda) {
  double largest = 0, smallest = __builtin_inf();
  for (std::size_t i = 0; i < n; ++i) largest = a[i * lda + i] > largest ? a[i * lda + i] : largest;
  for (std::size_t j = 0; j < n; j += BLOCK) {
    const std::size_t width = smaller(n - j, BLOCK);
    double* corner = a + j * lda + j;
    const double pivot = cholesky_block(corner, n - j, width, lda);
    if (!(pivot > 0)) return pivot / largest;
    smallest = pivot < smallest ? pivot : smallest;
    const double* below = corner + width * lda;
    const std::size_t rest = n - j - width;
    product<double>(Part::LOWER, rest, rest, width, -1, View<double>{below, lda, 1},
                    View<double>{below, 1, lda}, 1, corner + width * lda + width, lda);
  }
  return smallest / largest;
}

// Solves l x = b in place (FORWARD) or l^T x = b, for x (n,m), n <= BLOCK. Columns are taken LANES at a time,
// the last ones in a zero padded vector, so that a column has the same bits in any company.
template <bool FORWARD>
inline void triangle_solve(const double* l, std::size_t n, std::size_t ldl, double* x, std::size_t m,
                           std::size_t ldx) {
  double inverse[BLOCK];
  for (std::size_t i = 0; i < n; ++i) inverse[i] = 1 / l[i * ldl + i];
  for (std::size_t c = 0; c < m; c += LANES) {
    const std::size_t count = smaller(m - c, LANES);
    vec y[BLOCK];
    for (std::size_t i = 0; i < n; ++i) {
      y[i] = vec{};
      __builtin_memcpy(&y[i], x + i * ldx + c, count * sizeof(double));
    }
    for (std::size_t step = 0; step < n; ++step) {
      const std::size_t i = FORWARD ? step : n - 1 - step;
      vec even = y[i], odd{};
      for (std::size_t k = FORWARD ? 0 : i + 1; k < (FORWARD ? i : n); ++k) {
        const vec other = odd;
        odd = fnma(splat(FORWARD ? l[i * ldl + k] : l[k * ldl + i]), y[k], even);
        even = other;
      }
      y[i] = (even + odd) * splat(inverse[i]);
    }
    for (std::size_t i = 0; i < n; ++i) __builtin_memcpy(x + i * ldx + c, &y[i], count * sizeof(double));
  }
}

// l (n,n), x (n,m): see kernels.h.
inline void cholesky_solve(const double* l, std::size_t n, std::size_t ldl, double* x, std::size_t m,
                           std::size_t ldx) {
  for (std::size_t i = 0; i < n; i += BLOCK) {
    const std::size_t width = smaller(n - i, BLOCK);
    if (i > 0) gemm<double>(false, false, width, m, i, -1, l + i * ldl, ldl, x, ldx, 1, x + i * ldx, ldx);
    triangle_solve<true>(l + i * ldl + i, width, ldl, x + i * ldx, m, ldx);
  }
  for (std::size_t end = n; end > 0;) {
    const std::size_t i = (end - 1) / BLOCK * BLOCK, width = end - i;
    if (end < n)
      gemm<double>(true, false, width, m, n - end, -1, l + end * ldl + i, ldl, x + end * ldx, ldx, 1,
                   x + i * ldx, ldx);
    triangle_solve<false>(l + i * ldl + i, width, ldl, x + i * ldx, m, ldx);
    end = i;
  }
}

// ---- symmetric eigenproblem ----
//
// A = Q T Q^T by blocked Householder reflections from the last row up, then implicit QL with Wilkinson shifts
// on T, whose rotations turn the rows of Q^T into eigenvectors. The rotations of several sweeps are applied
// together, one narrow panel of columns after another, so that a panel stays in L1.
//   t (padded,ld) lower triangle of the matrix, zero padded to whole vectors; row k then becomes the
//   reflection
//     H = 1 - tau[k] v v^T with v (k), v[k-1] = 1, zeros after it; later all of t holds the panels of
//     rotate_panel
//   z (n,n) Q^T | d (n) diagonal of T | e (n): e[i] = T(i, i+1), e[n-1] = 0
constexpr std::size_t REFLECTIONS = 32;  // that are applied as one product
constexpr std::size_t SWEEPS = 16;       // sweeps whose rotations are applied together; even
constexpr std::size_t PANEL_VECS = 4, PANEL = PANEL_VECS * LANES;

inline std::size_t padded(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

// Rows a power of two apart would fall into the same cache sets.
inline std::size_t eigen_stride(std::size_t n) { return padded(n, PANEL) + 8; }

struct EigenWork {
  double *t, *d, *e, *tau, *w, *u, *c, *s;
  std::size_t ld, size;
};
inline EigenWork eigen_layout(double* work, std::size_t n) {
  EigenWork o{};
  std::size_t used = 0;
  const auto take = [&](std::size_t count) {
    double* p = work + used;
    used += padded(count, 8);
    return p;
  };
  o.ld = eigen_stride(n);
  o.t = take(padded(n, LANES) * o.ld);
  o.d = take(n);
  o.e = take(n);
  o.tau = take(n);
  o.w = take(REFLECTIONS * (o.ld + REFLECTIONS));
  o.u = take(2 * REFLECTIONS * n);
  o.c = take(SWEEPS * n);
  o.s = take(SWEEPS * n);
  o.size = used;
  return o;
}
inline std::size_t eigen_work(std::size_t n) { return eigen_layout(nullptr, n).size + 8; }

inline double sum_of(vec v) {
  double sum = v[0];
  for (std::size_t l = 1; l < LANES; ++l) sum += v[l];
  return sum;
}

// x . y over n entries, a whole number of vectors.
inline double dot(const double* x, const double* y, std::size_t n) {
  vec even{}, odd{};
  std::size_t j = 0;
  for (; j + 2 * LANES <= n; j += 2 * LANES) {
    even = fma(load(x + j), load(y + j), even);
    odd = fma(load(x + j + LANES), load(y + j + LANES), odd);
  }
  if (j < n) even = fma(load(x + j), load(y + j), even);
  return sum_of(even + odd);
}

// p = A v for the symmetric A of order k whose lower triangle is in t; v and p are zero padded to whole
// vectors.
inline void multiply_symmetric(const double* t, std::size_t ld, std::size_t k, const double* v, double* p) {
  mask below[LANES + 1] = {};  // the first r entries of a row
  for (std::size_t r = 0; r < LANES; ++r) {
    below[r + 1] = below[r];
    below[r + 1][r] = -1;
  }
  for (std::size_t i = 0; i < k; i += LANES) {
    const double* row = t + i * ld;
    vec s[LANES] = {}, vi[LANES];
    for (std::size_t r = 0; r < LANES; ++r) vi[r] = splat(v[i + r]);
    for (std::size_t j = 0; j < i; j += LANES) {
      const vec vj = load(v + j);
      vec pj = load(p + j);
      for (std::size_t r = 0; r < LANES; ++r) {
        const vec x = load(row + r * ld + j);
        s[r] = fma(x, vj, s[r]);
        pj = fma(x, vi[r], pj);
      }
      store(p + j, pj);
    }
    const vec vj = load(v + i);
    vec pj{};
    for (std::size_t r = 0; r < LANES; ++r) {
      const vec x = load(row + r * ld + i);
      s[r] = fma(select(below[r + 1], x, vec{}), vj, s[r]);
      pj = fma(select(below[r], x, vec{}), vi[r], pj);
    }
    store(p + i, pj);
    for (std::size_t r = 0; r < LANES; ++r) p[i + r] += sum_of(s[r]);
  }
  for (std::size_t j = k; j < padded(k, LANES); ++j) p[j] = 0;
}

// Whether the caller, which may be null, has been told to stop: asked once in a block of reflections or
// sweeps.
inline bool told_to(const std::int32_t* stop) { return stop && __atomic_load_n(stop, __ATOMIC_RELAXED) != 0; }

inline void tridiagonal(const EigenWork& o, std::size_t n, const std::int32_t* stop) {
  double *t = o.t, *w = o.w;
  const std::size_t ld = o.ld;
  std::size_t end = n;
  while (end > 1 && !told_to(stop)) {
    // Reflections [begin, end) from the last to the first. The updates A -= v w^T + w v^T of a block reach
    // the leading matrix in one product at its end; until then they are applied to what is read of it.
    const std::size_t begin = end > REFLECTIONS + 1 ? end - REFLECTIONS : 1;
    for (std::size_t k = end; k-- > begin;) {
      double *v = t + k * ld, *p = w + (k - begin) * ld;
      const std::size_t width = padded(k, LANES), whole = padded(k + 1, LANES);
      for (std::size_t i = k + 1; i < end; ++i) {
        const double *vi = t + i * ld, *wi = w + (i - begin) * ld;
        const vec vk = splat(vi[k]), wk = splat(wi[k]);
        for (std::size_t j = 0; j < whole; j += LANES)
          store(v + j, fnma(vk, load(wi + j), fnma(wk, load(vi + j), load(v + j))));
      }
      o.d[k] = v[k];
      for (std::size_t j = k; j < ld; ++j) v[j] = 0;
      const double x0 = v[k - 1];
      v[k - 1] = 0;
      const double rest = dot(v, v, width);
      v[k - 1] = 1;
      if (!(rest > EIGEN_TINY)) {
        o.e[k - 1] = x0;
        o.tau[k] = 0;
        for (std::size_t j = 0; j < ld; ++j) p[j] = 0;
        continue;
      }
      const double norm = __builtin_sqrt(x0 * x0 + rest), beta = x0 > 0 ? -norm : norm,
                   factor = (beta - x0) / beta;
      const vec scale = splat(1 / (x0 - beta));
      o.e[k - 1] = beta;
      o.tau[k] = factor;
      for (std::size_t j = 0; j < width; j += LANES) store(v + j, load(v + j) * scale);
      v[k - 1] = 1;
      multiply_symmetric(t, ld, k, v, p);
      for (std::size_t i = k + 1; i < end; ++i) {
        const double *vi = t + i * ld, *wi = w + (i - begin) * ld;
        const vec vv = splat(dot(vi, v, width)), wv = splat(dot(wi, v, width));
        for (std::size_t j = 0; j < width; j += LANES)
          store(p + j, fnma(wv, load(vi + j), fnma(vv, load(wi + j), load(p + j))));
      }
      // p = tau q - (tau^2 q.v / 2) v
      const vec half = splat(0.5 * factor * factor * dot(p, v, width));
      for (std::size_t j = 0; j < width; j += LANES)
        store(p + j, fnma(half, load(v + j), splat(factor) * load(p + j)));
      for (std::size_t j = k; j < ld; ++j) p[j] = 0;
    }
    const View<double> v{t + begin * ld, 1, ld}, vt{t + begin * ld, ld, 1}, wn{w, 1, ld}, wt{w, ld, 1};
    product<double>(Part::LOWER, begin, begin, end - begin, -1, v, wt, 1, t, ld);
    product<double>(Part::LOWER, begin, begin, end - begin, -1, wn, vt, 1, t, ld);
    end = begin;
  }
  o.d[0] = t[0];
  o.e[n - 1] = 0;
}

// z = Q^T = H(1) H(2) .. H(n-1). The product of a block of reflections is 1 - V S V^T with S upper
// triangular; it reaches only the leading rows and columns.
inline void reflections(const EigenWork& o, double* z, std::size_t n, const std::int32_t* stop) {
  const std::size_t ld = o.ld;
  double *s = o.w, *u = o.u;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) z[i * n + j] = 0;
    z[i * n + i] = 1;
  }
  for (std::size_t begin = 1; begin < n && !told_to(stop); begin += REFLECTIONS) {
    const std::size_t count = smaller(n - begin, REFLECTIONS), end = begin + count;
    const double* v = o.t + begin * ld;
    // column i of S: tau_i (-S V^T v_i above the diagonal, 1 on it)
    for (std::size_t i = 0; i < count; ++i) {
      double y[REFLECTIONS];
      for (std::size_t q = 0; q < i; ++q) y[q] = dot(v + q * ld, v + i * ld, padded(begin + q, LANES));
      const double factor = o.tau[begin + i];
      for (std::size_t r = 0; r < count; ++r) {
        double sum = r == i ? factor : 0;
        for (std::size_t q = r; q < i; ++q) sum -= factor * s[r * REFLECTIONS + q] * y[q];
        s[r * REFLECTIONS + i] = sum;
      }
    }
    double* us = u + n * REFLECTIONS;
    product<double>(Part::FULL, end, count, end, 1, View<double>{z, n, 1}, View<double>{v, 1, ld}, 0, u,
                    REFLECTIONS);
    product<double>(Part::FULL, end, count, count, 1, View<double>{u, REFLECTIONS, 1},
                    View<double>{s, REFLECTIONS, 1}, 0, us, REFLECTIONS);
    product<double>(Part::FULL, end, end, count, -1, View<double>{us, REFLECTIONS, 1}, View<double>{v, ld, 1},
                    1, z, n);
  }
}

// Rotations [bottom, top) of two sweeps on a panel (n, PANEL). Rotation i turns the rows i and i + 1; a sweep
// goes down from top - 1. The second sweep follows one row behind the first, so that a row is loaded and
// stored once for both.
inline void rotate_panel(double* panel, const double* c1, const double* s1, const double* c2,
                         const double* s2, std::size_t bottom, std::size_t top) {
  vec x1[PANEL_VECS], x2[PANEL_VECS];  // the rows that the next rotation of either sweep turns
  double* row = panel + (top - 1) * PANEL;
  for (std::size_t j = 0; j < PANEL_VECS; ++j) {
    const vec c = splat(c1[top - 1]), s = splat(s1[top - 1]);
    const vec x = load(row + PANEL + j * LANES), y = load(row + j * LANES);
    x2[j] = fma(s, y, c * x);
    x1[j] = fnma(s, x, c * y);
  }
  for (std::size_t i = top - 1; i-- > bottom;) {
    row -= PANEL;
    const vec c = splat(c1[i]), s = splat(s1[i]), cc = splat(c2[i + 1]), ss = splat(s2[i + 1]);
    for (std::size_t j = 0; j < PANEL_VECS; ++j) {
      const vec y = load(row + j * LANES), done = fma(s, y, c * x1[j]);
      x1[j] = fnma(s, x1[j], c * y);
      store(row + 2 * PANEL + j * LANES, fma(ss, done, cc * x2[j]));
      x2[j] = fnma(ss, x2[j], cc * done);
    }
  }
  for (std::size_t j = 0; j < PANEL_VECS; ++j) {
    const vec c = splat(c2[bottom]), s = splat(s2[bottom]);
    store(row + PANEL + j * LANES, fma(s, x1[j], c * x2[j]));
    store(row + j * LANES, fnma(s, x2[j], c * x1[j]));
  }
}

// The rotations of sweeps that wait for the panels: c, s (SWEEPS,n), the rotations [bottom, top) of each.
struct Waiting {
  double *c, *s;
  std::size_t n, count;
  std::size_t bottom[SWEEPS], top[SWEEPS];
};

inline void extend(Waiting& w, std::size_t q, std::size_t bottom, std::size_t top) {
  for (std::size_t i = bottom; i < top; ++i)
    if (i < w.bottom[q] || i >= w.top[q]) {
      w.c[q * w.n + i] = 1;
      w.s[q * w.n + i] = 0;
    }
}

inline void rotate(double* panels, Waiting& w) {
  for (std::size_t q = 0; q < w.count; q += 2) {
    if (q + 1 == w.count) w.bottom[q + 1] = w.top[q + 1] = w.bottom[q];
    const std::size_t bottom = smaller(w.bottom[q], w.bottom[q + 1]);
    const std::size_t top = w.top[q] > w.top[q + 1] ? w.top[q] : w.top[q + 1];
    extend(w, q, bottom, top);
    extend(w, q + 1, bottom, top);
    w.bottom[q] = bottom;
    w.top[q] = top;
  }
  for (std::size_t j = 0; j < w.n; j += PANEL, panels += w.n * PANEL)
    for (std::size_t q = 0; q < w.count; q += 2) {
      const double *c = w.c + q * w.n, *s = w.s + q * w.n;
      rotate_panel(panels, c, s, c + w.n, s + w.n, w.bottom[q], w.top[q]);
    }
  w.count = 0;
}

// Implicit QL in the recurrence of implicit_ql_lanes: its chain from one rotation to the next has one
// division and no square root. Eigenvalues of T in d; false when an eigenvalue takes too many sweeps.
inline bool implicit_ql(const EigenWork& o, std::size_t n, const std::int32_t* stop) {
  double *d = o.d, *e = o.e, norm = 0;
  for (std::size_t i = 0; i < n; ++i) {
    norm = __builtin_fabs(d[i]) > norm ? __builtin_fabs(d[i]) : norm;
    norm = __builtin_fabs(e[i]) > norm ? __builtin_fabs(e[i]) : norm;
  }
  Waiting waiting{o.c, o.s, n, 0, {}, {}};
  const double small = EIGEN_UNIT * norm;
  std::size_t sweeps = 0;
  for (std::size_t l = 0; l < n; ++l)
    for (;;) {
      std::size_t m = l;
      while (m + 1 < n && __builtin_fabs(e[m]) > small) ++m;
      if (m == l) break;
      if (++sweeps > 40 * n) return false;
      double *cs = o.c + waiting.count * n, *sn = o.s + waiting.count * n;
      waiting.bottom[waiting.count] = l;
      waiting.top[waiting.count] = m;
      // the eigenvalue of the leading 2 x 2 block that is closer to d[l]
      const double half = 0.5 * (d[l + 1] - d[l]), square = e[l] * e[l];
      const double root_of_half = __builtin_sqrt(half * half + square);
      const double shift = d[l] - square / (half + (half < 0 ? -root_of_half : root_of_half));
      double pi = d[m] - shift, gamma = pi, p = pi * pi + EIGEN_TINY, c = 1, s = 0;
      for (std::size_t i = m; i-- > l;) {
        const double alpha = d[i], ei = e[i], bb = ei * ei, r = p + bb;
        const double inverse_rp = 1 / (r * p), inverse_p = r * inverse_rp, inverse = p * inverse_rp;
        const double root = __builtin_sqrt(inverse), nu = p * (alpha - shift) - bb * gamma,
                     gamma1 = nu * inverse;
        double p1 = nu * nu * inverse_rp + EIGEN_TINY;  // never 0, for the division
        // pi follows p by multiplications alone; one step of Newton's method keeps it the root of p
        pi += 0.5 * pi * inverse_p * (p - pi * pi);
        double pi1 = nu * root * (pi * inverse_p);
        if (p <= 2 * EIGEN_TINY) {
          p1 = c * c * bb + EIGEN_TINY;
          pi1 = -c * __builtin_fabs(ei);
        }
        e[i + 1] = i + 1 < m ? s * (r * root) : 0;
        d[i + 1] = gamma + (alpha - gamma1);
        cs[i] = c = pi * root;
        sn[i] = s = ei * root;
        gamma = gamma1;
        p = p1;
        pi = pi1;
      }
      d[l] = shift + gamma;
      e[l] = s * pi;
      if (++waiting.count < SWEEPS) continue;
      if (told_to(stop)) return false;
      rotate(o.t, waiting);
    }
  rotate(o.t, waiting);
  return true;
}

// The largest magnitude of x (count); NaN or infinite where x is not finite.
inline double largest_of(const double* x, std::size_t count) {
  vec most{}, poison{};
  std::size_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    most = max(abs(load(x + i)), most);
    poison = fma(load(x + i), vec{}, poison);
  }
  double largest = sum_of(poison);
  for (std::size_t l = 0; l < LANES; ++l) largest = most[l] > largest ? most[l] : largest;
  for (; i < count; ++i) {
    const double magnitude = __builtin_fabs(x[i]);
    largest = magnitude > largest || magnitude != magnitude ? magnitude : largest;
  }
  return largest;
}

// The power of two at or below x; 1 where x is zero or subnormal.
inline double power_below(double x) {
  std::uint64_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  bits &= 0x7ff0000000000000;
  double power;
  __builtin_memcpy(&power, &bits, sizeof power);
  return power > 0 ? power : 1;
}

// a (n,n), w (n), work (eigen_work(n)): see kernels.h.
inline bool eigen(double* a, std::size_t n, double* w, double* work, const std::int32_t* stop) {
  if (n == 0) return true;
  const double largest = largest_of(a, n * n);
  if (!(largest < __builtin_inf())) return false;
  const std::size_t to_line = (64 - (std::uintptr_t)work % 64) % 64 / sizeof(double);
  const EigenWork o = eigen_layout(work + to_line, n);

  const double power = power_below(largest), down = 1 / power;
  for (std::size_t i = 0; i < padded(n, LANES); ++i) {
    const std::size_t count = i < n ? i + 1 : 0;
    for (std::size_t j = 0; j < count; ++j) o.t[i * o.ld + j] = a[i * n + j] * down;
    for (std::size_t j = count; j < o.ld; ++j) o.t[i * o.ld + j] = 0;
  }
  tridiagonal(o, n, stop);
  reflections(o, a, n, stop);
  if (told_to(stop)) return false;

  double* panel = o.t;
  for (std::size_t j0 = 0; j0 < n; j0 += PANEL)
    for (std::size_t i = 0; i < n; ++i, panel += PANEL)
      for (std::size_t j = 0; j < PANEL; ++j) panel[j] = j0 + j < n ? a[i * n + j0 + j] : 0;
  if (!implicit_ql(o, n, stop)) return false;
  for (std::size_t i = 0; i < n; ++i) {
    std::size_t rank = 0;
    for (std::size_t j = 0; j < n; ++j) rank += o.d[j] > o.d[i] || (o.d[j] == o.d[i] && j < i);
    w[rank] = o.d[i] * power;
    for (std::size_t j = 0; j < n; ++j) a[rank * n + j] = o.t[(j / PANEL * n + i) * PANEL + j % PANEL];
  }
  return true;
}

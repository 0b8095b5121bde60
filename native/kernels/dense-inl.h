// Linear algebra on one large row-major problem (the *dense* family of kernels.h).
//
// Every sum runs in a fixed order that depends on the sizes alone, so the bits do not depend on how a caller splits the
// columns of an output or its problems over threads.

// ---- products ------------------------------------------------------------------------------------------------------
// c = beta c + alpha a b, made of tiles of TILE_ROWS x TILE_COLS that stay in registers while p runs over DEPTH terms.
// The panel of b that a column of tiles shares is packed for L1, the block of a for L2.
//
// Element (i, j) is the same sequence of operations wherever its tile begins: an fma chain over each DEPTH of p, and
// each chain added to c. So a part of a product equals the same part of the whole, bit by bit.
enum class Part { FULL, UPPER, LOWER };  // which triangle of c is wanted, the diagonal included

// Element (i, j) is at[i * row + j * col]: a transpose is a swap of strides.
struct View {
  const double* at;
  std::size_t row, col;
};

constexpr std::size_t TILE_ROWS = LANES == 8 ? 8 : 4, TILE_VECS = LANES == 2 ? 2 : 3, TILE_COLS = TILE_VECS * LANES;
constexpr std::size_t DEPTH = LANES == 8 ? 128 : 192, HEIGHT = 96;

inline std::size_t smaller(std::size_t x, std::size_t y) { return x < y ? x : y; }

// panel[p * WIDTH + i] = from[i * step + p * next] for p < depth; zeros for i >= width.
template <std::size_t WIDTH>
inline void pack_panel(double* panel, const double* from, std::size_t step, std::size_t next, std::size_t width,
                       std::size_t depth) {
  if (width == WIDTH && step == 1) {
    for (std::size_t p = 0; p < depth; ++p)
      for (std::size_t i = 0; i < WIDTH; ++i) panel[p * WIDTH + i] = from[p * next + i];
    return;
  }
  for (std::size_t i = 0; i < WIDTH; ++i)
    for (std::size_t p = 0; p < depth; ++p) panel[p * WIDTH + i] = i < width ? from[i * step + p * next] : 0;
}

// c (TILE_ROWS, VECS * LANES) = beta c + alpha a b: element (i, p) of a is a[p * A_STEP + i], b is a panel of TILE_COLS.
template <std::size_t VECS, std::size_t A_STEP>
__attribute__((noinline)) void product_tile(std::size_t depth, const double* a, const double* b, double alpha,
                                            double beta, double* c, std::size_t ldc) {
  for (std::size_t i = 0; i < TILE_ROWS; ++i) __builtin_prefetch(c + i * ldc, 1);
  vec sum[TILE_ROWS][VECS] = {};
  for (std::size_t p = 0; p < depth; ++p, a += A_STEP, b += TILE_COLS) {
    vec right[VECS];
    for (std::size_t j = 0; j < VECS; ++j) right[j] = load(b + j * LANES);
    for (std::size_t i = 0; i < TILE_ROWS; ++i)
      for (std::size_t j = 0; j < VECS; ++j) sum[i][j] = fma(splat(a[i]), right[j], sum[i][j]);
  }
  for (std::size_t i = 0; i < TILE_ROWS; ++i)
    for (std::size_t j = 0; j < VECS; ++j) {
      double* out = c + i * ldc + j * LANES;
      store(out, beta == 0 ? splat(alpha) * sum[i][j] : fma(splat(alpha), sum[i][j], splat(beta) * load(out)));
    }
}

// The tile of c at row `top`, column `left`; rows and cols are what c has of it. A tile that reaches beyond c or beyond
// its wanted part is made aside.
template <std::size_t A_STEP>
inline void product_at(Part part, std::size_t top, std::size_t left, std::size_t rows, std::size_t cols,
                       std::size_t depth, const double* a, const double* b, double alpha, double beta, double* c,
                       std::size_t ldc) {
  alignas(64) double aside[TILE_ROWS * TILE_COLS] = {};
  const bool inside = part == Part::FULL || (part == Part::UPPER ? top + rows <= left + 1 : top + 1 >= left + cols);
  const bool direct = inside && rows == TILE_ROWS && cols % LANES == 0;
  const auto wanted = [&](std::size_t r, std::size_t q) {
    return part == Part::FULL || (part == Part::UPPER ? top + r <= left + q : top + r >= left + q);
  };
  double* out = c + top * ldc + left;
  if (!direct && beta != 0)
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t q = 0; q < cols; ++q)
        if (wanted(r, q)) aside[r * TILE_COLS + q] = out[r * ldc + q];
  double* to = direct ? out : aside;
  const std::size_t step = direct ? ldc : TILE_COLS, vecs = (cols + LANES - 1) / LANES;
  if (vecs == 1) product_tile<1, A_STEP>(depth, a, b, alpha, beta, to, step);
  if (vecs == 2) product_tile<2, A_STEP>(depth, a, b, alpha, beta, to, step);
  if (vecs == 3) product_tile<TILE_VECS, A_STEP>(depth, a, b, alpha, beta, to, step);
  if (!direct)
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t q = 0; q < cols; ++q)
        if (wanted(r, q)) out[r * ldc + q] = aside[r * TILE_COLS + q];
}

inline void product(Part part, std::size_t m, std::size_t n, std::size_t k, double alpha, View a, View b, double beta,
                    double* c, std::size_t ldc) {
  alignas(64) static thread_local double left[HEIGHT * DEPTH], right[DEPTH * TILE_COLS];
  for (std::size_t i0 = 0; i0 < m; i0 += HEIGHT)
    for (std::size_t p0 = 0; p0 < k; p0 += DEPTH) {
      const std::size_t height = smaller(m - i0, HEIGHT), depth = smaller(k - p0, DEPTH);
      for (std::size_t i = 0; i < height; i += TILE_ROWS)
        pack_panel<TILE_ROWS>(left + i * depth, a.at + (i0 + i) * a.row + p0 * a.col, a.row, a.col,
                              smaller(height - i, TILE_ROWS), depth);
      for (std::size_t j = 0; j < n; j += TILE_COLS) {
        const std::size_t cols = smaller(n - j, TILE_COLS);
        // rows [low, high) of the block meet the wanted part in these columns
        std::size_t low = 0, high = height;
        if (part == Part::UPPER) high = j + cols <= i0 ? 0 : smaller(j + cols - i0, height);
        if (part == Part::LOWER) low = j <= i0 ? 0 : (j - i0) / TILE_ROWS * TILE_ROWS;
        if (low >= high) continue;
        pack_panel<TILE_COLS>(right, b.at + p0 * b.row + j * b.col, b.col, b.row, cols, depth);
        for (std::size_t i = low; i < high; i += TILE_ROWS)
          product_at<TILE_ROWS>(part, i0 + i, j, smaller(height - i, TILE_ROWS), cols, depth, left + i * depth, right,
                                alpha, p0 == 0 ? beta : 1, c, ldc);
      }
    }
}

// c (m,n) = beta c + alpha op(a) op(b): see kernels.h.
inline void gemm(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k, double alpha,
                 const double* a, std::size_t lda, const double* b, std::size_t ldb, double beta, double* c,
                 std::size_t ldc) {
  if (k == 0 || alpha == 0) {
    for (std::size_t i = 0; i < m; ++i)
      for (std::size_t j = 0; j < n; ++j) c[i * ldc + j] = beta == 0 ? 0 : beta * c[i * ldc + j];
    return;
  }
  product(Part::FULL, m, n, k, alpha, transpose_a ? View{a, 1, lda} : View{a, lda, 1},
          transpose_b ? View{b, 1, ldb} : View{b, ldb, 1}, beta, c, ldc);
}

// The upper triangle of c (n,n) += x^T x, n <= SYRK_COLS: x is packed once, its panels serve as both factors.
constexpr std::size_t SYRK_COLS = 264;
inline void syrk_block(std::size_t rows, std::size_t n, const double* x, std::size_t ldx, double* c, std::size_t ldc) {
  constexpr std::size_t STRIDE = DEPTH * TILE_COLS + 8;  // one cache line more: panels start in different cache sets
  alignas(64) static thread_local double panels[(SYRK_COLS + TILE_COLS - 1) / TILE_COLS * STRIDE];
  for (std::size_t p0 = 0; p0 < rows; p0 += DEPTH) {
    const std::size_t depth = smaller(rows - p0, DEPTH);
    for (std::size_t p = 0; p < depth; ++p) {
      const double* from = x + (p0 + p) * ldx;
      double* to = panels + p * TILE_COLS;
      std::size_t j = 0;
      for (; j + TILE_COLS <= n; j += TILE_COLS, to += STRIDE)
        for (std::size_t v = 0; v < TILE_COLS; v += LANES) store(to + v, load(from + j + v));
      for (std::size_t q = 0; j < n && q < TILE_COLS; ++q) to[q] = j + q < n ? from[j + q] : 0;
    }
    for (std::size_t j = 0; j < n; j += TILE_COLS) {
      const double* right = panels + j / TILE_COLS * STRIDE;
      const std::size_t cols = smaller(n - j, TILE_COLS);
      for (std::size_t i = 0; i < j + cols; i += TILE_ROWS) {
        const std::size_t skip = i <= j ? 0 : (i - j) / LANES * LANES;  // whole vectors left of the diagonal
        product_at<TILE_COLS>(Part::UPPER, i, j + skip, smaller(n - i, TILE_ROWS), cols - skip, depth,
                              panels + i / TILE_COLS * STRIDE + i % TILE_COLS, right + skip, 1, 1, c, ldc);
      }
    }
  }
}

// c (n,n) += x^T x for x (rows,n): see kernels.h.
inline void syrk_accumulate(std::size_t rows, std::size_t n, const double* x, std::size_t ldx, double* c,
                            std::size_t ldc) {
  for (std::size_t j = 0; j < n; j += SYRK_COLS) {
    const std::size_t cols = smaller(n - j, SYRK_COLS);
    if (j > 0 && rows > 0) gemm(true, false, j, cols, rows, 1, x, ldx, x + j, ldx, 1, c + j, ldc);
    syrk_block(rows, cols, x + j, ldx, c + j * ldc + j, ldc);
  }
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < i; ++j) c[i * ldc + j] = c[j * ldc + i];
}

// ---- Cholesky ------------------------------------------------------------------------------------------------------
// a (n,n): see kernels.h. Stops at the first pivot that is not positive.
inline double cholesky(double* a, std::size_t n, std::size_t lda) {
  double largest = 0, smallest = __builtin_inf();
  for (std::size_t i = 0; i < n; ++i) largest = a[i * lda + i] > largest ? a[i * lda + i] : largest;
  for (std::size_t j = 0; j < n; ++j) {
    double pivot = a[j * lda + j];
    for (std::size_t p = 0; p < j; ++p) pivot -= a[j * lda + p] * a[j * lda + p];
    if (!(pivot > 0)) return pivot / largest;
    smallest = pivot < smallest ? pivot : smallest;
    const double root = __builtin_sqrt(pivot), inverse = 1 / root;
    a[j * lda + j] = root;
    for (std::size_t i = j + 1; i < n; ++i) {
      double sum = a[i * lda + j];
      for (std::size_t p = 0; p < j; ++p) sum -= a[i * lda + p] * a[j * lda + p];
      a[i * lda + j] = sum * inverse;
    }
  }
  return smallest / largest;
}

// l (n,n), x (n,m): see kernels.h.
inline void cholesky_solve(const double* l, std::size_t n, std::size_t ldl, double* x, std::size_t m, std::size_t ldx) {
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t p = 0; p < i; ++p)
      for (std::size_t j = 0; j < m; ++j) x[i * ldx + j] -= l[i * ldl + p] * x[p * ldx + j];
    for (std::size_t j = 0; j < m; ++j) x[i * ldx + j] /= l[i * ldl + i];
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t j = 0; j < m; ++j) x[i * ldx + j] /= l[i * ldl + i];
    for (std::size_t p = 0; p < i; ++p)
      for (std::size_t j = 0; j < m; ++j) x[p * ldx + j] -= l[i * ldl + p] * x[i * ldx + j];
  }
}

// ---- symmetric eigenproblem ----------------------------------------------------------------------------------------
// A = Q T Q^T by Householder reflections, then implicit QL with Wilkinson shifts; the rows of z start as those of Q^T
// and end as eigenvectors.
//   t (n,n) the matrix, then reflection k right of the diagonal of row k | d (n) diagonal of T | e (n): e[i] = T(i, i+1)
//   tau (n), p (n)
inline std::size_t eigen_work(std::size_t n) { return n * n + 4 * n; }

inline void tridiagonal(double* t, std::size_t n, double* d, double* e, double* tau, double* p) {
  for (std::size_t k = 0; k + 1 < n; ++k) {
    double* v = t + k * n;
    double rest = 0;
    for (std::size_t j = k + 2; j < n; ++j) rest += v[j] * v[j];
    const double x0 = v[k + 1], norm = __builtin_sqrt(x0 * x0 + rest);
    d[k] = v[k];
    if (!(rest > EIGEN_TINY)) {
      e[k] = x0;
      tau[k] = 0;
      continue;
    }
    const double beta = x0 > 0 ? -norm : norm;
    e[k] = beta;
    tau[k] = (beta - x0) / beta;
    v[k + 1] = 1;
    for (std::size_t j = k + 2; j < n; ++j) v[j] /= x0 - beta;
    double dot = 0;
    for (std::size_t i = k + 1; i < n; ++i) {
      double sum = 0;
      for (std::size_t j = k + 1; j < n; ++j) sum += (j < i ? t[j * n + i] : t[i * n + j]) * v[j];
      p[i] = tau[k] * sum;
      dot += p[i] * v[i];
    }
    for (std::size_t i = k + 1; i < n; ++i) p[i] -= 0.5 * tau[k] * dot * v[i];
    for (std::size_t i = k + 1; i < n; ++i)
      for (std::size_t j = i; j < n; ++j) t[i * n + j] -= v[i] * p[j] + p[i] * v[j];
  }
  d[n - 1] = t[n * n - 1];
  e[n - 1] = 0;
}

// z (n,n) = Q^T, built from the last reflection so that only the trailing block is touched.
inline void reflections(const double* t, const double* tau, double* z, std::size_t n) {
  for (std::size_t i = 0; i < n * n; ++i) z[i] = i % (n + 1) == 0 ? 1 : 0;
  for (std::size_t k = n - 1; k-- > 0;) {
    if (tau[k] == 0) continue;
    const double* v = t + k * n;
    for (std::size_t i = k + 1; i < n; ++i) {
      double sum = 0;
      for (std::size_t j = k + 1; j < n; ++j) sum += z[i * n + j] * v[j];
      for (std::size_t j = k + 1; j < n; ++j) z[i * n + j] -= tau[k] * sum * v[j];
    }
  }
}

inline bool implicit_ql(double* d, double* e, double* z, std::size_t n) {
  double norm = 0;
  for (std::size_t i = 0; i < n; ++i) {
    norm = __builtin_fabs(d[i]) > norm ? __builtin_fabs(d[i]) : norm;
    norm = __builtin_fabs(e[i]) > norm ? __builtin_fabs(e[i]) : norm;
  }
  std::size_t sweeps = 0;
  for (std::size_t l = 0; l < n; ++l)
    for (;;) {
      std::size_t m = l;
      while (m + 1 < n && __builtin_fabs(e[m]) > EIGEN_UNIT * norm) ++m;
      if (m == l) break;
      if (++sweeps > 40 * n) return false;
      const double half = (d[l + 1] - d[l]) / (2 * e[l]), root = __builtin_sqrt(half * half + 1);
      double g = d[m] - (d[l] - e[l] / (half + (half < 0 ? -root : root)));
      double s = 1, c = 1, p = 0;
      for (std::size_t i = m; i-- > l;) {
        const double f = s * e[i], b = c * e[i], radius = __builtin_sqrt(f * f + g * g);
        e[i + 1] = i + 1 < m ? radius : 0;
        s = radius > 0 ? f / radius : 0;
        c = radius > 0 ? g / radius : 1;
        const double h = d[i + 1] - p, r = (d[i] - h) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = h + p;
        g = c * r - b;
        double *low = z + i * n, *high = low + n;
        for (std::size_t j = 0; j < n; ++j) {
          const double x = high[j], y = low[j];
          high[j] = c * x + s * y;
          low[j] = c * y - s * x;
        }
      }
      d[l] -= p;
      e[l] = g;
    }
  return true;
}

// The power of two at or below x > 0; 1 where x is zero or subnormal.
inline double power_below(double x) {
  std::uint64_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  bits &= 0x7ff0000000000000;
  double power;
  __builtin_memcpy(&power, &bits, sizeof power);
  return power > 0 ? power : 1;
}

// a (n,n), w (n), work (eigen_work(n)): see kernels.h.
inline bool eigen(double* a, std::size_t n, double* w, double* work) {
  if (n == 0) return true;
  double *t = work, *d = t + n * n, *e = d + n, *tau = e + n, *p = tau + n;
  double largest = 0, poison = 0;
  for (std::size_t i = 0; i < n * n; ++i) {
    largest = __builtin_fabs(a[i]) > largest ? __builtin_fabs(a[i]) : largest;
    poison += a[i] * 0;
  }
  if (poison != 0) return false;
  const double power = power_below(largest);
  for (std::size_t i = 0; i < n * n; ++i) t[i] = a[i] / power;
  tridiagonal(t, n, d, e, tau, p);
  reflections(t, tau, a, n);
  if (!implicit_ql(d, e, a, n)) return false;
  for (std::size_t i = 0; i < n * n; ++i) t[i] = a[i];
  for (std::size_t i = 0; i < n; ++i) {
    std::size_t rank = 0;
    for (std::size_t j = 0; j < n; ++j) rank += d[j] > d[i] || (d[j] == d[i] && j < i);
    w[rank] = d[i] * power;
    for (std::size_t j = 0; j < n; ++j) a[rank * n + j] = t[i * n + j];
  }
  return true;
}

// Small linear algebra on L = LANES problems at once, one per SIMD lane (the *lanes* family of kernels.h).
//
// Storage: element (i, j) of a (rows, cols, L) array is the vector at a + (i * cols + j) * L. Rows, sizes and
// strides below count vectors; the helpers lane_load and lane_store turn an index of vectors into an address.
// No lane reads another lane's values. Where lanes take different paths (deflation), the path is chosen per
// lane by masks, and a lane that does not take part keeps its bits.
inline vec lane_load(const double* p, std::size_t i) { return load(p + i * LANES); }
inline void lane_store(double* p, std::size_t i, vec v) { store(p + i * LANES, v); }
inline vec with_sign(vec magnitude, vec sign) {
  const mask bit = mask{} + INT64_MIN;
  return (vec)(((mask)magnitude & ~bit) | ((mask)sign & bit));
}

// 1 / sqrt(x), given 1 / x.
inline vec inverse_root_lanes(vec x, vec reciprocal) {
#ifdef EXO_RSQRT_ESTIMATE
  // Two steps of Newton's method: a square root would hold up the divisions behind it.
  (void)reciprocal;
  vec y = rsqrt_estimate(x);
  for (int step = 0; step < 2; ++step) y = fma(splat(0.5) * y, fnma(x * y, y, splat(1)), y);
  return y;
#else
  (void)x;
  return sqrt(reciprocal);
#endif
}

// ---- products ----

// One ROWS x COLS tile of c = op(a) op(b), or of c += op(a) op(b): element (i, p) of op(a) is the vector
// a_row * i + a_col * p, and so on.
template <int ROWS, int COLS>
inline void gemm_tile_lanes(double* c, std::size_t c_row, const double* a, std::size_t a_row,
                            std::size_t a_col, const double* b, std::size_t b_row, std::size_t b_col,
                            std::size_t k, bool accumulate) {
  vec sum[ROWS][COLS];
  for (int i = 0; i < ROWS; ++i)
    for (int j = 0; j < COLS; ++j) sum[i][j] = accumulate ? lane_load(c, i * c_row + j) : vec{};
  for (std::size_t p = 0; p < k; ++p) {
    vec right[COLS];
    for (int j = 0; j < COLS; ++j) right[j] = lane_load(b, p * b_row + j * b_col);
    for (int i = 0; i < ROWS; ++i) {
      const vec left = lane_load(a, i * a_row + p * a_col);
      for (int j = 0; j < COLS; ++j) sum[i][j] = fma(left, right[j], sum[i][j]);
    }
  }
  for (int i = 0; i < ROWS; ++i)
    for (int j = 0; j < COLS; ++j) lane_store(c, i * c_row + j, sum[i][j]);
}

// ROWS rows of c. Every element is the same chain of fma over p whatever its tile, so tiling never shows in
// the bits.
template <int ROWS>
inline void gemm_rows_lanes(double* c, const double* a, std::size_t a_row, std::size_t a_col, const double* b,
                            std::size_t b_row, std::size_t b_col, std::size_t n, std::size_t k,
                            bool accumulate) {
  std::size_t j = 0;
  for (; j + 3 <= n; j += 3)
    gemm_tile_lanes<ROWS, 3>(c + j * LANES, n, a, a_row, a_col, b + j * b_col * LANES, b_row, b_col, k,
                             accumulate);
  for (; j < n; ++j)
    gemm_tile_lanes<ROWS, 1>(c + j * LANES, n, a, a_row, a_col, b + j * b_col * LANES, b_row, b_col, k,
                             accumulate);
}

inline void gemm_strided_lanes(double* c, const double* a, std::size_t a_row, std::size_t a_col,
                               const double* b, std::size_t b_row, std::size_t b_col, std::size_t m,
                               std::size_t n, std::size_t k, bool accumulate) {
  std::size_t i = 0;
  for (; i + 4 <= m; i += 4)
    gemm_rows_lanes<4>(c + i * n * LANES, a + i * a_row * LANES, a_row, a_col, b, b_row, b_col, n, k,
                       accumulate);
  for (; i < m; ++i)
    gemm_rows_lanes<1>(c + i * n * LANES, a + i * a_row * LANES, a_row, a_col, b, b_row, b_col, n, k,
                       accumulate);
}

// c must not overlap a or b. With accumulate the product is added to c; without, c is overwritten whatever it
// holds.
//   nn: c (m,n,L) = a (m,k,L) b (k,n,L)
//   nt: c (m,n,L) = a (m,k,L) b (n,k,L)^T
//   tn: c (m,n,L) = a (k,m,L)^T b (k,n,L)
inline void gemm_nn_lanes(double* c, const double* a, const double* b, std::size_t m, std::size_t n,
                          std::size_t k, bool accumulate = false) {
  gemm_strided_lanes(c, a, k, 1, b, n, 1, m, n, k, accumulate);
}
inline void gemm_nt_lanes(double* c, const double* a, const double* b, std::size_t m, std::size_t n,
                          std::size_t k, bool accumulate = false) {
  gemm_strided_lanes(c, a, k, 1, b, 1, k, m, n, k, accumulate);
}
inline void gemm_tn_lanes(double* c, const double* a, const double* b, std::size_t m, std::size_t n,
                          std::size_t k, bool accumulate = false) {
  gemm_strided_lanes(c, a, 1, m, b, n, 1, m, n, k, accumulate);
}

// ---- Cholesky ----

// Two columns j, j + 1 of the factor at a time, from rows i .. i + ROWS - 1 with i > j + 1. below is the
// ratio l(j + 1, j) / l(j, j), inverse0 and inverse1 are the reciprocals of the two diagonal entries.
template <int ROWS>
inline void cholesky_rows_lanes(double* a, std::size_t n, std::size_t i, std::size_t j, vec below,
                                vec inverse0, vec inverse1) {
  vec x0[ROWS], x1[ROWS];
  double* rows = a + i * n * LANES;
  const double *top0 = a + j * n * LANES, *top1 = top0 + n * LANES;
  for (int r = 0; r < ROWS; ++r) {
    x0[r] = lane_load(rows, r * n + j);
    x1[r] = lane_load(rows, r * n + j + 1);
  }
  for (std::size_t k = 0; k < j; ++k) {
    const vec y0 = lane_load(top0, k), y1 = lane_load(top1, k);
    for (int r = 0; r < ROWS; ++r) {
      const vec l = lane_load(rows, r * n + k);
      x0[r] = fnma(l, y0, x0[r]);
      x1[r] = fnma(l, y1, x1[r]);
    }
  }
  for (int r = 0; r < ROWS; ++r) {
    lane_store(rows, r * n + j, x0[r] * inverse0);
    lane_store(rows, r * n + j + 1, fnma(x0[r], below, x1[r]) * inverse1);
  }
}

// a (n,n,L), pivot (L): see kernels.h.
inline void cholesky_lanes(double* a, std::size_t n, double* pivot) {
  vec largest{}, smallest = splat(__builtin_inf()), poison{};
  for (std::size_t i = 0; i < n; ++i) largest = max(lane_load(a, i * n + i), largest);
  for (std::size_t j = 0; j < n; j += 2) {
    double *row0 = a + j * n * LANES, *row1 = row0 + n * LANES;
    vec p0 = lane_load(row0, j);
    for (std::size_t k = 0; k < j; ++k) p0 = fnma(lane_load(row0, k), lane_load(row0, k), p0);
    smallest = min(p0, smallest);
    poison += p0 - p0;  // 0, or NaN for good once a pivot is not finite: min alone would forget it
    // 1 / p, not the square root, leads to the next pivot: the chain of dependent operations stays short.
    const vec reciprocal0 = splat(1) / p0, inverse0 = inverse_root_lanes(p0, reciprocal0);
    lane_store(row0, j, p0 * inverse0);
    if (j + 1 == n) break;
    vec x = lane_load(row1, j), p1 = lane_load(row1, j + 1);
    for (std::size_t k = 0; k < j; ++k) {
      const vec l = lane_load(row1, k);
      x = fnma(l, lane_load(row0, k), x);
      p1 = fnma(l, l, p1);
    }
    const vec below = x * reciprocal0;
    p1 = fnma(x, below, p1);
    smallest = min(p1, smallest);
    poison += p1 - p1;
    const vec inverse1 = inverse_root_lanes(p1, splat(1) / p1);
    lane_store(row1, j, x * inverse0);
    lane_store(row1, j + 1, p1 * inverse1);
    std::size_t i = j + 2;
    for (; i + 4 <= n; i += 4) cholesky_rows_lanes<4>(a, n, i, j, below, inverse0, inverse1);
    if (i + 2 <= n) {
      cholesky_rows_lanes<2>(a, n, i, j, below, inverse0, inverse1);
      i += 2;
    }
    if (i < n) cholesky_rows_lanes<1>(a, n, i, j, below, inverse0, inverse1);
  }
  store(pivot, smallest / largest + poison);
}

// Rows i .. i + ROWS - 1 of x (n,m), columns of one tile: x(i) = (x(i) - sum over k of t(i, k) x(k)) / t(i,
// i) with t(i, k) the vector i * row + k * column of t. The rows k of [first, last) are solved already, and
// then those of the tile itself: downwards, or upwards when UP.
template <int ROWS, int COLS, bool UP>
inline void solve_tile_lanes(const double* t, std::size_t row, std::size_t column, double* x, std::size_t m,
                             std::size_t i, std::size_t first, std::size_t last, const vec* inverse) {
  vec s[ROWS][COLS];
  for (int r = 0; r < ROWS; ++r)
    for (int c = 0; c < COLS; ++c) s[r][c] = lane_load(x, (i + r) * m + c);
  for (std::size_t k = first; k < last; ++k) {
    vec y[COLS];
    for (int c = 0; c < COLS; ++c) y[c] = lane_load(x, k * m + c);
    for (int r = 0; r < ROWS; ++r) {
      const vec f = lane_load(t, (i + r) * row + k * column);
      for (int c = 0; c < COLS; ++c) s[r][c] = fnma(f, y[c], s[r][c]);
    }
  }
  for (int step = 0; step < ROWS; ++step) {
    const int r = UP ? ROWS - 1 - step : step;
    for (int before = 0; before < step; ++before) {
      const int q = UP ? ROWS - 1 - before : before;
      const vec f = lane_load(t, (i + r) * row + (i + q) * column);
      for (int c = 0; c < COLS; ++c) s[r][c] = fnma(f, s[q][c], s[r][c]);
    }
    for (int c = 0; c < COLS; ++c) {
      s[r][c] *= inverse[r];
      lane_store(x, (i + r) * m + c, s[r][c]);
    }
  }
}

template <int ROWS, bool UP>
inline void solve_rows_lanes(const double* t, std::size_t row, std::size_t column, double* x, std::size_t m,
                             std::size_t i, std::size_t first, std::size_t last) {
  vec inverse[ROWS];
  for (int r = 0; r < ROWS; ++r) inverse[r] = splat(1) / lane_load(t, (i + r) * (row + column));
  std::size_t c = 0;
  for (; c + 4 <= m; c += 4)
    solve_tile_lanes<ROWS, 4, UP>(t, row, column, x + c * LANES, m, i, first, last, inverse);
  if (c + 2 <= m) {
    solve_tile_lanes<ROWS, 2, UP>(t, row, column, x + c * LANES, m, i, first, last, inverse);
    c += 2;
  }
  if (c < m) solve_tile_lanes<ROWS, 1, UP>(t, row, column, x + c * LANES, m, i, first, last, inverse);
}

// x (n,m,L) = l^-1 x, for l (n,n,L) lower triangular.
inline void solve_lower_lanes(const double* l, double* x, std::size_t n, std::size_t m) {
  std::size_t i = 0;
  for (; i + 2 <= n; i += 2) solve_rows_lanes<2, false>(l, n, 1, x, m, i, 0, i);
  if (i < n) solve_rows_lanes<1, false>(l, n, 1, x, m, i, 0, i);
}

// x (n,m,L) = l^-T x, for l (n,n,L) lower triangular.
inline void solve_lower_transposed_lanes(const double* l, double* x, std::size_t n, std::size_t m) {
  std::size_t i = n;
  for (; i >= 2; i -= 2) solve_rows_lanes<2, true>(l, 1, n, x, m, i - 2, i, n);
  if (i > 0) solve_rows_lanes<1, true>(l, 1, n, x, m, 0, 1, n);
}

// l (n,n,L), x (n,m,L): see kernels.h.
inline void cholesky_solve_lanes(const double* l, double* x, std::size_t n, std::size_t m) {
  solve_lower_lanes(l, x, n, m);
  solve_lower_transposed_lanes(l, x, n, m);
}

// ---- symmetric eigenproblem ----
//
// A = Q T Q^T by Householder reflections from the last row up, then implicit QL with Wilkinson shifts on T.
// (QL that starts at the other end from the reflections needs 10 to 50 % fewer sweeps than the other way
// round.) The rows of z start as those of Q^T and end as eigenvectors.
//   a (n,n,L): only its lower triangle is read
//   d (n,L), e (n,L): the diagonal of T, and T(i, i+1) with e[n-1] = 0
//   z (n,ld,L): see eigen_stride_lanes
//   t, p, q (n,L): scratch
//   c, s (EIGEN_DELAY,n,L): rotations not yet applied
constexpr double EIGEN_UNIT = 1.1102230246251565e-16;  // 2^-53
constexpr double EIGEN_ZERO = 1e-70;  // numbers below this are zero; entries are scaled to about 1
constexpr double EIGEN_TINY = EIGEN_ZERO * EIGEN_ZERO;
constexpr std::size_t EIGEN_DELAY = 8;  // sweeps whose rotations are applied together; even

// Rows of z are padded to an even number of vectors, for pairs of columns, and never a multiple of four
// apart: rows a power of two apart would fall into the same cache sets.
inline std::size_t eigen_stride_lanes(std::size_t n) { return ((n + 1) & ~std::size_t{3}) + 2; }
inline std::size_t eigen_lanes_work(std::size_t n) {
  return (n * eigen_stride_lanes(n) + (5 + 2 * EIGEN_DELAY) * n) * LANES;
}

// Tridiagonalises. Row k of a keeps the reflection v that zeroed it, left of the diagonal (v[k-1] = 1), t[k]
// its factor: H = 1 - t v v^T. The update A -= v p^T + p v^T of a step is applied in the next one, in the
// pass that computes A v.
inline void tridiagonal_lanes(double* a, double* d, double* e, double* t, double* p, double* q,
                              std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) lane_store(p, i, vec{});
  const double* u = p;  // the previous v; the first time p = u = 0
  for (std::size_t k = n - 1; k >= 2; --k) {
    double* v = a + k * n * LANES;
    const vec uk = lane_load(u, k), pk = lane_load(p, k);
    vec rest0{}, rest1{}, x0{};
    for (std::size_t j = 0; j < k; ++j) {
      x0 = fnma(uk, lane_load(p, j), fnma(pk, lane_load(u, j), lane_load(v, j)));
      lane_store(v, j, x0);
      if (j + 1 == k) break;
      const vec other = rest1;
      rest1 = fma(x0, x0, rest0);
      rest0 = other;
    }
    lane_store(d, k, fnma(uk + uk, pk, lane_load(v, k)));
    const vec square = fma(x0, x0, rest0 + rest1), tiny = splat(EIGEN_TINY);
    const mask none = (mask)(square <= tiny);
    const vec beta = with_sign(sqrt(max(square, tiny)), -x0);
    const vec factor = select(none, vec{}, (beta - x0) / beta);
    const vec scale = select(none, vec{}, splat(1) / (x0 - beta));
    lane_store(e, k - 1, select(none, x0, beta));
    lane_store(t, k, factor);
    for (std::size_t j = 0; j + 1 < k; ++j) lane_store(v, j, lane_load(v, j) * scale);
    lane_store(v, k - 1, splat(1));

    // q = A v, two rows at a time.
    std::size_t i = 0;
    for (; i + 2 <= k; i += 2) {
      double *row0 = a + i * n * LANES, *row1 = row0 + n * LANES;
      const vec u0 = lane_load(u, i), u1 = lane_load(u, i + 1), p0 = lane_load(p, i),
                p1 = lane_load(p, i + 1);
      const vec v0 = lane_load(v, i), v1 = lane_load(v, i + 1);
      vec s0{}, s1{};
      for (std::size_t j = 0; j < i; ++j) {
        const vec uj = lane_load(u, j), pj = lane_load(p, j), vj = lane_load(v, j);
        const vec y0 = fnma(u0, pj, fnma(p0, uj, lane_load(row0, j)));
        const vec y1 = fnma(u1, pj, fnma(p1, uj, lane_load(row1, j)));
        lane_store(row0, j, y0);
        lane_store(row1, j, y1);
        s0 = fma(y0, vj, s0);
        s1 = fma(y1, vj, s1);
        lane_store(q, j, fma(y0, v0, fma(y1, v1, lane_load(q, j))));
      }
      const vec y00 = fnma(u0 + u0, p0, lane_load(row0, i)), y11 = fnma(u1 + u1, p1, lane_load(row1, i + 1));
      const vec y10 = fnma(u1, p0, fnma(p1, u0, lane_load(row1, i)));
      lane_store(row0, i, y00);
      lane_store(row1, i, y10);
      lane_store(row1, i + 1, y11);
      lane_store(q, i, fma(y00, v0, fma(y10, v1, s0)));
      lane_store(q, i + 1, fma(y10, v0, fma(y11, v1, s1)));
    }
    if (i < k) {
      double* row = a + i * n * LANES;
      const vec ui = lane_load(u, i), pi = lane_load(p, i), vi = lane_load(v, i);
      vec s{};
      for (std::size_t j = 0; j < i; ++j) {
        const vec y = fnma(ui, lane_load(p, j), fnma(pi, lane_load(u, j), lane_load(row, j)));
        lane_store(row, j, y);
        s = fma(y, lane_load(v, j), s);
        lane_store(q, j, fma(y, vi, lane_load(q, j)));
      }
      const vec y = fnma(ui + ui, pi, lane_load(row, i));
      lane_store(row, i, y);
      lane_store(q, i, fma(y, vi, s));
    }

    // p = t q - (t^2 q.v / 2) v
    vec dot0{}, dot1{};
    for (std::size_t j = 0; j < k; ++j) {
      const vec other = dot1;
      dot1 = fma(lane_load(q, j), lane_load(v, j), dot0);
      dot0 = other;
    }
    const vec half = splat(0.5) * factor * factor * (dot0 + dot1);
    for (std::size_t j = 0; j < k; ++j)
      lane_store(p, j, fnma(half, lane_load(v, j), factor * lane_load(q, j)));
    u = v;
  }
  lane_store(e, n - 1, vec{});
  if (n > 1) {
    const vec u0 = lane_load(u, 0), u1 = lane_load(u, 1), p0 = lane_load(p, 0), p1 = lane_load(p, 1);
    lane_store(d, 1, fnma(u1 + u1, p1, lane_load(a, n + 1)));
    lane_store(e, 0, fnma(u1, p0, fnma(p1, u0, lane_load(a, n))));
    lane_store(d, 0, fnma(u0 + u0, p0, lane_load(a, 0)));
  } else {
    lane_store(d, 0, lane_load(a, 0));
  }
}

// ROWS rows of z times H = 1 - t v v^T, for v (k) with v[k-1] = 1 and rows whose entry k-1 is still 0.
template <int ROWS>
inline void reflect_rows_lanes(double* z, std::size_t ld, const double* v, vec t, std::size_t k) {
  vec dot[ROWS];
  for (int r = 0; r < ROWS; ++r) dot[r] = vec{};
  for (std::size_t j = 0; j + 1 < k; ++j) {
    const vec x = lane_load(v, j);
    for (int r = 0; r < ROWS; ++r) dot[r] = fma(lane_load(z, r * ld + j), x, dot[r]);
  }
  for (int r = 0; r < ROWS; ++r) {
    dot[r] *= t;
    lane_store(z, r * ld + k - 1, -dot[r]);
  }
  for (std::size_t j = 0; j + 1 < k; ++j) {
    const vec x = lane_load(v, j);
    for (int r = 0; r < ROWS; ++r) lane_store(z, r * ld + j, fnma(dot[r], x, lane_load(z, r * ld + j)));
  }
}

// z = Q^T = H(2) H(3) .. H(n-1), built from the left: H(k) reaches only the leading k rows and columns.
inline void reflections_lanes(const double* a, const double* t, double* z, std::size_t ld, std::size_t n) {
  lane_store(z, 0, splat(1));
  for (std::size_t k = 2; k < n; ++k) {
    const double* v = a + k * n * LANES;
    const vec factor = lane_load(t, k);
    std::size_t r = 0;
    for (; r + 4 < k; r += 4) reflect_rows_lanes<4>(z + r * ld * LANES, ld, v, factor, k);
    for (; r + 1 < k; ++r) reflect_rows_lanes<1>(z + r * ld * LANES, ld, v, factor, k);
    for (std::size_t j = 0; j + 1 < k; ++j) lane_store(z, (k - 1) * ld + j, -(factor * lane_load(v, j)));
    lane_store(z, (k - 1) * ld + k - 1, splat(1) - factor);
  }
  for (std::size_t i = 0; i + 1 < n; ++i) {
    lane_store(z, i * ld + n - 1, vec{});
    lane_store(z, (n - 1) * ld + i, vec{});
  }
  lane_store(z, (n - 1) * ld + n - 1, splat(1));
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = n; j < ld; ++j) lane_store(z, i * ld + j, vec{});
}

// Rotations of two sweeps on COLS columns of z, rows [bottom, top]. Rotation i of a sweep turns the rows i
// and i + 1; a sweep goes down from top - 1. The second sweep follows one row behind the first, so that a row
// is loaded and stored once for both. x1 and x2 are the rows that the next rotation of either sweep turns.
template <int COLS>
inline void rotate_columns_lanes(double* z, std::size_t ld, const double* c1, const double* s1,
                                 const double* c2, const double* s2, std::size_t bottom, std::size_t top) {
  vec x1[COLS], x2[COLS];
  double* row = z + (top - 1) * ld * LANES;
  {
    const vec c = lane_load(c1, top - 1), s = lane_load(s1, top - 1);
    for (int j = 0; j < COLS; ++j) {
      const vec x = lane_load(row, ld + j), y = lane_load(row, j);
      x2[j] = fma(s, y, c * x);
      x1[j] = fnma(s, x, c * y);
    }
  }
  for (std::size_t i = top - 1; i-- > bottom;) {
    row -= ld * LANES;
    const vec c = lane_load(c1, i), s = lane_load(s1, i), cc = lane_load(c2, i + 1),
              ss = lane_load(s2, i + 1);
    for (int j = 0; j < COLS; ++j) {
      const vec y = lane_load(row, j), done = fma(s, y, c * x1[j]);
      x1[j] = fnma(s, x1[j], c * y);
      lane_store(row, 2 * ld + j, fma(ss, done, cc * x2[j]));
      x2[j] = fnma(ss, x2[j], cc * done);
    }
  }
  const vec c = lane_load(c2, bottom), s = lane_load(s2, bottom);
  for (int j = 0; j < COLS; ++j) {
    lane_store(row, ld + j, fma(s, x1[j], c * x2[j]));
    lane_store(row, j, fnma(s, x2[j], c * x1[j]));
  }
}

// The delayed sweeps: c, s (count,n,L), count even, rotations [bottom[q], top[q]) of sweep q for each pair q,
// q + 1.
inline void rotate_lanes(double* z, std::size_t ld, std::size_t n, const double* c, const double* s,
                         std::size_t count, const std::size_t* bottom, const std::size_t* top) {
  const std::size_t pair = 2 * n * LANES, next = n * LANES;
  std::size_t j = 0;
  for (; j + 4 <= n; j += 4)
    for (std::size_t q = 0; q < count; q += 2) {
      const double *cq = c + q / 2 * pair, *sq = s + q / 2 * pair;
      rotate_columns_lanes<4>(z + j * LANES, ld, cq, sq, cq + next, sq + next, bottom[q], top[q]);
    }
  for (; j < n; j += 2)
    for (std::size_t q = 0; q < count; q += 2) {
      const double *cq = c + q / 2 * pair, *sq = s + q / 2 * pair;
      rotate_columns_lanes<2>(z + j * LANES, ld, cq, sq, cq + next, sq + next, bottom[q], top[q]);
    }
}

// The identity for rotations [bottom, top) of one sweep.
inline void idle_lanes(double* c, double* s, std::size_t bottom, std::size_t top) {
  for (std::size_t i = bottom; i < top; ++i) {
    lane_store(c, i, splat(1));
    lane_store(s, i, vec{});
  }
}

// Where each lane works: its first unreduced block of T, rows l to m, as numbers; m = 0 and l huge where none
// is left. With it the entries that give the shift: T(l, l), T(l + 1, l + 1), T(l, l + 1).
struct BlockLanes {
  vec l, m, dl, dl1, el;
};

// e = T(i, i + 1) between the diagonal entries x and y is as good as 0.
inline mask negligible_lanes(vec e, vec x, vec y, vec floor) {
  return (mask)(abs(e) <= max(splat(EIGEN_UNIT) * (abs(x) + abs(y)), floor));
}

// The first block within rows [from, to] of each lane of `wanted`, all of them within [low, high].
inline void find_block_lanes(BlockLanes& block, mask wanted, vec from, vec to, std::size_t low,
                             std::size_t high, const double* d, const double* e, vec floor) {
  vec l = splat(0x1p20), m{}, dl{}, dl1 = splat(1), el = splat(1), end = to, at = splat(high),
      above = lane_load(d, high);
  for (std::size_t i = high; i-- > low;) {
    const vec di = lane_load(d, i), ei = lane_load(e, i);
    const mask below = (mask)(at <= to);
    at -= splat(1);
    const mask small = negligible_lanes(ei, di, above, floor), inside = (mask)(at >= from) & below;
    const mask here = inside & ~small;
    l = select(here, at, l);
    m = select(here, end, m);
    dl = select(here, di, dl);
    dl1 = select(here, above, dl1);
    el = select(here, ei, el);
    end = select(inside & small, at, end);
    above = di;
  }
  block.l = select(wanted, l, block.l);
  block.m = select(wanted, m, block.m);
  block.dl = select(wanted, dl, block.dl);
  block.dl1 = select(wanted, dl1, block.dl1);
  block.el = select(wanted, el, block.el);
}

// Implicit QL: d, e as above in, eigenvalues in d out, rotations applied to the rows of z. Each lane works on
// its own block and leaves the rest alone; l never goes back, so that what is small once stays so however
// long the neighbours iterate. Returns the lanes that are not done after 40 n sweeps.
//
// The recurrence is that of Pal, Walker and Kahan (as in LAPACK's dsterf) with its square roots kept beside
// it: the chain of dependent operations from one rotation to the next holds one division and no square root.
// With pi the diagonal entry that the previous rotation left at i + 1 and c its cosine: gamma = c pi, p =
// pi^2, and the next rotation has cosine pi / sqrt(p + e^2) and sine e / sqrt(p + e^2).
inline mask implicit_ql_lanes(double* d, double* e, double* z, std::size_t ld, double* cosines, double* sines,
                              std::size_t n) {
  const vec tiny = splat(EIGEN_TINY), one = splat(1);
  vec norm{};
  for (std::size_t i = 0; i < n; ++i) norm = max(norm, max(abs(lane_load(d, i)), abs(lane_load(e, i))));
  const vec floor = max(norm * splat(EIGEN_UNIT), splat(EIGEN_ZERO));
  BlockLanes block{};
  find_block_lanes(block, ~mask{}, vec{}, splat(n - 1), 0, n - 1, d, e, floor);
  std::size_t delayed = 0, bottoms[EIGEN_DELAY], tops[EIGEN_DELAY];
  for (std::size_t sweep = 0; sweep < 40 * n; ++sweep) {
    const vec l = block.l, m = block.m;
    double least = l[0], most = m[0];
    for (std::size_t lane = 1; lane < LANES; ++lane) {
      least = l[lane] < least ? l[lane] : least;
      most = m[lane] > most ? m[lane] : most;
    }
    if (most == 0) break;
    const std::size_t bottom = (std::size_t)least, top = (std::size_t)most;
    double *cosine = cosines + delayed * n * LANES, *sine = sines + delayed * n * LANES;
    bottoms[delayed] = bottom;
    tops[delayed] = top;

    // The eigenvalue of the leading 2 x 2 block that is closer to d[l].
    const vec half = splat(0.5) * (block.dl1 - block.dl), square = block.el * block.el;
    const vec shift = block.dl - square / (half + with_sign(sqrt(fma(half, half, square)), half));
    vec p = one, pi = one, gamma = one, c = one, s{}, at = splat(top);
    for (std::size_t i = top; i-- > bottom;) {
      const vec alpha = lane_load(d, i), ei = lane_load(e, i), bb = ei * ei;
      const mask starts = (mask)(at == m), begun = (mask)(at <= m),
                 past = (mask)(at < m);  // at is i + 1 so far
      at -= one;
      const mask stops = (mask)(at == l), reached = (mask)(at >= l), active = begun & reached;
      if (any(starts)) {
        pi = select(starts, lane_load(d, i + 1) - shift, pi);
        gamma = select(starts, pi, gamma);
        p = select(starts, fma(pi, pi, tiny), p);
        c = select(starts, one, c);
      }
      const mask none = (mask)(p <= tiny + tiny);
      const vec r = p + bb, inverse_rp = one / (r * p), inverse = inverse_rp * p;
      const vec root = inverse_root_lanes(r, inverse);
      const vec nu = fma(p, alpha - shift, -(bb * gamma)), gamma1 = nu * inverse;
      vec p1 = fma(nu * nu, inverse_rp, tiny);  // never 0, for the division
      // pi follows p by multiplications alone; one step of Newton's method keeps it the root of p.
      const vec inverse_p = r * inverse_rp;
      pi = fma(splat(0.5) * pi * inverse_p, fnma(pi, pi, p), pi);
      vec pi1 = nu * root * (pi * inverse_p);
      if (any(none)) {
        p1 = select(none, fma(c * c, bb, tiny), p1);
        pi1 = select(none, -c * abs(ei), pi1);
      }
      lane_store(e, i + 1, select(past & reached, s * (r * root), lane_load(e, i + 1)));
      c = pi * root;
      s = ei * root;
      lane_store(d, i + 1, select(active, gamma + (alpha - gamma1), lane_load(d, i + 1)));
      lane_store(cosine, i, select(active, c, one));
      lane_store(sine, i, (vec)((mask)s & active));
      if (any(stops)) {
        lane_store(d, i, select(stops, shift + gamma1, alpha));
        lane_store(e, i, select(stops, s * pi1, ei));
      }
      gamma = gamma1;
      p = p1;
      pi = pi1;
    }
    find_block_lanes(block, ~mask{}, l, m, bottom, top, d, e, floor);
    const mask exhausted = (mask)(block.m == vec{}) & (mask)(m > vec{}) & (mask)(m < splat(n - 1));
    if (any(exhausted)) find_block_lanes(block, exhausted, m, splat(n - 1), 0, n - 1, d, e, floor);

    // The second sweep of a pair makes both cover the same rows.
    if (delayed % 2 == 1) {
      std::size_t &bottom0 = bottoms[delayed - 1], &top0 = tops[delayed - 1];
      const std::size_t high = top > top0 ? top : top0, low = bottom < bottom0 ? bottom : bottom0;
      idle_lanes(cosine - n * LANES, sine - n * LANES, low, bottom0);
      idle_lanes(cosine - n * LANES, sine - n * LANES, top0, high);
      idle_lanes(cosine, sine, low, bottom);
      idle_lanes(cosine, sine, top, high);
      top0 = high;
      bottom0 = low;
    }
    if (++delayed == EIGEN_DELAY) {
      rotate_lanes(z, ld, n, cosines, sines, delayed, bottoms, tops);
      delayed = 0;
    }
  }
  if (delayed % 2 == 1) {
    idle_lanes(cosines + delayed * n * LANES, sines + delayed * n * LANES, bottoms[delayed - 1],
               tops[delayed - 1]);
    ++delayed;
  }
  if (delayed > 0) rotate_lanes(z, ld, n, cosines, sines, delayed, bottoms, tops);
  return (mask)(block.m > vec{});
}

// a (n,n,L), w (n,L), work (eigen_lanes_work(n)): see kernels.h. Only the lower triangle of a is read.
inline void eigen_lanes(double* a, double* w, std::size_t n, double* work) {
  const std::size_t ld = eigen_stride_lanes(n);
  double *z = work, *d = z + n * ld * LANES, *e = d + n * LANES, *t = e + n * LANES, *p = t + n * LANES,
         *q = p + n * LANES;
  double *cosines = q + n * LANES, *sines = cosines + EIGEN_DELAY * n * LANES;

  // A lane whose largest entry is far from 1 is scaled by a power of two (exact); a lane with a NaN or an
  // infinity becomes 0 until the end.
  vec largest{}, poison{};
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      const vec x = lane_load(a, i * n + j);
      largest = max(abs(x), largest);
      poison = fma(x, vec{}, poison);
    }
  const mask finite = (mask)(poison == poison);
  vec power = (vec)((mask)largest & 0x7ff0000000000000);
  const mask far = (mask)(power > vec{}) & ((mask)(power < splat(0x1p-30)) | (mask)(power > splat(0x1p30)));
  power = select(far & finite, power, splat(1));
  if (any(far | ~finite)) {
    const vec down = splat(1) / power;
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j <= i; ++j)
        lane_store(a, i * n + j, select(finite, lane_load(a, i * n + j) * down, vec{}));
  }

  tridiagonal_lanes(a, d, e, t, p, q, n);
  reflections_lanes(a, t, z, ld, n);
  const mask open = implicit_ql_lanes(d, e, z, ld, cosines, sines, n);
  poison = select(open, splat(__builtin_nan("")), poison);

  // Rank of each eigenvalue in its lane, ties by index; then rows of z are gathered in that order, lane by
  // lane. Adding poison, 0 or NaN, also turns -0 into +0: the sign of a zero could depend on how long the
  // neighbours iterate.
  for (std::size_t i = 0; i < n; ++i) lane_store(p, i, vec{});
  for (std::size_t i = 0; i < n; ++i) {
    const vec di = lane_load(d, i);
    vec behind = lane_load(p, i);
    for (std::size_t j = i + 1; j < n; ++j) {
      const vec ahead = (vec)((mask)(lane_load(d, j) > di) & (mask)splat(1));
      behind += ahead;
      lane_store(p, j, lane_load(p, j) + (splat(1) - ahead));
    }
    lane_store(p, i, behind);
  }
  double* order = q;  // order[rank] = index of the eigenvalue; 0 where NaN left a gap
  for (std::size_t i = 0; i < n; ++i) lane_store(order, i, vec{});
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t lane = 0; lane < LANES; ++lane)
      order[(std::size_t)p[i * LANES + lane] * LANES + lane] = (double)i;
  for (std::size_t i = 0; i < n; ++i) {
    const double* from[LANES];
    vec value;
    for (std::size_t lane = 0; lane < LANES; ++lane) {
      const std::size_t index = (std::size_t)order[i * LANES + lane];
      from[lane] = z + index * ld * LANES + lane;
      value[lane] = d[index * LANES + lane];
    }
    lane_store(w, i, (value + poison) * power);
    for (std::size_t j = 0; j < n; ++j) {
      vec x;
      for (std::size_t lane = 0; lane < LANES; ++lane) x[lane] = from[lane][j * LANES];
      lane_store(a, i * n + j, x + poison);
    }
  }
}

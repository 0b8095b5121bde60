// Small linear algebra on L = LANES problems at once, one per SIMD lane (the *lanes* family of kernels.h).
//
// Storage: element (i, j) of a (rows, cols, L) array is the vector at a + (i * cols + j) * L. Rows, sizes and
// strides below count vectors; the helpers lane_load and lane_store turn an index of vectors into an address.
// No lane reads another lane's values. Where lanes take different paths (deflation), the path is chosen per
// lane by masks, and a lane that does not take part keeps its bits.
inline vec lane_load(const double* p, std::size_t i) { return load(p + i * LANES); }
inline void lane_store(double* p, std::size_t i, vec v) { store(p + i * LANES, v); }
template <typename M>
inline void lane_store_where(M m, double* p, std::size_t i, vec v) {
  store_where(m, p + i * LANES, v);
}
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
    for (int j = 0; j < COLS; ++j) sum[i][j] = vec{};
  for (std::size_t p = 0; p < k; ++p) {
    vec right[COLS];
    for (int j = 0; j < COLS; ++j) right[j] = lane_load(b, p * b_row + j * b_col);
    for (int i = 0; i < ROWS; ++i) {
      const vec left = held(lane_load(a, i * a_row + p * a_col));
      for (int j = 0; j < COLS; ++j) sum[i][j] = fma(left, right[j], sum[i][j]);
    }
  }
  for (int i = 0; i < ROWS; ++i)
    for (int j = 0; j < COLS; ++j)
      lane_store(c, i * c_row + j, accumulate ? lane_load(c, i * c_row + j) + sum[i][j] : sum[i][j]);
}

// Columns of a tile of four rows: what the registers hold.
constexpr int LANE_TILE = LANES == 8 ? 4 : 3;

// ROWS rows of c. Every element is the same chain of fma over p whatever its tile, so tiling never shows in
// the bits.
template <int ROWS>
inline void gemm_rows_lanes(double* c, const double* a, std::size_t a_row, std::size_t a_col, const double* b,
                            std::size_t b_row, std::size_t b_col, std::size_t n, std::size_t k,
                            bool accumulate) {
  std::size_t j = 0;
  for (; j + LANE_TILE <= n; j += LANE_TILE)
    gemm_tile_lanes<ROWS, LANE_TILE>(c + j * LANES, n, a, a_row, a_col, b + j * b_col * LANES, b_row, b_col,
                                     k, accumulate);
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
      const vec l = held(lane_load(rows, r * n + k));
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
      const vec f = held(lane_load(t, (i + r) * row + k * column));
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
//   d (n,L), e (n,L): the diagonal of T, and T(i, i+1) with e[n-1] = 0; QL keeps e as f and g, see SweepLanes
//   z (n,ld,L): see eigen_stride_lanes
//   t, p, q (n,L): scratch
//   rotations not yet applied: see RotationLanes
constexpr double EIGEN_UNIT = 1.1102230246251565e-16;  // 2^-53
constexpr double EIGEN_ZERO = 1e-70;  // numbers below this are zero; entries are scaled to about 1
constexpr double EIGEN_TINY = EIGEN_ZERO * EIGEN_ZERO;
constexpr std::size_t EIGEN_DELAY = 8;  // sweeps whose rotations are applied together; a multiple of LANES
constexpr double MOST_SHRUNK =
    0x1p200;  // beyond it rows go back to length 1 after the next EIGEN_DELAY sweeps
constexpr double SMALL_COSINE = 0x1p-15;  // rows shrink by no more than its square in a sweep

// Rows of z are padded to an even number of vectors, for pairs of columns, and never a multiple of four
// apart: rows a power of two apart would fall into the same cache sets.
inline std::size_t eigen_stride_lanes(std::size_t n) { return ((n + 1) & ~std::size_t{3}) + 2; }
inline std::size_t eigen_lanes_work(std::size_t n) {
  return (n * eigen_stride_lanes(n) + (6 + 4 * EIGEN_DELAY) * n) * LANES + EIGEN_DELAY * n;
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

// A rotation by c and s of the rows x and y of z is x' = c x + s y, y' = c y - s x: four operations an
// element. With the rows stored up to a factor, x = kx X and y = ky Y, it takes two (fast Givens rotations):
//   X' = X + u Y, Y' = Y - v X with u = s ky / (c kx), v = s kx / (c ky), kx' = c kx, ky' = c ky.
// Where c is small its place is taken by s:
//   X' = X / u + Y, Y' = Y / v - X, kx' = s ky, ky' = s kx.
// Nothing is lost but range, and rows that have become short go back to length 1. Rotation i of a sweep turns
// the rows i + 1 (x) and i (y); a sweep goes down from its top.
struct RotationLanes {
  double *u, *v;            // (EIGEN_DELAY,n,L)
  double *fx, *fy;          // (EIGEN_DELAY,n,L): 1 / u and 1 / v, or 1; written only where `swaps` says so
  double* swaps;            // (EIGEN_DELAY,n): not 0 where a cosine is small in some lane, in sweeps with any
  bool small[EIGEN_DELAY];  // whether a sweep has any
  std::size_t bottom[EIGEN_DELAY];  // rotations [bottom, n - 1)
};

// Two sweeps on COLS columns of z. The second follows one row behind the first, so that a row is loaded and
// stored once for both. x1 and x2 are the rows that the next rotation of either sweep turns.
template <int COLS>
inline void rotate_columns_lanes(double* z, std::size_t ld, const double* u1, const double* v1,
                                 const double* u2, const double* v2, std::size_t bottom, std::size_t top) {
  vec x1[COLS], x2[COLS];
  double* row = z + (top - 1) * ld * LANES;
  {
    const vec u = lane_load(u1, top - 1), v = lane_load(v1, top - 1);
    for (int j = 0; j < COLS; ++j) {
      const vec x = lane_load(row, ld + j), y = lane_load(row, j);
      x2[j] = fma(u, y, x);
      x1[j] = fnma(v, x, y);
    }
  }
  for (std::size_t i = top - 1; i-- > bottom;) {
    row -= ld * LANES;
    const vec u = lane_load(u1, i), v = lane_load(v1, i), uu = lane_load(u2, i + 1),
              vv = lane_load(v2, i + 1);
    for (int j = 0; j < COLS; ++j) {
      const vec y = lane_load(row, j), done = fma(u, y, x1[j]);
      x1[j] = fnma(v, x1[j], y);
      lane_store(row, 2 * ld + j, fma(uu, done, x2[j]));
      x2[j] = fnma(vv, x2[j], done);
    }
  }
  const vec u = lane_load(u2, bottom), v = lane_load(v2, bottom);
  for (int j = 0; j < COLS; ++j) {
    lane_store(row, ld + j, fma(u, x1[j], x2[j]));
    lane_store(row, j, fnma(v, x2[j], x1[j]));
  }
}

// One sweep with small cosines in it, on every column.
inline void rotate_swapping_lanes(double* z, std::size_t ld, std::size_t n, const RotationLanes& r,
                                  std::size_t q) {
  const std::size_t at = q * n * LANES;
  for (std::size_t i = n - 1; i-- > r.bottom[q];) {
    const bool small = r.small[q] && r.swaps[q * n + i] != 0;
    const vec u = lane_load(r.u + at, i), v = lane_load(r.v + at, i);
    const vec fx = small ? lane_load(r.fx + at, i) : splat(1),
              fy = small ? lane_load(r.fy + at, i) : splat(1);
    double* row = z + i * ld * LANES;
    for (std::size_t j = 0; j < n; ++j) {
      const vec x = lane_load(row, ld + j), y = lane_load(row, j);
      lane_store(row, ld + j, fma(u, y, fx * x));
      lane_store(row, j, fnma(v, x, fy * y));
    }
  }
}

// What brings row i of z back to length 1.
inline vec inverse_length_lanes(const double* z, std::size_t ld, std::size_t i) {
  const double* row = z + i * ld * LANES;
  vec s0{}, s1{};
  for (std::size_t j = 0; j < ld; j += 2) {
    s0 = fma(lane_load(row, j), lane_load(row, j), s0);
    s1 = fma(lane_load(row, j + 1), lane_load(row, j + 1), s1);
  }
  return inverse_root_lanes(s0 + s1, splat(1) / (s0 + s1));
}

// Applies the first `count` delayed sweeps, count even, to z. The sweeps of a pair reach over the same rows.
inline void rotate_lanes(double* z, std::size_t ld, std::size_t n, const RotationLanes& r,
                         std::size_t count) {
  const std::size_t next = n * LANES;
  for (std::size_t q = 0; q < count;) {
    if (r.small[q] || r.small[q + 1]) {
      rotate_swapping_lanes(z, ld, n, r, q);
      rotate_swapping_lanes(z, ld, n, r, q + 1);
      q += 2;
      continue;
    }
    std::size_t end = q + 2;
    while (end < count && !r.small[end] && !r.small[end + 1]) end += 2;
    std::size_t j = 0;
    if constexpr (LANES >= 8)
      for (; j + 8 <= n; j += 8)
        for (std::size_t pair = q; pair < end; pair += 2) {
          const double *u = r.u + pair * next, *v = r.v + pair * next;
          rotate_columns_lanes<8>(z + j * LANES, ld, u, v, u + next, v + next, r.bottom[pair], n - 1);
        }
    for (; j + 4 <= n; j += 4)
      for (std::size_t pair = q; pair < end; pair += 2) {
        const double *u = r.u + pair * next, *v = r.v + pair * next;
        rotate_columns_lanes<4>(z + j * LANES, ld, u, v, u + next, v + next, r.bottom[pair], n - 1);
      }
    for (; j < n; j += 2)
      for (std::size_t pair = q; pair < end; pair += 2) {
        const double *u = r.u + pair * next, *v = r.v + pair * next;
        rotate_columns_lanes<2>(z + j * LANES, ld, u, v, u + next, v + next, r.bottom[pair], n - 1);
      }
    q = end;
  }
}

// No rotation at all, for rotations [bottom, top) of sweep q.
inline void idle_lanes(RotationLanes& r, std::size_t n, std::size_t q, std::size_t bottom, std::size_t top) {
  for (std::size_t i = bottom; i < top; ++i) {
    lane_store(r.u + q * n * LANES, i, vec{});
    lane_store(r.v + q * n * LANES, i, vec{});
  }
}

// Where each lane works: the first row l of its T that is not split off yet, as a number (huge where all
// are). With it the entries that give the shift: T(l, l), T(l + 1, l + 1), T(l, l + 1)^2.
struct FrontLanes {
  vec l, dl, dl1, square;
};

// Moves every lane's front up past entries T(i, i + 1) that are negligible between their neighbours on the
// diagonal. No front is below row `low`.
inline void advance_lanes(FrontLanes& front, std::size_t low, std::size_t n, const double* d, const double* f,
                          const double* g, vec floor) {
  vec l = splat(0x1p20), dl{}, dl1 = splat(1), square = splat(1), at = splat(low), x = lane_load(d, low);
  mask open = ~mask{};
  for (std::size_t i = low; i + 1 < n; ++i) {
    const vec y = lane_load(d, i + 1), ee = lane_load(f, i) * lane_load(g, i);
    const vec least = max(splat(EIGEN_UNIT) * (abs(x) + abs(y)), floor);
    const mask here = open & (mask)(at >= front.l) & (mask)(ee > least * least);
    l = select(here, at, l);
    dl = select(here, x, dl);
    dl1 = select(here, y, dl1);
    square = select(here, ee, square);
    open &= ~here;
    if (!any(open)) break;
    at += splat(1);
    x = y;
  }
  front = FrontLanes{l, dl, dl1, square};
}

// One problem per lane, between the stages of its solution.
struct EigenLanes {
  double *a, *z, *d, *f, *g, *t, *p, *q;  // f g = e^2, see SweepLanes
  RotationLanes rotations;
  FrontLanes front;
  vec shrunk;  // rows of z are no shorter than 1 over this
  vec floor, power, poison;
};

// A sweep on its way from one rotation to the next, without square roots: the recurrence of Pal, Walker and
// Kahan (as in LAPACK's dsterf), carried over to the rotations themselves.
//
// With pi the diagonal entry that rotation i + 1 left at i + 1, c its cosine, gamma = c pi and p = pi^2,
// rotation i has the cosine^2 p / (p + e^2) and the tangent e / pi. The rows of z have factors k
// (RotationLanes); where e(i) would stand there are f(i) = e(i) k(i) / k(i+1) and g(i) = e(i) k(i+1) / k(i),
// of the sweep before. Then u = f / gamma and v = g c^2 / gamma, and the next f(i+1) and g(i+1) are u(i+1)
// gamma and v(i+1) c^2 (p + e^2) / gamma: the factors themselves are never needed.
struct SweepLanes {
  vec l, shift, least;
  vec p, gamma, inverse_cc, u, v;  // of the rotation before; inverse_cc: 1 / c^2
  vec shrink;                      // the greatest 1 / c^2 so far: no row loses more in a sweep

  // The shift: the eigenvalue of the leading 2 x 2 block that is closer to d[l].
  inline void begin(const FrontLanes& front, vec floor, vec last) {
    const vec half = splat(0.5) * (front.dl1 - front.dl), square = front.square;
    shift = front.dl - square / (half + with_sign(sqrt(fma(half, half, square)), half));
    l = front.l;
    least = splat(0.125) * floor;
    gamma = with_sign(max(abs(last - shift), least), last - shift);
    p = gamma * gamma;
    inverse_cc = shrink = splat(1);
    u = v = vec{};
  }

  // Rotation i of sweep q, in lanes with l <= i.
  inline void rotate(std::size_t i, std::size_t q, std::size_t n, double* d, double* f, double* g,
                     RotationLanes& rotations) {
    const std::size_t at = q * n * LANES;
    const vec one = splat(1), here = splat(i);
    const vec alpha = lane_load(d, i), fi = lane_load(f, i), gi = lane_load(g, i), bb = fi * gi;
    const auto active = less_equal(l, here), stops = equal(l, here), goes_on = less(l, here);
    const vec r = p + bb, inverse_rp = one / (r * p), inverse_cc1 = r * (r * inverse_rp);
    const vec h = gamma * (r * inverse_rp);
    const vec nu = fma(p, alpha - shift, -(bb * gamma));
    vec gamma1 = nu * (p * inverse_rp), p1 = nu * nu * inverse_rp;
    // A pivot that is zero to rounding would stop all: it becomes as small as rounding errors are.
    const auto vanished = less(p1, least * least) & goes_on;
    if (any(vanished)) {
      gamma1 = select(vanished, with_sign(least * sqrt(one / inverse_cc1), gamma1), gamma1);
      p1 = select(vanished, least * least, p1);
    }
    vec f1 = u * gamma, g1 = v * (h * r);
    u = fi * (h * inverse_cc);
    v = gi * h;
    vec ui = u, vi = v, loss = inverse_cc1;
    const auto small = less(splat(1 / (SMALL_COSINE * SMALL_COSINE)), inverse_cc1) & active;
    if (any(small)) {
      for (std::size_t k = 0; k < n && !rotations.small[q]; ++k) rotations.swaps[q * n + k] = 0;
      rotations.small[q] = true;
      rotations.swaps[q * n + i] = 1;
      const vec over_u = one / u, over_v = one / v, swap = u;
      lane_store(rotations.fx + at, i, select(small, over_u, one));
      lane_store(rotations.fy + at, i, select(small, over_v, one));
      f1 = select(small, f1 * u, f1);
      g1 = select(small, g1 * over_u, g1);
      if (i > 0) {
        lane_store(f, i - 1, lane_load(f, i - 1) * select(small, over_v, one));
        lane_store(g, i - 1, lane_load(g, i - 1) * select(small, v, one));
      }
      loss = select(small, one, loss);
      ui = select(small, one, u);
      vi = select(small, one, v);
      u = select(small, v, u);
      v = select(small, swap, v);
    }
    shrink = max(shrink, select(active, loss, one));
    lane_store_where(active, f, i + 1, f1);
    lane_store_where(active, g, i + 1, g1);
    lane_store_where(active, d, i + 1, gamma + (alpha - gamma1));
    lane_store(rotations.u + at, i, select(active, ui, vec{}));
    lane_store(rotations.v + at, i, select(active, vi, vec{}));
    if (any(stops)) {
      lane_store_where(stops, d, i, shift + gamma1);
      lane_store_where(stops, f, i, u * gamma1);
      lane_store_where(stops, g, i, v * gamma1);
    }
    gamma = gamma1;
    p = p1;
    inverse_cc = inverse_cc1;
  }
};

// Rows of z back to length 1, and with them f and g, in lanes that have work left and might run out of range.
inline void normalise_lanes(EigenLanes& x, std::size_t ld, std::size_t n) {
  const auto due = less(splat(MOST_SHRUNK), x.shrunk) & less(x.front.l, splat(n));
  if (!any(due)) return;
  x.shrunk = select(due, splat(1), x.shrunk);
  for (std::size_t i = 0; i < n; ++i) {
    const vec factor = select(due, inverse_length_lanes(x.z, ld, i), splat(1));
    for (std::size_t j = 0; j < n; ++j) lane_store(x.z, i * ld + j, lane_load(x.z, i * ld + j) * factor);
    const vec f = lane_load(x.f, i), e = with_sign(sqrt(max(f * lane_load(x.g, i), vec{})), f);
    lane_store_where(due, x.f, i, e);
    lane_store_where(due, x.g, i, e);
  }
}

// Implicit QL: d, f = e as above in, eigenvalues in d out, rotations applied to the rows of z, whose lengths
// are no longer 1. Sweeps start at the last row of T in every lane and end at the lane's front, which never
// goes back: so what is small once stays so, however long the neighbours iterate. A lane that is not done
// after 40 n sweeps keeps front.l < n. The problems of several vectors go through it side by side: one's
// chain of dependent operations fills the other's pauses.
template <int GROUPS>
inline void implicit_ql_lanes(EigenLanes* x, std::size_t ld, std::size_t n) {
  for (int g = 0; g < GROUPS; ++g) {
    vec norm{};
    for (std::size_t i = 0; i < n; ++i) {
      const vec e = lane_load(x[g].f, i);
      norm = max(norm, max(abs(lane_load(x[g].d, i)), abs(e)));
      lane_store(x[g].g, i, e);
    }
    x[g].floor = max(norm * splat(EIGEN_UNIT), splat(EIGEN_ZERO));
    x[g].front = FrontLanes{};
    x[g].shrunk = splat(1);
    advance_lanes(x[g].front, 0, n, x[g].d, x[g].f, x[g].g, x[g].floor);
  }
  std::size_t delayed = 0, bottom = 0;  // no front is below row `bottom`
  for (std::size_t sweep = 0; sweep < 40 * n; ++sweep) {
    vec first = x[0].front.l;
    for (int g = 1; g < GROUPS; ++g) first = min(first, x[g].front.l);
    while (bottom < n && !any(less_equal(first, splat(bottom)))) ++bottom;
    if (bottom == n) break;

    SweepLanes s[GROUPS];
    for (int g = 0; g < GROUPS; ++g) {
      s[g].begin(x[g].front, x[g].floor, lane_load(x[g].d, n - 1));
      x[g].rotations.small[delayed] = false;
    }
    for (std::size_t i = n - 1; i-- > bottom;)
#pragma GCC unroll 4
      for (int g = 0; g < GROUPS; ++g) s[g].rotate(i, delayed, n, x[g].d, x[g].f, x[g].g, x[g].rotations);
    for (int g = 0; g < GROUPS; ++g) {
      RotationLanes& r = x[g].rotations;
      x[g].shrunk *= s[g].shrink;
      advance_lanes(x[g].front, bottom, n, x[g].d, x[g].f, x[g].g, x[g].floor);
      r.bottom[delayed] = bottom;
      // The second sweep of a pair covers the rows of the first.
      if (delayed % 2 == 1) {
        idle_lanes(r, n, delayed, r.bottom[delayed - 1], bottom);
        r.bottom[delayed] = r.bottom[delayed - 1];
      }
    }
    if (++delayed == EIGEN_DELAY) {
      for (int g = 0; g < GROUPS; ++g) {
        rotate_lanes(x[g].z, ld, n, x[g].rotations, delayed);
        normalise_lanes(x[g], ld, n);
      }
      delayed = 0;
    }
  }
  for (int g = 0; g < GROUPS; ++g) {
    RotationLanes& r = x[g].rotations;
    if (delayed % 2 == 1) {
      idle_lanes(r, n, delayed, r.bottom[delayed - 1], n - 1);
      r.small[delayed] = false;
      r.bottom[delayed] = r.bottom[delayed - 1];
    }
    rotate_lanes(x[g].z, ld, n, r, (delayed + 1) & ~std::size_t{1});
  }
}

// The arrays of one vector of problems, a (n,n,L) apart.
inline EigenLanes eigen_arrays_lanes(double* a, std::size_t n, double* work) {
  const std::size_t row = n * LANES;
  EigenLanes x{};
  const auto take = [&](std::size_t count) {
    double* array = work;
    work += count;
    return array;
  };
  x.a = a;
  x.z = take(n * eigen_stride_lanes(n) * LANES);
  x.d = take(row);
  x.f = take(row);
  x.g = take(row);
  x.t = take(row);
  x.p = take(row);
  x.q = take(row);
  x.rotations.u = take(EIGEN_DELAY * row);
  x.rotations.v = take(EIGEN_DELAY * row);
  x.rotations.fx = take(EIGEN_DELAY * row);
  x.rotations.fy = take(EIGEN_DELAY * row);
  x.rotations.swaps = take(EIGEN_DELAY * n);
  return x;
}

// From a to d, f = e and z.
inline void eigen_reduce_lanes(EigenLanes& x, std::size_t n) {
  // A lane whose largest entry is far from 1 is scaled by a power of two (exact); a lane with a NaN or an
  // infinity becomes 0 until the end.
  vec largest{}, poison{};
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      const vec y = lane_load(x.a, i * n + j);
      largest = max(abs(y), largest);
      poison = fma(y, vec{}, poison);
    }
  const mask finite = (mask)(poison == poison);
  vec power = (vec)((mask)largest & 0x7ff0000000000000);
  const mask far = (mask)(power > vec{}) & ((mask)(power < splat(0x1p-30)) | (mask)(power > splat(0x1p30)));
  power = select(far & finite, power, splat(1));
  if (any(far | ~finite)) {
    const vec down = splat(1) / power;
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j <= i; ++j)
        lane_store(x.a, i * n + j, select(finite, lane_load(x.a, i * n + j) * down, vec{}));
  }
  x.power = power;
  x.poison = poison;
  tridiagonal_lanes(x.a, x.d, x.f, x.t, x.p, x.q, n);
  reflections_lanes(x.a, x.t, x.z, eigen_stride_lanes(n), n);
}

// Eigenvalues at their true scale; p: the rank of each in its lane, ties by index. Adding poison, 0 or NaN,
// also turns -0 into +0: the sign of a zero could depend on how long the neighbours iterate.
inline void eigen_rank_lanes(EigenLanes& x, std::size_t n) {
  x.poison = select((mask)(x.front.l < splat(n)), splat(__builtin_nan("")), x.poison);
  for (std::size_t i = 0; i < n; ++i) lane_store(x.p, i, vec{});
  for (std::size_t i = 0; i < n; ++i) {
    const vec di = lane_load(x.d, i);
    vec behind = lane_load(x.p, i);
    for (std::size_t j = i + 1; j < n; ++j) {
      const vec ahead = (vec)((mask)(lane_load(x.d, j) > di) & (mask)splat(1));
      behind += ahead;
      lane_store(x.p, j, lane_load(x.p, j) + (splat(1) - ahead));
    }
    lane_store(x.p, i, behind);
    lane_store(x.d, i, (di + x.poison) * x.power);
  }
}

// a (n,n,L), w (n,L), work (eigen_lanes_work(n)): see kernels.h. Only the lower triangle of a is read. Not
// sorted, eigenvectors stay where their coordinates are: coordinates at the end that are coupled to each
// other alone keep the last rows.
inline void eigen_lanes(double* a, double* w, std::size_t n, double* work, bool sorted) {
  const std::size_t ld = eigen_stride_lanes(n);
  EigenLanes x = eigen_arrays_lanes(a, n, work);
  eigen_reduce_lanes(x, n);
  implicit_ql_lanes<1>(&x, ld, n);
  eigen_rank_lanes(x, n);
  if (!sorted) {
    for (std::size_t i = 0; i < n; ++i) {
      const vec factor = inverse_length_lanes(x.z, ld, i);
      lane_store(w, i, lane_load(x.d, i));
      for (std::size_t j = 0; j < n; ++j)
        lane_store(a, i * n + j, fma(lane_load(x.z, i * ld + j), factor, x.poison));
    }
    return;
  }

  // Rows of z are gathered in order, lane by lane, and take their length.
  for (std::size_t i = 0; i < n; ++i) lane_store(x.t, i, inverse_length_lanes(x.z, ld, i));
  double* order = x.q;  // order[rank] = index of the eigenvalue
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t lane = 0; lane < LANES; ++lane)
      order[(std::size_t)x.p[i * LANES + lane] * LANES + lane] = (double)i;
  for (std::size_t i = 0; i < n; ++i) {
    const double* from[LANES];
    vec value, factor;
    for (std::size_t lane = 0; lane < LANES; ++lane) {
      const std::size_t index = (std::size_t)order[i * LANES + lane];
      from[lane] = x.z + index * ld * LANES + lane;
      value[lane] = x.d[index * LANES + lane];
      factor[lane] = x.t[index * LANES + lane];
    }
    lane_store(w, i, value);
    for (std::size_t j = 0; j < n; ++j) {
      vec y;
      for (std::size_t lane = 0; lane < LANES; ++lane) y[lane] = from[lane][j * LANES];
      lane_store(a, i * n + j, fma(y, factor, x.poison));
    }
  }
}

// In descending order: see kernels.h.
inline void eigen_lanes(double* a, double* w, std::size_t n, double* work) {
  eigen_lanes(a, w, n, work, true);
}

// ---- problems one after another, as callers have them ----

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
                               double* vectors, double* work) {
  EigenLanes x[GROUPS];
  const std::size_t nn = n * n, share = nn * LANES + eigen_lanes_work(n);
  for (int g = 0; g < GROUPS; ++g) {
    const std::size_t first = g * LANES, present = count - first < LANES ? count - first : LANES;
    x[g] = eigen_arrays_lanes(work + g * share, n, work + g * share + nn * LANES);
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
inline void eigen_batch(const double* matrices, std::size_t n, std::size_t count, double* values,
                        double* vectors, double* work) {
  while (count > 0) {
    const std::size_t most = n <= EIGEN_PAIRED ? 2 * LANES : LANES, present = count < most ? count : most;
    if (present > LANES)
      eigen_groups_lanes<2>(matrices, n, present, values, vectors, work);
    else
      eigen_groups_lanes<1>(matrices, n, present, values, vectors, work);
    matrices += present * n * n;
    values += present * n;
    vectors += present * n * n;
    count -= present;
  }
}
inline std::size_t eigen_batch_work(std::size_t n) {
  return (n <= EIGEN_PAIRED ? 2 : 1) * (n * n * LANES + eigen_lanes_work(n));
}

// See kernels.h.
inline void cholesky_solve_batch(const double* matrices, const double* right_sides, std::size_t n,
                                 std::size_t m, std::size_t count, double* solutions, double* work) {
  double *a = work, *x = a + n * n * LANES, *pivot = x + n * m * LANES;
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
inline std::size_t cholesky_batch_work(std::size_t n, std::size_t m) { return (n * n + n * m + 1) * LANES; }

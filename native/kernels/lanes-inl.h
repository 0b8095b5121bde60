// Small linear algebra on L = LANES problems at once, one per SIMD lane (the *lanes* family of kernels.h).
//
// Storage: element (i, j) of a (rows, cols, L) array is the vector at a + (i * cols + j) * L. Rows, sizes and strides
// below count vectors; the helpers lane_load and lane_store turn an index of vectors into an address.
// No lane reads another lane's values. Where lanes take different paths (deflation), the path is chosen per lane by
// masks, and a lane that does not take part keeps its bits.
inline vec lane_load(const double* p, std::size_t i) { return load(p + i * LANES); }
inline void lane_store(double* p, std::size_t i, vec v) { store(p + i * LANES, v); }
inline vec with_sign(vec magnitude, vec sign) {
  const mask bit = mask{} + INT64_MIN;
  return (vec)(((mask)magnitude & ~bit) | ((mask)sign & bit));
}

// ---- products ------------------------------------------------------------------------------------------------------
// One ROWS x COLS tile of c = op(a) op(b), or of c += op(a) op(b): element (i, p) of op(a) is the vector a_row * i +
// a_col * p, and so on.
template <int ROWS, int COLS>
inline void gemm_tile_lanes(double* c, std::size_t c_row, const double* a, std::size_t a_row, std::size_t a_col,
                            const double* b, std::size_t b_row, std::size_t b_col, std::size_t k, bool accumulate) {
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

// ROWS rows of c. Every element is the same chain of fma over p whatever its tile, so tiling never shows in the bits.
template <int ROWS>
inline void gemm_rows_lanes(double* c, const double* a, std::size_t a_row, std::size_t a_col, const double* b,
                            std::size_t b_row, std::size_t b_col, std::size_t n, std::size_t k, bool accumulate) {
  std::size_t j = 0;
  for (; j + 3 <= n; j += 3)
    gemm_tile_lanes<ROWS, 3>(c + j * LANES, n, a, a_row, a_col, b + j * b_col * LANES, b_row, b_col, k, accumulate);
  for (; j < n; ++j)
    gemm_tile_lanes<ROWS, 1>(c + j * LANES, n, a, a_row, a_col, b + j * b_col * LANES, b_row, b_col, k, accumulate);
}

inline void gemm_strided_lanes(double* c, const double* a, std::size_t a_row, std::size_t a_col, const double* b,
                               std::size_t b_row, std::size_t b_col, std::size_t m, std::size_t n, std::size_t k,
                               bool accumulate) {
  std::size_t i = 0;
  for (; i + 4 <= m; i += 4)
    gemm_rows_lanes<4>(c + i * n * LANES, a + i * a_row * LANES, a_row, a_col, b, b_row, b_col, n, k, accumulate);
  for (; i < m; ++i)
    gemm_rows_lanes<1>(c + i * n * LANES, a + i * a_row * LANES, a_row, a_col, b, b_row, b_col, n, k, accumulate);
}

// c must not overlap a or b. With accumulate the product is added to c; without, c is overwritten whatever it holds.
//   nn: c (m,n,L) = a (m,k,L) b (k,n,L)
//   nt: c (m,n,L) = a (m,k,L) b (n,k,L)^T
//   tn: c (m,n,L) = a (k,m,L)^T b (k,n,L)
inline void gemm_nn_lanes(double* c, const double* a, const double* b, std::size_t m, std::size_t n, std::size_t k,
                          bool accumulate = false) {
  gemm_strided_lanes(c, a, k, 1, b, n, 1, m, n, k, accumulate);
}
inline void gemm_nt_lanes(double* c, const double* a, const double* b, std::size_t m, std::size_t n, std::size_t k,
                          bool accumulate = false) {
  gemm_strided_lanes(c, a, k, 1, b, 1, k, m, n, k, accumulate);
}
inline void gemm_tn_lanes(double* c, const double* a, const double* b, std::size_t m, std::size_t n, std::size_t k,
                          bool accumulate = false) {
  gemm_strided_lanes(c, a, 1, m, b, n, 1, m, n, k, accumulate);
}

// ---- Cholesky ------------------------------------------------------------------------------------------------------
// a (n,n,L), pivot (L): see kernels.h.
inline void cholesky_lanes(double* a, std::size_t n, double* pivot) {
  vec largest{}, smallest = splat(__builtin_inf()), poison{};
  for (std::size_t i = 0; i < n; ++i) largest = max(lane_load(a, i * n + i), largest);
  for (std::size_t j = 0; j < n; ++j) {
    vec p = lane_load(a, j * n + j);
    for (std::size_t k = 0; k < j; ++k) {
      const vec l = lane_load(a, j * n + k);
      p = fnma(l, l, p);
    }
    smallest = min(p, smallest);
    poison += p - p;  // 0, or NaN for good once a pivot is not finite: min alone would forget it
    const vec root = sqrt(p), inverse = splat(1) / root;
    lane_store(a, j * n + j, root);
    for (std::size_t i = j + 1; i < n; ++i) {
      vec x = lane_load(a, i * n + j);
      for (std::size_t k = 0; k < j; ++k) x = fnma(lane_load(a, i * n + k), lane_load(a, j * n + k), x);
      lane_store(a, i * n + j, x * inverse);
    }
  }
  store(pivot, smallest / largest + poison);
}

// l (n,n,L), x (n,m,L): see kernels.h.
inline void cholesky_solve_lanes(const double* l, double* x, std::size_t n, std::size_t m) {
  for (std::size_t i = 0; i < n; ++i) {
    const vec inverse = splat(1) / lane_load(l, i * n + i);
    for (std::size_t c = 0; c < m; ++c) {
      vec s = lane_load(x, i * m + c);
      for (std::size_t k = 0; k < i; ++k) s = fnma(lane_load(l, i * n + k), lane_load(x, k * m + c), s);
      lane_store(x, i * m + c, s * inverse);
    }
  }
  for (std::size_t i = n; i-- > 0;) {
    const vec inverse = splat(1) / lane_load(l, i * n + i);
    for (std::size_t c = 0; c < m; ++c) {
      vec s = lane_load(x, i * m + c);
      for (std::size_t k = i + 1; k < n; ++k) s = fnma(lane_load(l, k * n + i), lane_load(x, k * m + c), s);
      lane_store(x, i * m + c, s * inverse);
    }
  }
}

// ---- symmetric eigenproblem ------------------------------------------------------------------------------------------
// A = Q T Q^T by Householder reflections, then implicit QL with Wilkinson shifts on T. The rows of z start as those of
// Q^T and end as eigenvectors.
//   a (n,n,L) | z (n,ld,L), ld odd so that rows never fall into the same cache sets | d (n,L) diagonal of T | e (n,L): e[i] = T(i, i+1),
//   e[n-1] unused | tau, p (n,L): scratch of the reflections, later order of the eigenvalues
constexpr double EIGEN_UNIT = 1.1102230246251565e-16;  // 2^-53
constexpr double EIGEN_TINY = 1e-290;                  // squares below this are zero; the largest entry is scaled to 1..2

inline std::size_t eigen_stride_lanes(std::size_t n) { return n | 1; }
inline std::size_t eigen_lanes_work(std::size_t n) { return (n * eigen_stride_lanes(n) + 4 * n) * LANES; }

// Tridiagonalises the upper triangle of a. Row k of a keeps the reflection k right of its first entry (which is 1).
inline void tridiagonal_lanes(double* a, double* d, double* e, double* tau, double* p, std::size_t n) {
  const vec tiny = splat(EIGEN_TINY);
  for (std::size_t k = 0; k + 2 < n; ++k) {
    double* v = a + k * n * LANES;
    vec rest{};
    for (std::size_t j = k + 2; j < n; ++j) rest = fma(lane_load(v, j), lane_load(v, j), rest);
    const vec x0 = lane_load(v, k + 1), square = fma(x0, x0, rest);
    const mask none = (mask)(square <= tiny);
    const vec beta = with_sign(sqrt(select(none, splat(1), square)), -x0);
    const vec t = select(none, vec{}, (beta - x0) / beta);
    const vec scale = select(none, vec{}, splat(1) / (x0 - beta));
    lane_store(e, k, select(none, x0, beta));
    lane_store(tau, k, t);
    lane_store(v, k + 1, splat(1));
    for (std::size_t j = k + 2; j < n; ++j) lane_store(v, j, lane_load(v, j) * scale);
    // p = t A v, then p -= (t p.v / 2) v, then A -= v p^T + p v^T
    for (std::size_t i = k + 1; i < n; ++i) lane_store(p, i, vec{});
    for (std::size_t i = k + 1; i < n; ++i) {
      const double* row = a + i * n * LANES;
      const vec vi = lane_load(v, i);
      vec s = fma(lane_load(row, i), vi, lane_load(p, i));
      for (std::size_t j = i + 1; j < n; ++j) {
        const vec x = lane_load(row, j);
        s = fma(x, lane_load(v, j), s);
        lane_store(p, j, fma(x, vi, lane_load(p, j)));
      }
      lane_store(p, i, s);
    }
    vec dot{};
    for (std::size_t i = k + 1; i < n; ++i) {
      const vec pi = lane_load(p, i) * t;
      lane_store(p, i, pi);
      dot = fma(pi, lane_load(v, i), dot);
    }
    const vec half = splat(0.5) * t * dot;
    for (std::size_t i = k + 1; i < n; ++i) lane_store(p, i, fnma(half, lane_load(v, i), lane_load(p, i)));
    for (std::size_t i = k + 1; i < n; ++i) {
      double* row = a + i * n * LANES;
      const vec vi = lane_load(v, i), pi = lane_load(p, i);
      for (std::size_t j = i; j < n; ++j)
        lane_store(row, j, fnma(vi, lane_load(p, j), fnma(pi, lane_load(v, j), lane_load(row, j))));
    }
  }
  for (std::size_t i = 0; i < n; ++i) lane_store(d, i, lane_load(a, i * n + i));
  if (n > 1) lane_store(e, n - 2, lane_load(a, (n - 2) * n + n - 1));
  lane_store(e, n - 1, vec{});
}

// z = Q^T = H(n-3) .. H(0), built from the last reflection so that only the trailing block is touched.
inline void reflections_lanes(const double* a, const double* tau, double* z, std::size_t ld, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) lane_store(z, i * ld + j, splat(i == j ? 1 : 0));
  if (n < 3) return;
  for (std::size_t k = n - 2; k-- > 0;) {
    const double* v = a + k * n * LANES;
    const vec t = lane_load(tau, k);
    for (std::size_t j = k + 1; j < n; ++j)
      lane_store(z, (k + 1) * ld + j, splat(j == k + 1 ? 1 : 0) - t * lane_load(v, j));
    for (std::size_t r = k + 2; r < n; ++r) {
      double* row = z + r * ld * LANES;
      vec dot{};
      for (std::size_t j = k + 2; j < n; ++j) dot = fma(lane_load(row, j), lane_load(v, j), dot);
      dot = dot * t;
      for (std::size_t j = k + 1; j < n; ++j) lane_store(row, j, fnma(dot, lane_load(v, j), lane_load(row, j)));
    }
  }
}

// Implicit QL: d, e as above in, eigenvalues in d out, rotations applied to the rows of z. Each lane works on its own
// first unreduced block [l, m] and leaves the rest alone; l never goes back, so that what is small once stays so however
// long the neighbours iterate; a lane without a block is done. Returns the lanes that are not done after 40 n sweeps.
inline mask implicit_ql_lanes(double* d, double* e, double* z, std::size_t ld, std::size_t n) {
  const vec tiny = splat(EIGEN_TINY), one = splat(1), unit = splat(EIGEN_UNIT);
  vec norm{};
  for (std::size_t i = 0; i < n; ++i) norm = max(norm, max(abs(lane_load(d, i)), abs(lane_load(e, i))));
  const vec floor = max(norm * unit, tiny);
  vec l{};
  std::size_t first = 0;
  for (std::size_t sweep = 0; sweep < 40 * n; ++sweep) {
    // l and m of every lane, as numbers; outside a block both are n.
    const vec from = l;
    vec m = splat(n), dl{}, dl1 = one, el = one;
    l = m;
    mask began{}, ended{};
    std::size_t top = 0, bottom = n;
    for (std::size_t i = first; i < n; ++i) {
      const vec di = lane_load(d, i), ei = lane_load(e, i), next = i + 1 < n ? lane_load(d, i + 1) : vec{};
      mask small = (mask)(abs(ei) <= max(unit * (abs(di) + abs(next)), floor));
      if (i + 1 == n) small = ~mask{};
      const mask begins = ~small & ~began & (mask)(splat(i) >= from), ends = small & began & ~ended;
      l = select(begins, splat(i), l);
      dl = select(begins, di, dl);
      dl1 = select(begins, next, dl1);
      el = select(begins, ei, el);
      m = select(ends, splat(i), m);
      began |= begins;
      ended |= ends;
      if (bottom == n && any(begins)) bottom = i;
      if (any(ends)) top = i;
      if (all(ended)) break;
    }
    if (bottom == n) return mask{};
    first = bottom;

    // The eigenvalue of the leading 2 x 2 block that is closer to d[l].
    const vec half = (dl1 - dl) / (el + el);
    const vec shift = dl - el / (half + with_sign(sqrt(fma(half, half, one)), half));
    vec s = one, c = one, p{}, g{};
    for (std::size_t i = top; i-- > bottom;) {
      const vec at = splat(i), d1 = lane_load(d, i + 1), d0 = lane_load(d, i), e0 = lane_load(e, i);
      const mask starts = (mask)(at + one == m), stops = (mask)(at == l);
      const mask active = (mask)(at < m) & (mask)(at >= l);
      g = select(starts, d1 - shift, g);
      s = select(starts, one, s);
      c = select(starts, one, c);
      p = select(starts, vec{}, p);
      const vec f = s * e0, b = c * e0, square = fma(g, g, f * f);
      const mask none = (mask)(square <= tiny);
      const vec radius = sqrt(select(none, one, square)), inverse = one / radius;
      s = select(none, vec{}, f * inverse);
      c = select(none, one, g * inverse);
      const vec h = d1 - p, r = fma(d0 - h, s, (c + c) * b);
      p = s * r;
      g = fma(c, r, -b);
      lane_store(d, i + 1, select(active, h + p, d1));
      lane_store(e, i + 1, select(active, select(starts | none, vec{}, radius), lane_load(e, i + 1)));
      const mask last = active & stops;
      lane_store(d, i, select(last, d0 - p, d0));
      lane_store(e, i, select(last, g, e0));
      const vec cz = select(active, c, one), sz = select(active, s, vec{});
      double *low = z + i * ld * LANES, *high = low + ld * LANES;
      for (std::size_t j = 0; j < n; ++j) {
        const vec x = lane_load(high, j), y = lane_load(low, j);
        lane_store(high, j, fma(sz, y, cz * x));
        lane_store(low, j, fma(cz, y, -(sz * x)));
      }
    }
  }
  return (mask)(l < splat(n));
}

// a (n,n,L), w (n,L), work (eigen_lanes_work(n)): see kernels.h.
inline void eigen_lanes(double* a, double* w, std::size_t n, double* work) {
  const std::size_t ld = eigen_stride_lanes(n);
  double *z = work, *d = z + n * ld * LANES, *e = d + n * LANES, *tau = e + n * LANES, *p = tau + n * LANES;

  // Scale by the power of two below the largest entry (exact); a lane with a NaN or an infinity becomes 0 until the end.
  vec largest{}, poison{};
  for (std::size_t i = 0; i < n * n; ++i) {
    const vec x = lane_load(a, i);
    largest = max(abs(x), largest);
    poison = fma(x, vec{}, poison);
  }
  const mask finite = (mask)(poison == poison);
  vec power = (vec)((mask)largest & 0x7ff0000000000000);
  power = select((mask)(power > vec{}) & finite, power, splat(1));
  const vec down = splat(1) / power;
  for (std::size_t i = 0; i < n * n; ++i) lane_store(a, i, select(finite, lane_load(a, i) * down, vec{}));

  tridiagonal_lanes(a, d, e, tau, p, n);
  reflections_lanes(a, tau, z, ld, n);
  const mask open = implicit_ql_lanes(d, e, z, ld, n);
  poison = select(open, splat(__builtin_nan("")), poison);

  // Rank of each eigenvalue in its lane, ties by index; then rows of z are gathered in that order, lane by lane. Adding
  // poison, 0 or NaN, also turns -0 into +0: the sign of a zero could depend on how long the neighbours iterate.
  for (std::size_t i = 0; i < n; ++i) lane_store(p, i, vec{});
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = i + 1; j < n; ++j) {
      const mask later = (mask)(lane_load(d, j) > lane_load(d, i));
      lane_store(p, i, lane_load(p, i) + select(later, splat(1), vec{}));
      lane_store(p, j, lane_load(p, j) + select(later, vec{}, splat(1)));
    }
  for (std::size_t i = 0; i < n; ++i) lane_store(d, i, (lane_load(d, i) + poison) * power);
  for (std::size_t lane = 0; lane < LANES; ++lane)
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t to = (std::size_t)p[i * LANES + lane];
      w[to * LANES + lane] = d[i * LANES + lane];
      for (std::size_t j = 0; j < n; ++j)
        a[(to * n + j) * LANES + lane] = z[(i * ld + j) * LANES + lane] + poison[lane];
    }
}

// Linear algebra on one large row-major problem (the *dense* family of kernels.h).
//
// Every sum runs in a fixed order that depends on the sizes alone, so the bits do not depend on how a caller splits the
// columns of an output or its problems over threads.

// ---- products ------------------------------------------------------------------------------------------------------
// c (m,n) = beta c + alpha op(a) op(b): see kernels.h.
inline void gemm(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k, double alpha,
                 const double* a, std::size_t lda, const double* b, std::size_t ldb, double beta, double* c,
                 std::size_t ldc) {
  const std::size_t a_row = transpose_a ? 1 : lda, a_col = transpose_a ? lda : 1;
  const std::size_t b_row = transpose_b ? 1 : ldb, b_col = transpose_b ? ldb : 1;
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t j = 0; j < n; ++j) {
      double sum = 0;
      for (std::size_t p = 0; p < k; ++p) sum += a[i * a_row + p * a_col] * b[p * b_row + j * b_col];
      double* out = c + i * ldc + j;
      *out = beta == 0 ? alpha * sum : beta * *out + alpha * sum;
    }
}

// c (n,n) += x^T x for x (rows,n): see kernels.h.
inline void syrk_accumulate(std::size_t rows, std::size_t n, const double* x, std::size_t ldx, double* c,
                            std::size_t ldc) {
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = i; j < n; ++j) {
      double sum = c[i * ldc + j];
      for (std::size_t p = 0; p < rows; ++p) sum += x[p * ldx + i] * x[p * ldx + j];
      c[i * ldc + j] = c[j * ldc + i] = sum;
    }
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

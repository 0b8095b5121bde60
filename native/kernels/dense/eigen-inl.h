// The symmetric eigenproblem of the *dense* family of kernels.h.
#pragma once
#include "kernels/arena-inl.h"
#include "kernels/dense/gemm-inl.h"
#include "kernels/lanes/eigen-inl.h"

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
  std::size_t ld;
};
inline EigenWork eigen_layout(Arena& arena, std::size_t n) {
  EigenWork o{};
  const auto take = [&](std::size_t count) { return arena.doubles(count); };
  o.ld = eigen_stride(n);
  o.t = take(padded(n, LANES) * o.ld);
  o.d = take(n);
  o.e = take(n);
  o.tau = take(n);
  o.w = take(REFLECTIONS * (o.ld + REFLECTIONS));
  o.u = take(2 * REFLECTIONS * n);
  o.c = take(SWEEPS * n);
  o.s = take(SWEEPS * n);
  return o;
}
inline std::size_t eigen_aligned_work(std::size_t n) {
  return scratch_of([&](Arena arena) { eigen_layout(arena, n); });
}
// Callers' memory may begin anywhere: up to a cache line is left out (eigen_memory).
inline std::size_t eigen_work(std::size_t n) { return eigen_aligned_work(n) + 8; }

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

// Whether the caller, which may be null, has been told to stop: asked at every reflection, and once in a
// block of sweeps.
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
      if (told_to(stop)) return;
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
// division and no square root. Eigenvalues of T in d; false when an eigenvalue takes too many sweeps. Without
// VECTORS rotations are not applied.
template <bool VECTORS>
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
      if (VECTORS)
        rotate(o.t, waiting);
      else
        waiting.count = 0;
    }
  if (VECTORS) rotate(o.t, waiting);
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

// The lower triangle of a (n,n), times `down`, zeros around it.
inline void lower_triangle(const EigenWork& o, const double* a, std::size_t n, double down) {
  for (std::size_t i = 0; i < padded(n, LANES); ++i) {
    const std::size_t count = i < n ? i + 1 : 0;
    for (std::size_t j = 0; j < count; ++j) o.t[i * o.ld + j] = a[i * n + j] * down;
    for (std::size_t j = count; j < o.ld; ++j) o.t[i * o.ld + j] = 0;
  }
}

// Memory of the caller's for eigen_layout; up to a cache line of it is left out.
inline EigenWork eigen_memory(double* work, std::size_t n) {
  const std::size_t to_line = (64 - (std::uintptr_t)work % 64) % 64 / sizeof(double);
  Arena arena = arena_over(work + to_line, [&] { return eigen_aligned_work(n); });
  return eigen_layout(arena, n);
}

// See kernels.h.
inline bool eigenvalues(const double* a, std::size_t n, double* w, double* work, const std::int32_t* stop) {
  if (n == 0) return true;
  const double largest = largest_of(a, n * n);
  if (!(largest < __builtin_inf())) return false;
  const EigenWork o = eigen_memory(work, n);
  const double power = power_below(largest);
  lower_triangle(o, a, n, 1 / power);
  tridiagonal(o, n, stop);
  if (told_to(stop) || !implicit_ql<false>(o, n, stop)) return false;
  for (std::size_t i = 0; i < n; ++i) {
    std::size_t rank = 0;
    for (std::size_t j = 0; j < n; ++j) rank += o.d[j] > o.d[i] || (o.d[j] == o.d[i] && j < i);
    w[rank] = o.d[i] * power;
  }
  return true;
}

// a (n,n), w (n), work (eigen_work(n)): see kernels.h.
inline bool eigen(double* a, std::size_t n, double* w, double* work, const std::int32_t* stop) {
  if (n == 0) return true;
  const double largest = largest_of(a, n * n);
  if (!(largest < __builtin_inf())) return false;
  const EigenWork o = eigen_memory(work, n);
  const double power = power_below(largest);
  lower_triangle(o, a, n, 1 / power);
  tridiagonal(o, n, stop);
  reflections(o, a, n, stop);
  if (told_to(stop)) return false;

  double* panel = o.t;
  for (std::size_t j0 = 0; j0 < n; j0 += PANEL)
    for (std::size_t i = 0; i < n; ++i, panel += PANEL)
      for (std::size_t j = 0; j < PANEL; ++j) panel[j] = j0 + j < n ? a[i * n + j0 + j] : 0;
  if (!implicit_ql<true>(o, n, stop)) return false;
  for (std::size_t i = 0; i < n; ++i) {
    std::size_t rank = 0;
    for (std::size_t j = 0; j < n; ++j) rank += o.d[j] > o.d[i] || (o.d[j] == o.d[i] && j < i);
    w[rank] = o.d[i] * power;
    for (std::size_t j = 0; j < n; ++j) a[rank * n + j] = o.t[(j / PANEL * n + i) * PANEL + j % PANEL];
  }
  return true;
}

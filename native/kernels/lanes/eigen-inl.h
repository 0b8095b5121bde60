// The symmetric eigenproblem of the *lanes* family of kernels.h.
#pragma once
#include "kernels/arena-inl.h"
#include "kernels/lanes/cholesky-inl.h"

// A = Q T Q^T by Householder reflections from the last row up, then implicit QL with Wilkinson shifts on T.
// (QL that starts at the other end from the reflections needs 10 to 50 % fewer sweeps than the other way
// round.) The rows of z start as those of Q^T and end as eigenvectors.
//   a (n,n,L): only its lower triangle is read
//   d (n,L), e (n,L): the diagonal of T, and T(i, i+1) with e[n-1] = 0; QL keeps e as f and g, see SweepLanes
//   z (n,ld,L): see eigen_stride_lanes
//   t, p, q (n,L): scratch
//   rotations not yet applied: see RotationLanes
constexpr double EIGEN_UNIT = 1.1102230246251565e-16;   // 2^-53
constexpr double EIGEN_TINY = EIGEN_ZERO * EIGEN_ZERO;  // entries are scaled to about 1
constexpr std::size_t EIGEN_DELAY = 8;  // sweeps whose rotations are applied together; a multiple of LANES
constexpr double MOST_SHRUNK =
    0x1p200;  // beyond it rows go back to length 1 after the next EIGEN_DELAY sweeps
constexpr double SMALL_COSINE = 0x1p-15;  // rows shrink by no more than its square in a sweep

// Rows of z are padded to an even number of vectors, for pairs of columns, and never a multiple of four
// apart: rows a power of two apart would fall into the same cache sets.
inline std::size_t eigen_stride_lanes(std::size_t n) { return ((n + 1) & ~std::size_t{3}) + 2; }

// Tridiagonalises. Row k of a keeps the reflection v that zeroed it, left of the diagonal (v[k-1] = 1), t[k]
// its factor: H = 1 - t v v^T. The update A -= v p^T + p v^T of a step is applied in the next one, in the
// pass that computes A v.
inline void tridiagonal_lanes(double* a, double* d, double* e, double* t, double* p, double* q,
                              std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) lane_store(p, i, vec{});
  const double* u = p;  // the previous v; the first time p = u = 0
  for (std::size_t k = n - 1; k >= 2 && !lanes_stopped(n * n); --k) {
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
  for (std::size_t k = 2; k < n && !lanes_stopped(n * n); ++k) {
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
  for (std::size_t sweep = 0; sweep < 40 * n && !lanes_stopped(n * n); ++sweep) {
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
inline EigenLanes eigen_arrays_lanes(double* a, std::size_t n, Arena& arena) {
  EigenLanes x{};
  x.a = a;
  x.z = arena.take(n, eigen_stride_lanes(n));
  x.d = arena.take(n, 1);
  x.f = arena.take(n, 1);
  x.g = arena.take(n, 1);
  x.t = arena.take(n, 1);
  x.p = arena.take(n, 1);
  x.q = arena.take(n, 1);
  x.rotations.u = arena.take(EIGEN_DELAY, n);
  x.rotations.v = arena.take(EIGEN_DELAY, n);
  x.rotations.fx = arena.take(EIGEN_DELAY, n);
  x.rotations.fy = arena.take(EIGEN_DELAY, n);
  x.rotations.swaps = arena.doubles(EIGEN_DELAY * n);
  return x;
}
inline std::size_t eigen_lanes_work(std::size_t n) {
  return scratch_of([&](Arena arena) { eigen_arrays_lanes(nullptr, n, arena); });
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

// a (n,n,L), w (n,L): see kernels.h. Only the lower triangle of a is read. Not
// sorted, eigenvectors stay where their coordinates are: coordinates at the end that are coupled to each
// other alone keep the last rows.
inline void eigen_lanes(double* a, double* w, std::size_t n, Arena arena, bool sorted) {
  const std::size_t ld = eigen_stride_lanes(n);
  EigenLanes x = eigen_arrays_lanes(a, n, arena);
  if (arena.counts()) return;
  eigen_reduce_lanes(x, n);
  implicit_ql_lanes<1>(&x, ld, n);
  if (lanes_stopped(n * n)) return;  // there is no order
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
  eigen_lanes(a, w, n, arena_over(work, [&] { return eigen_lanes_work(n); }), true);
}

#include "core/band.h"

#include <cmath>

#include "core/pool.h"

namespace exo {
namespace {

constexpr std::size_t PANEL = 192;  // columns of a thread

double dot(const double* x, const double* y, std::size_t n) {
  double sum[8] = {};
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (std::size_t l = 0; l < 8; ++l) sum[l] += x[i + l] * y[i + l];
  for (; i < n; ++i) sum[0] += x[i] * y[i];
  return ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
}

// Householder reflections of the columns that the rows of p (width, length) are: R stays in p[c][0 .. c], the
// reflection c becomes v with v[c] = 1 beyond. t (width, WIDTH-strided by `stride`) upper triangular.
void reflect(std::vector<double>& p, std::size_t width, std::size_t length, double* t, std::size_t stride) {
  for (std::size_t c = 0; c < width; ++c) {
    double* v = p.data() + c * length;
    double tau = 0;
    if (c < length) {
      const std::size_t rest = length - c - 1;
      const double square = dot(v + c + 1, v + c + 1, rest), first = v[c];
      if (square > 0) {
        const double norm = std::sqrt(first * first + square), beta = first > 0 ? -norm : norm;
        tau = (beta - first) / beta;
        for (std::size_t i = c + 1; i < length; ++i) v[i] /= first - beta;
        v[c] = beta;
        for (std::size_t o = c + 1; o < width; ++o) {
          double* x = p.data() + o * length;
          const double s = tau * (x[c] + dot(v + c + 1, x + c + 1, rest));
          x[c] -= s;
          for (std::size_t i = c + 1; i < length; ++i) x[i] -= s * v[i];
        }
      }
    }
    std::vector<double> with(c);
    for (std::size_t q = 0; q < c && tau != 0; ++q) {
      const double* u = p.data() + q * length;
      with[q] = u[c] + dot(u + c + 1, v + c + 1, length - c - 1);
    }
    for (std::size_t r = 0; r < c; ++r) {
      double sum = 0;
      for (std::size_t q = r; q < c; ++q) sum += t[r * stride + q] * with[q];
      t[r * stride + c] = -tau * sum;
    }
    t[c * stride + c] = tau;
  }
}

}  // namespace

Band::Band(const Dense& dense, double* a, std::size_t n, std::size_t lda)
    : dense_(dense), a_(a), n_(n), lda_(lda) {
  const std::size_t all = blocks() * WIDTH * WIDTH;
  for (std::vector<double>* v : {&t_, &diagonal_, &below_}) v->assign(all, 0.0);
  for (std::size_t panel = 0; panel < blocks() && !dense_.job.cancelled(); ++panel) {
    for (std::size_t i = 0; i < size(panel); ++i)
      for (std::size_t j = 0; j < size(panel); ++j)
        diagonal_[(panel * WIDTH + i) * WIDTH + j] = a_[(panel * WIDTH + i) * lda_ + panel * WIDTH + j];
    if (panel + 1 < blocks()) reduce(panel);
  }
  constexpr std::size_t width = JOINED * WIDTH;
  joined_.assign((blocks() + JOINED - 1) / JOINED * width * width, 0.0);
  for (std::size_t first = 0; first + 1 < blocks() && !dense_.job.cancelled(); first += JOINED) join(first);
}

Band::Reflections Band::joined(std::size_t first) const {
  constexpr std::size_t width = JOINED * WIDTH;
  const std::size_t top = (first + 1) * WIDTH;
  return {top, n_ - top, std::min(JOINED, blocks() - 1 - first) * WIDTH, a_ + top * lda_ + first * WIDTH,
          joined_.data() + first / JOINED * width * width};
}

// T of one panel after the other: that of a product (1 - V T V^T)(1 - v t v^T) has -T V^T v t beside T and t.
void Band::join(std::size_t first) {
  constexpr std::size_t width = JOINED * WIDTH;
  const Reflections all = joined(first);
  // What stands above a panel's own reflections was B's, and is kept elsewhere.
  for (std::size_t c = WIDTH; c < all.count; c += WIDTH)
    for (std::size_t i = 0; i < std::min(c, all.rows); ++i)
      std::fill_n(a_ + (all.top + i) * lda_ + first * WIDTH + c, WIDTH, 0.0);
  Matrix products(all.count, all.count), with(all.count, WIDTH);
  dense_.product(true, false, all.count, all.count, all.rows, 1, all.v, lda_, all.v, lda_, 0, products.data(),
                 all.count);
  double* t = joined_.data() + first / JOINED * width * width;
  for (std::size_t c = 0; c < all.count; c += WIDTH) {
    const double* own = t_.data() + (first * WIDTH + c) * WIDTH;
    for (std::size_t i = 0; i < WIDTH; ++i) std::copy_n(own + i * WIDTH, WIDTH, t + (c + i) * width + c);
    if (c == 0) continue;
    dense_.product(false, false, c, WIDTH, WIDTH, 1, products.data() + c, all.count, own, WIDTH, 0,
                   with.data(), WIDTH);
    dense_.product(false, false, c, WIDTH, c, -1, t, width, with.data(), WIDTH, 0, t + c, width);
  }
}

// The panel's columns below its block become R, and what R hides of them V, which the rest is turned by.
void Band::reduce(std::size_t panel) {
  const std::size_t j = panel * WIDTH, top = j + WIDTH, rows = n_ - top, w = WIDTH;
  double* v = a_ + top * lda_ + j;  // (rows, w)
  double* t = t_.data() + panel * WIDTH * WIDTH;
  std::vector<double> p(w * rows);
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t c = 0; c < w; ++c) p[c * rows + i] = v[i * lda_ + c];
  reflect(p, w, rows, t, WIDTH);
  double* below = below_.data() + panel * WIDTH * WIDTH;
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t c = 0; c < w; ++c) {
      if (i <= c && i < WIDTH) below[i * WIDTH + c] = p[c * rows + i];
      v[i * lda_ + c] = i > c ? p[c * rows + i] : i == c ? 1 : 0;
    }
  // X = A V T, W = X - V (T^T V^T X) / 2, A <- A - V W^T - W V^T.
  double* rest = a_ + top * lda_ + top;
  Matrix u(rows, w), pair(rows, 2 * w), swapped(rows, 2 * w), n(w, w), vx(w, w);
  dense_.product(false, false, rows, w, rows, 1, rest, lda_, v, lda_, 0, u.data(), w);
  double* x = pair.data() + w;
  dense_.product(false, false, rows, w, w, 1, u.data(), w, t, WIDTH, 0, x, 2 * w);
  dense_.product(true, false, w, w, rows, 1, v, lda_, x, 2 * w, 0, vx.data(), w);
  dense_.product(true, false, w, w, w, 1, t, WIDTH, vx.data(), w, 0, n.data(), w);
  symmetrise(n);
  dense_.product(false, false, rows, w, w, -0.5, v, lda_, n.data(), w, 1, x, 2 * w);
  for (std::size_t i = 0; i < rows; ++i) {
    std::copy(v + i * lda_, v + i * lda_ + w, pair.row(i));
    std::copy(v + i * lda_, v + i * lda_ + w, swapped.row(i) + w);
    std::copy(pair.row(i) + w, pair.row(i) + 2 * w, swapped.row(i));
  }
  dense_.product(false, true, rows, rows, 2 * w, -1, pair.data(), 2 * w, swapped.data(), 2 * w, 1, rest,
                 lda_);
}

void Band::turn(double* x, std::size_t m, std::size_t ldx) const {
  constexpr std::size_t most = JOINED * WIDTH;
  in_parallel(dense_.job, (m + PANEL - 1) / PANEL, [&](std::size_t task, std::size_t) {
    const std::size_t begin = task * PANEL, width = std::min(PANEL, m - begin);
    std::vector<double> with(2 * most * PANEL);
    double *y = with.data(), *ty = y + most * PANEL;
    for (std::size_t first = 0; first + 1 < blocks() && !dense_.job.cancelled(); first += JOINED) {
      const Reflections h = joined(first);
      double* part = x + h.top * ldx + begin;
      dense_.k.gemm(true, false, h.count, width, h.rows, 1, h.v, lda_, part, ldx, 0, y, width);
      dense_.k.gemm(true, false, h.count, width, h.count, 1, h.t, most, y, width, 0, ty, width);
      dense_.k.gemm(false, false, h.rows, width, h.count, -1, h.v, lda_, ty, width, 1, part, ldx);
    }
  });
}

void Band::turn_rows(double* x, std::size_t m, std::size_t ldx) const {
  constexpr std::size_t most = JOINED * WIDTH;
  in_parallel(dense_.job, (m + PANEL - 1) / PANEL, [&](std::size_t task, std::size_t) {
    const std::size_t begin = task * PANEL, height = std::min(PANEL, m - begin);
    std::vector<double> with(2 * most * PANEL);
    double *y = with.data(), *yt = y + most * PANEL;
    for (std::size_t first = 0; first + 1 < blocks() && !dense_.job.cancelled(); first += JOINED) {
      const Reflections h = joined(first);
      double* part = x + begin * ldx + h.top;
      dense_.k.gemm(false, false, height, h.count, h.rows, 1, part, ldx, h.v, lda_, 0, y, most);
      dense_.k.gemm(false, false, height, h.count, h.count, 1, y, most, h.t, most, 0, yt, most);
      dense_.k.gemm(false, true, height, h.rows, h.count, -1, yt, most, h.v, lda_, 1, part, ldx);
    }
  });
}

// With U = X V T and W = U - V (T^T V^T U) / 2 some reflections make X - V W^T - W V^T of X: half the work of
// turning it from one side and from the other. Of X the lower triangle is kept.
void Band::turn_both(double* x, std::size_t ldx) const {
  constexpr std::size_t most = JOINED * WIDTH;
  Matrix y(n_, most), u(n_, most), pair(n_, 2 * most), swapped(n_, 2 * most), vu(most, most), k(most, most);
  for (std::size_t first = 0; first + 1 < blocks() && !dense_.job.cancelled(); first += JOINED) {
    const Reflections h = joined(first);
    const std::size_t top = h.top, rows = h.rows, c = h.count;
    double* corner = x + top * ldx + top;
    dense_.product(true, false, top, c, rows, 1, x + top * ldx, ldx, h.v, lda_, 0, y.data(), most);
    dense_.product(false, false, rows, c, rows, 1, corner, ldx, h.v, lda_, 0, y.row(top), most);
    dense_.product(false, false, n_, c, c, 1, y.data(), most, h.t, most, 0, u.data(), most);
    dense_.product(false, true, rows, top, c, -1, h.v, lda_, u.data(), most, 1, x + top * ldx, ldx);
    double* w = u.row(top);
    dense_.product(true, false, c, c, rows, 1, h.v, lda_, w, most, 0, vu.data(), most);
    dense_.product(true, false, c, c, c, 1, h.t, most, vu.data(), most, 0, k.data(), most);
    symmetrise(k);
    dense_.product(false, false, rows, c, c, -0.5, h.v, lda_, k.data(), most, 1, w, most);
    for (std::size_t i = 0; i < rows; ++i) {
      const double *vi = h.v + i * lda_, *wi = w + i * most;
      std::copy(vi, vi + c, pair.row(i));
      std::copy(wi, wi + c, pair.row(i) + c);
      std::copy(wi, wi + c, swapped.row(i));
      std::copy(vi, vi + c, swapped.row(i) + c);
    }
    dense_.symmetric_product(false, true, rows, 2 * c, -1, pair.data(), 2 * most, swapped.data(), 2 * most, 1,
                             corner, ldx);
  }
  dense_.mirror(x, n_, ldx);
}

std::vector<double> Band::rows() const {
  std::vector<double> out(n_ * (BAND + 1), 0.0);
  for (std::size_t i = 0; i < n_; ++i)
    for (std::size_t p = 0; p <= std::min(i, BAND); ++p) {
      const std::size_t j = i - p, block = j / WIDTH, column = j % WIDTH;
      const std::vector<double>& from = i / WIDTH == block ? diagonal_ : below_;
      out[i * (BAND + 1) + p] = from[(block * WIDTH + i % WIDTH) * WIDTH + column];
    }
  return out;
}

}  // namespace exo

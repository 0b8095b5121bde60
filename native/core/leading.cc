#include "core/leading.h"

#include <cmath>

#include "core/conventions.h"

namespace exo {
namespace {

constexpr std::size_t EXTRA = 8;      // directions beyond those wanted: the first to converge are those ahead
constexpr std::size_t BLOCKS = 16;    // of the space, before it is begun anew from its best part
constexpr std::size_t LARGE = 400;    // below, all eigenpairs cost little
constexpr std::size_t STREAM = 7001;  // of the random numbers that the space begins with

// Columns [0, cols) of a (rows, stride) array: the space grows to the right.
struct Basis {
  std::size_t rows, stride, cols = 0;
  std::vector<double> a;
  Basis(std::size_t rows, std::size_t stride) : rows(rows), stride(stride), a(rows * stride) {}
};

// x (n,p) <- x - V (V^T x).
void project_out(const Dense& d, const Basis& v, Matrix& x) {
  if (v.cols == 0) return;
  Matrix t(v.cols, x.cols);
  d.product(true, false, v.cols, x.cols, v.rows, 1, v.a.data(), v.stride, x.data(), x.cols, 0, t.data(),
            t.cols);
  d.product(false, false, v.rows, x.cols, v.cols, -1, v.a.data(), v.stride, t.data(), t.cols, 1, x.data(),
            x.cols);
}

// Orthonormal columns that span those of x; a column of which nothing is left is dropped. By the Cholesky
// factor of the columns' products, pivot by pivot.
void orthonormalise(const Dense& d, Matrix& x) {
  const Matrix gram = times_tn(d, x, x);
  const std::size_t p = x.cols;
  // x = q R: R^T R = gram, row by row; columns that depend on those before are left out.
  std::vector<std::size_t> kept;
  Matrix r(p, p);
  for (std::size_t j = 0; j < p; ++j) {
    double rest = gram.at(j, j);
    std::vector<double> row(kept.size());
    for (std::size_t q = 0; q < kept.size(); ++q) {
      double sum = gram.at(kept[q], j);
      for (std::size_t m = 0; m < q; ++m) sum -= r.at(m, kept[q]) * row[m];
      row[q] = sum / r.at(q, kept[q]);
      rest -= row[q] * row[q];
    }
    if (!(rest > NEGLIGIBLE_VARIANCE * gram.at(j, j)) || !(rest > 0)) continue;
    for (std::size_t q = 0; q < kept.size(); ++q) r.at(q, j) = row[q];
    r.at(kept.size(), j) = std::sqrt(rest);
    kept.push_back(j);
  }
  // q = x[kept] R^-1, which is triangular: its inverse once, for all rows.
  const std::size_t m = kept.size();
  Matrix inverse(p, m);
  for (std::size_t c = 0; c < m; ++c)
    for (std::size_t i = c + 1; i-- > 0;) {
      double sum = i == c ? 1 : 0;
      for (std::size_t q = i + 1; q <= c; ++q) sum -= r.at(i, kept[q]) * inverse.at(kept[q], c);
      inverse.at(kept[i], c) = sum / r.at(i, kept[i]);
    }
  x = times(d, x, inverse);
}

// |A V y - theta V y| of the first `count` pairs, and those differences as columns of `next`.
double residuals(const Dense& d, const Basis& v, const Basis& av, const Matrix& y,
                 const std::vector<double>& theta, std::size_t count, Matrix& next) {
  const std::size_t p = next.cols;
  Matrix turned(v.rows, p);
  // Rows of y are the eigenvectors of the small problem.
  d.product(false, true, v.rows, p, v.cols, 1, v.a.data(), v.stride, y.data(), y.cols, 0, turned.data(), p);
  d.product(false, true, v.rows, p, v.cols, 1, av.a.data(), av.stride, y.data(), y.cols, 0, next.data(), p);
  std::vector<double> square(p, 0.0);
  for (std::size_t i = 0; i < v.rows; ++i)
    for (std::size_t j = 0; j < p; ++j) {
      const double r = next.at(i, j) -= theta[j] * turned.at(i, j);
      square[j] += r * r;
    }
  return std::sqrt(*std::max_element(square.begin(), square.begin() + static_cast<std::ptrdiff_t>(count)));
}

void append(Basis& to, const Matrix& x) {
  for (std::size_t i = 0; i < to.rows; ++i)
    std::copy(x.row(i), x.row(i) + x.cols, to.a.data() + i * to.stride + to.cols);
  to.cols += x.cols;
}

// V <- V Y^T, the first `keep` rows of y.
void contract(const Dense& d, Basis& v, const Matrix& y, std::size_t keep) {
  Matrix out(v.rows, keep);
  d.product(false, true, v.rows, keep, v.cols, 1, v.a.data(), v.stride, y.data(), y.cols, 0, out.data(),
            keep);
  v.cols = 0;
  append(v, out);
}

}  // namespace

bool few_of(std::size_t count, std::size_t n) { return n > LARGE && count * 8 <= n; }

bool leading_eigenpairs(const Dense& d, std::size_t n, std::size_t count, const Operator& apply,
                        std::vector<double>& values, Matrix& vectors) {
  const std::size_t p = count + EXTRA, most = BLOCKS * p;
  Basis v(n, most), av(n, most);
  Matrix x(n, p);
  d.k.normals(x.data(), 0, STREAM, 0, x.a.size());
  orthonormalise(d, x);
  for (std::size_t applied = 0; !d.job.cancelled();) {
    Matrix ax(n, x.cols);
    apply(x, ax);
    applied += x.cols;
    if (d.job.cancelled()) return false;
    append(v, x);
    append(av, ax);
    // The problem within the space: T = V^T A V.
    Matrix t(v.cols, v.cols);
    d.product(true, false, v.cols, v.cols, n, 1, v.a.data(), v.stride, av.a.data(), av.stride, 0, t.data(),
              t.cols);
    symmetrise(t);
    std::vector<double> theta(v.cols), work(d.k.eigen_work(v.cols));
    if (!d.k.eigen(t.data(), v.cols, theta.data(), work.data(), d.job.stop())) return false;
    Matrix next(n, std::min(p, v.cols));
    const double residual = residuals(d, v, av, t, theta, std::min(count, v.cols), next);
    if (!std::isfinite(residual)) return false;
    if (v.cols >= count && residual <= LEADING_RESIDUAL * std::max(theta[0], 0.0)) {
      values.assign(theta.begin(), theta.begin() + static_cast<std::ptrdiff_t>(count));
      vectors = Matrix(count, n);
      d.product(false, true, count, n, v.cols, 1, t.data(), t.cols, v.a.data(), v.stride, 0, vectors.data(),
                n);
      return true;
    }
    if (applied > n) return false;
    if (v.cols + p > most) {
      // Twice as many directions as are wanted carry over: they hold what was learned.
      const std::size_t keep = std::min(2 * p, v.cols);
      contract(d, v, t, keep);
      contract(d, av, t, keep);
    }
    x = std::move(next);
    for (int twice = 0; twice < 2; ++twice) {
      project_out(d, v, x);
      orthonormalise(d, x);
    }
    if (x.cols == 0) return false;
  }
  return false;
}

}  // namespace exo

// The dense family (native/kernels/dense/) for every kernel table that this CPU can run.
//
// Products and factors are compared with sums in long double; large eigenproblems by what makes them true:
// unit and orthogonal vectors, A v = w v. Budgets are multiples of n * eps relative to the norm of what is
// compared. Every matrix lies inside a wider frame of a canary, so that a kernel that writes outside its
// columns is found out.
#include <algorithm>
#include <cmath>

#include "check.h"
#include "tables.h"

using exo::Kernels;
using exo::test::Checks;
using exo::test::Random;

namespace {

constexpr double EPS = 2.220446049250313e-16;
constexpr double NOT_A_NUMBER = __builtin_nan("");
constexpr double INFINITE = __builtin_inf();
constexpr double CANARY = -7.25e77;

// A row-major (rows, cols) matrix with ld >= cols; what is between cols and ld is the canary.
struct Dense {
  std::size_t rows, cols, ld;
  std::vector<double> a;
  Dense(std::size_t r, std::size_t c, std::size_t gap, double value = 0)
      : rows(r), cols(c), ld(c + gap), a(r * (c + gap) + 1, CANARY) {
    for (std::size_t i = 0; i < r; ++i)
      for (std::size_t j = 0; j < c; ++j) at(i, j) = value;
  }
  double& at(std::size_t i, std::size_t j) { return a[i * ld + j]; }
  double at(std::size_t i, std::size_t j) const { return a[i * ld + j]; }
  bool framed() const {
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = cols; j < ld; ++j)
        if (at(i, j) != CANARY) return false;
    return a.back() == CANARY;
  }
  double largest() const {
    double most = 0;
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < cols; ++j) most = std::fmax(most, std::fabs(at(i, j)));
    return most;
  }
};

Dense random_matrix(std::size_t rows, std::size_t cols, std::size_t gap, Random& random) {
  Dense m(rows, cols, gap);
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < cols; ++j) m.at(i, j) = random.uniform();
  return m;
}

// The largest difference of two matrices of one shape; NaN in either gives NaN.
double difference(const Dense& x, const Dense& y) {
  double most = 0;
  for (std::size_t i = 0; i < x.rows; ++i)
    for (std::size_t j = 0; j < x.cols; ++j) {
      const double d = std::fabs(x.at(i, j) - y.at(i, j));
      if (!(d <= most)) most = d;
    }
  return most;
}

std::string text(const char* format, ...) {
  char buffer[200];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(buffer, sizeof buffer, format, arguments);
  va_end(arguments);
  return buffer;
}

// ---- products ----

// beta
// c + alpha op(a) op(b) in long double.
Dense naive_gemm(bool ta, bool tb, std::size_t k, double alpha, const Dense& a, const Dense& b, double beta,
                 const Dense& c) {
  Dense out = c;
  for (std::size_t i = 0; i < c.rows; ++i)
    for (std::size_t j = 0; j < c.cols; ++j) {
      long double sum = 0;
      for (std::size_t p = 0; p < k; ++p)
        sum += static_cast<long double>(ta ? a.at(p, i) : a.at(i, p)) * (tb ? b.at(j, p) : b.at(p, j));
      out.at(i, j) =
          static_cast<double>(alpha * sum + (beta == 0 ? 0 : beta * static_cast<long double>(c.at(i, j))));
    }
  return out;
}

struct Product {
  std::size_t m, n, k;
};

void check_gemm(Checks& checks, const Kernels& kernels) {
  Random random(checks.seed());
  const Product sizes[] = {{1, 1, 1},     {2, 3, 4},     {4, 12, 8},     {5, 13, 7},
                           {8, 24, 1},    {7, 1, 9},     {1, 50, 3},     {17, 25, 33},
                           {64, 64, 64},  {65, 31, 129}, {100, 49, 300}, {13, 97, 520},
                           {250, 30, 11}, {9, 16, 5},    {12, 64, 64},   {130, 16, 200}};
  for (const Product& s : sizes)
    for (int form = 0; form < 4; ++form) {
      const bool ta = form & 1, tb = form & 2;
      for (const std::size_t gap : {0, 3}) {
        const Dense a = random_matrix(ta ? s.k : s.m, ta ? s.m : s.k, gap, random);
        const Dense b = random_matrix(tb ? s.n : s.k, tb ? s.k : s.n, 2 * gap, random);
        const Dense start = random_matrix(s.m, s.n, gap, random);
        const double scalars[][2] = {{1, 0}, {1, 1}, {-0.75, 1}, {2, -0.5}, {0, 0.25}, {0, 0}};
        for (const auto& scalar : scalars) {
          // beta 0 must not read what c holds
          Dense c = scalar[1] == 0 ? Dense(s.m, s.n, gap, NOT_A_NUMBER) : start;
          kernels.gemm(ta, tb, s.m, s.n, s.k, scalar[0], a.a.data(), a.ld, b.a.data(), b.ld, scalar[1],
                       c.a.data(), c.ld);
          const Dense truth = naive_gemm(ta, tb, s.k, scalar[0], a, b, scalar[1], start);
          const std::string what = text("m %zu n %zu k %zu %s%s alpha %g beta %g gap %zu", s.m, s.n, s.k,
                                        ta ? "T" : "N", tb ? "T" : "N", scalar[0], scalar[1], gap);
          checks.below(difference(c, truth), 4 * EPS * static_cast<double>(s.k + 2), what);
          checks.that(c.framed(), "%s: wrote outside c", what.c_str());
        }
      }
    }
}

// The same sizes and scalars in single precision, against sums in long double of the same single numbers.
void check_gemm_f32(Checks& checks, const Kernels& kernels) {
  Random random(checks.seed());
  const double eps = 1.1920928955078125e-07;
  const auto single = [](Dense& m) {
    for (double& x : m.a) x = static_cast<float>(x);
    return std::vector<float>(m.a.begin(), m.a.end());
  };
  const Product sizes[] = {{1, 1, 1},    {4, 24, 8},   {5, 13, 7},     {17, 25, 33},  {65, 31, 129},
                           {64, 64, 64}, {64, 32, 16}, {100, 49, 300}, {13, 97, 520}, {128, 128, 128}};
  for (const Product& s : sizes)
    for (int form = 0; form < 4; ++form) {
      const bool ta = form & 1, tb = form & 2;
      Dense a = random_matrix(ta ? s.k : s.m, ta ? s.m : s.k, 3, random);
      Dense b = random_matrix(tb ? s.n : s.k, tb ? s.k : s.n, 1, random);
      Dense start = random_matrix(s.m, s.n, 2, random);
      const std::vector<float> fa = single(a), fb = single(b), fc = single(start);
      const float canary = fc.back();
      const float scalars[][2] = {{1, 0}, {-0.75f, 1}, {2, -0.5f}, {0, 0.25f}};
      for (const auto& scalar : scalars) {
        std::vector<float> c = fc;
        for (std::size_t i = 0; scalar[1] == 0 && i < s.m; ++i)
          for (std::size_t j = 0; j < s.n; ++j) c[i * start.ld + j] = __builtin_nanf("");
        kernels.gemm_f32(ta, tb, s.m, s.n, s.k, scalar[0], fa.data(), a.ld, fb.data(), b.ld, scalar[1],
                         c.data(), start.ld);
        const Dense truth = naive_gemm(ta, tb, s.k, scalar[0], a, b, scalar[1], start);
        Dense got = truth;
        bool framed = c.back() == canary;
        for (std::size_t i = 0; i < s.m; ++i) {
          for (std::size_t j = 0; j < s.n; ++j) got.at(i, j) = c[i * start.ld + j];
          for (std::size_t j = s.n; j < start.ld; ++j) framed &= c[i * start.ld + j] == canary;
        }
        const std::string what = text("m %zu n %zu k %zu %s%s alpha %g beta %g", s.m, s.n, s.k,
                                      ta ? "T" : "N", tb ? "T" : "N", double{scalar[0]}, double{scalar[1]});
        checks.below(difference(got, truth), eps * static_cast<double>(s.k + 2), what);
        checks.that(framed, "%s: wrote outside c", what.c_str());
      }
      // a part has the bits of the whole
      std::vector<float> whole = fc, parts = fc;
      kernels.gemm_f32(ta, tb, s.m, s.n, s.k, 0.7f, fa.data(), a.ld, fb.data(), b.ld, 1.3f, whole.data(),
                       start.ld);
      for (std::size_t i = 0; i < s.m; i += 5)
        for (std::size_t j = 0; j < s.n; j += 7)
          kernels.gemm_f32(ta, tb, std::min<std::size_t>(5, s.m - i), std::min<std::size_t>(7, s.n - j), s.k,
                           0.7f, &fa[ta ? i : i * a.ld], a.ld, &fb[tb ? j * b.ld : j], b.ld, 1.3f,
                           &parts[i * start.ld + j], start.ld);
      checks.that(whole == parts, "m %zu n %zu k %zu: parts differ from the whole", s.m, s.n, s.k);
    }
}

void check_gemm_empty(Checks& checks, const Kernels& kernels) {
  const double one[4] = {1, 2, 3, 4};
  double c[4] = {1, 2, 3, 4};
  kernels.gemm(false, false, 0, 2, 2, 1, one, 2, one, 2, 0, c, 2);
  kernels.gemm(false, false, 2, 0, 2, 1, one, 2, one, 2, 0, c, 2);
  checks.that(std::memcmp(c, one, sizeof c) == 0, "m = 0 or n = 0 changed c");
  kernels.gemm(false, false, 2, 2, 0, 1, one, 2, one, 2, 3, c, 2);
  for (int i = 0; i < 4; ++i) checks.that(c[i] == 3 * one[i], "k = 0: entry %d is %g", i, c[i]);
  c[0] = NOT_A_NUMBER;
  kernels.gemm(true, true, 2, 2, 0, 1, one, 2, one, 2, 0, c, 2);
  for (int i = 0; i < 4; ++i) checks.that(c[i] == 0, "k = 0, beta = 0: entry %d is %g", i, c[i]);
  kernels.syrk_accumulate(0, 2, one, 2, c, 2);
  kernels.syrk_accumulate(2, 0, one, 2, c, 2);
  for (int i = 0; i < 4; ++i) checks.that(c[i] == 0, "syrk of nothing: entry %d is %g", i, c[i]);
}

// An infinity or NaN of the input shows in the outputs that it takes part in and in no other.
void check_gemm_spread(Checks& checks, const Kernels& kernels) {
  Random random(checks.seed());
  const std::size_t m = 21, n = 29, k = 37;
  for (const double bad : {NOT_A_NUMBER, INFINITE}) {
    Dense a = random_matrix(m, k, 0, random);
    const Dense b = random_matrix(k, n, 0, random);
    a.at(6, 11) = bad;
    Dense c(m, n, 0, NOT_A_NUMBER);
    kernels.gemm(false, false, m, n, k, 1, a.a.data(), k, b.a.data(), n, 0, c.a.data(), n);
    for (std::size_t i = 0; i < m; ++i)
      for (std::size_t j = 0; j < n; ++j)
        checks.that(std::isfinite(c.at(i, j)) == (i != 6), "(%zu, %zu) is %g", i, j, c.at(i, j));
  }
}

// Any split of the output gives the bits of the whole: this is what threads rely on.
void check_gemm_split(Checks& checks, const Kernels& kernels) {
  Random random(checks.seed());
  const std::size_t m = 75, n = 83, k = 530;
  const Dense a = random_matrix(m, k, 1, random), b = random_matrix(k, n, 0, random);
  const Dense start = random_matrix(m, n, 0, random);
  Dense whole = start;
  kernels.gemm(false, false, m, n, k, 0.7, a.a.data(), a.ld, b.a.data(), b.ld, 1.3, whole.a.data(), n);
  for (const std::size_t step : {1, 5, 16, 40}) {
    Dense c = start;
    for (std::size_t i = 0; i < m; i += step)
      for (std::size_t j = 0; j < n; j += step + 2)
        kernels.gemm(false, false, std::min(step, m - i), std::min(step + 2, n - j), k, 0.7, &a.a[i * a.ld],
                     a.ld, &b.a[j], b.ld, 1.3, &c.at(i, j), n);
    checks.that(whole.a == c.a, "tiles of %zu x %zu differ from the whole", step, step + 2);
  }
}

void check_syrk(Checks& checks, const Kernels& kernels) {
  Random random(checks.seed());
  for (const std::size_t n : {1, 2, 7, 24, 31, 65, 130})
    for (const std::size_t rows : {1, 3, 64, 301, 700})
      for (const std::size_t gap : {0, 5}) {
        const Dense x = random_matrix(rows, n, gap, random);
        Dense start = random_matrix(n, n, gap, random);
        for (std::size_t i = 0; i < n; ++i)
          for (std::size_t j = 0; j < i; ++j) start.at(i, j) = start.at(j, i);
        Dense c = start;
        kernels.syrk_accumulate(rows, n, x.a.data(), x.ld, c.a.data(), c.ld);
        const std::string what = text("rows %zu n %zu gap %zu", rows, n, gap);
        // one rounding per row, of partial sums no larger than the result: a random walk
        const Dense truth = naive_gemm(true, false, rows, 1, x, x, 1, start);
        checks.below(difference(c, truth),
                     2 * EPS * std::sqrt(static_cast<double>(rows + 2)) * truth.largest(), what);
        checks.that(c.framed(), "%s: wrote outside c", what.c_str());
        bool symmetric = true;
        for (std::size_t i = 0; i < n; ++i)
          for (std::size_t j = 0; j < n; ++j) symmetric &= c.at(i, j) == c.at(j, i);
        checks.that(symmetric, "%s: not symmetric", what.c_str());
      }
}

// ---- Cholesky ----

// x x^T / cols + ridge 1 for random x (n, cols).
Dense gram(std::size_t n, std::size_t cols, double ridge, std::size_t gap, Random& random) {
  const Dense x = random_matrix(n, cols, 0, random);
  Dense a(n, n, gap);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = i == j ? ridge : 0;
      for (std::size_t p = 0; p < cols; ++p) sum += x.at(i, p) * x.at(j, p) / static_cast<double>(cols);
      a.at(i, j) = a.at(j, i) = sum;
    }
  return a;
}

void check_cholesky(Checks& checks, const Kernels& kernels) {
  Random random(checks.seed());
  for (const std::size_t n : {1, 2, 3, 8, 31, 32, 33, 64, 65, 100, 129, 200})
    for (const std::size_t gap : {0, 3}) {
      const Dense a = gram(n, n + 5, 0.1, gap, random);
      Dense l = a;
      const double ratio = kernels.cholesky(l.a.data(), n, l.ld);
      const std::string what = text("n %zu gap %zu", n, gap);
      double residual = 0, smallest = INFINITE, most = 0;
      bool untouched = true;
      for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = 0; j <= i; ++j) {
          long double sum = 0;
          for (std::size_t p = 0; p <= j; ++p) sum += static_cast<long double>(l.at(i, p)) * l.at(j, p);
          const double error = std::fabs(static_cast<double>(sum - a.at(i, j)));
          if (!(error <= residual)) residual = error;
        }
        for (std::size_t j = i + 1; j < n; ++j) untouched &= l.at(i, j) == a.at(i, j);
        smallest = std::fmin(smallest, l.at(i, i) * l.at(i, i));
        most = std::fmax(most, a.at(i, i));
      }
      checks.below(residual, EPS * static_cast<double>(n + 2) * a.largest(), "l l^T - a, " + what);
      checks.below(std::fabs(ratio / (smallest / most) - 1), 8 * EPS, "pivot ratio, " + what);
      checks.that(untouched && l.framed(), "%s: wrote outside the lower triangle", what.c_str());

      for (const std::size_t m : {1, 4, 13, 70}) {
        const Dense truth = random_matrix(n, m, 0, random);
        Dense x(n, m, gap);
        for (std::size_t i = 0; i < n; ++i)
          for (std::size_t j = 0; j < m; ++j) {
            long double sum = 0;
            for (std::size_t p = 0; p < n; ++p) sum += static_cast<long double>(a.at(i, p)) * truth.at(p, j);
            x.at(i, j) = static_cast<double>(sum);
          }
        const Dense right = x;
        kernels.cholesky_solve(l.a.data(), n, l.ld, x.a.data(), m, x.ld);
        // the condition of these matrices is below trace / ridge
        checks.below(difference(x, truth), 4 * EPS * static_cast<double>(n) * 10 * static_cast<double>(n + 1),
                     text("solution, %s m %zu", what.c_str(), m));
        checks.that(x.framed(), "%s m %zu: wrote outside x", what.c_str(), m);
        Dense column(n, 1, 0);
        for (std::size_t i = 0; i < n; ++i) column.at(i, 0) = right.at(i, m - 1);
        kernels.cholesky_solve(l.a.data(), n, l.ld, column.a.data(), 1, 1);
        bool same = true;
        for (std::size_t i = 0; i < n; ++i) same &= column.at(i, 0) == x.at(i, m - 1);
        checks.that(same, "%s m %zu: a right side alone has other bits than among others", what.c_str(), m);
      }
    }
}

void check_not_definite(Checks& checks, const Kernels& kernels) {
  Random random(checks.seed());
  for (const std::size_t n : {1, 2, 40, 130}) {
    for (const std::size_t at : {std::size_t{0}, n / 2, n - 1}) {
      for (const double bad : {-1.0, 0.0, NOT_A_NUMBER, INFINITE, -INFINITE}) {
        Dense a = gram(n, n + 3, 0.1, 0, random);
        if (bad == 0)
          for (std::size_t j = 0; j < n; ++j) a.at(at, j) = a.at(j, at) = 0;
        else
          a.at(at, at) = bad;
        const double ratio = kernels.cholesky(a.a.data(), n, n);
        checks.that(!(ratio > 0), "n %zu: diagonal %zu is %g and the pivot ratio %g", n, at, bad, ratio);
      }
      Dense a = gram(n, n + 3, 0.1, 0, random);
      if (at + 1 < n) {
        a.at(n - 1, at) = NOT_A_NUMBER;
        checks.that(!(kernels.cholesky(a.a.data(), n, n) > 0), "n %zu: NaN at (%zu, %zu) went unseen", n,
                    n - 1, at);
      }
    }
    Dense zero(n, n, 0);
    checks.that(!(kernels.cholesky(zero.a.data(), n, n) > 0), "n %zu: the zero matrix is not definite", n);
    if (n > 8) {
      Dense thin = gram(n, n / 2, 0, 0, random);
      const double ratio = kernels.cholesky(thin.a.data(), n, n);
      checks.that(!(ratio > 1e-13), "n %zu: half the rank and a pivot ratio of %g", n, ratio);
    }
  }
}

// ---- symmetric eigenproblem ----

// q diag(values) q^T with q a product of reflections: the truth is chosen, the input derived from it.
Dense with_spectrum(const std::vector<double>& values, Random& random) {
  const std::size_t n = values.size();
  Dense a(n, n, 0);
  for (std::size_t i = 0; i < n; ++i) a.at(i, i) = values[i];
  for (int k = 0; k < 6 && n > 1; ++k) {
    const Dense v = random_matrix(n, 1, 0, random);
    std::vector<double> av(n, 0.0);
    double vv = 0, vav = 0;
    for (std::size_t i = 0; i < n; ++i) {
      vv += v.a[i] * v.a[i];
      for (std::size_t j = 0; j < n; ++j) av[i] += a.at(i, j) * v.a[j];
    }
    for (std::size_t i = 0; i < n; ++i) vav += v.a[i] * av[i];
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = i; j < n; ++j)
        a.at(i, j) = a.at(j, i) =
            a.at(i, j) - 2 / vv * (v.a[i] * av[j] + av[i] * v.a[j]) + 4 * vav / (vv * vv) * v.a[i] * v.a[j];
  }
  return a;
}

struct Eigen {
  bool converged;
  std::vector<double> w;
  Dense v;  // rows
};

Eigen solve_eigen(const Kernels& kernels, const Dense& a) {
  const std::size_t n = a.rows, size = kernels.eigen_work(n);
  Eigen out{false, std::vector<double>(n, NOT_A_NUMBER), a};
  std::vector<double> work(size + 1, NOT_A_NUMBER);
  work[size] = CANARY;
  out.converged = kernels.eigen(out.v.a.data(), n, out.w.data(), work.data(), nullptr);
  if (work[size] != CANARY) out.converged = false;
  return out;
}

// Unit orthogonal rows, a v = w v and a descending spectrum; all O(n^3), so n is a few hundred.
void expect_eigen(Checks& checks, const Dense& a, const Eigen& e, const std::string& what) {
  const std::size_t n = a.rows;
  if (!checks.that(e.converged, "%s: not converged, or wrote beyond work", what.c_str())) return;
  double norm = 0, orthogonality = 0, residual = 0;
  for (std::size_t i = 0; i < n; ++i) norm = std::fmax(norm, std::fabs(e.w[i]));
  bool descending = true;
  for (std::size_t i = 0; i < n; ++i) {
    descending &= i == 0 || e.w[i] <= e.w[i - 1];
    for (std::size_t j = 0; j <= i; ++j) {
      double dot = i == j ? -1 : 0;
      for (std::size_t p = 0; p < n; ++p) dot += e.v.at(i, p) * e.v.at(j, p);
      if (!(std::fabs(dot) <= orthogonality)) orthogonality = std::fabs(dot);
    }
    double square = 0;
    for (std::size_t p = 0; p < n; ++p) {
      double r = -e.w[i] * e.v.at(i, p);
      for (std::size_t j = 0; j < n; ++j) r += a.at(p, j) * e.v.at(i, j);
      square += r * r;
    }
    if (!(std::sqrt(square) <= residual)) residual = std::sqrt(square);
  }
  const double budget = 4 * EPS * static_cast<double>(n + 3);
  checks.below(orthogonality, budget, "v v^T - 1, " + what);
  checks.below(residual, budget * (norm > 0 ? norm : a.largest()), "a v - w v, " + what);
  checks.that(descending, "%s: the eigenvalues do not descend", what.c_str());
  checks.that(e.v.framed(), "%s: wrote beyond a", what.c_str());
}

void check_eigen(Checks& checks, const Kernels& kernels) {
  Random random(checks.seed());
  for (const std::size_t n : {1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 33, 47, 64, 65, 100, 130, 257}) {
    struct {
      const char* name;
      double (*value)(std::size_t i, std::size_t n);
    } const spectra[] = {
        {"spread", [](std::size_t i, std::size_t) { return static_cast<double>(i) - 3.5; }},
        {"geometric",
         [](std::size_t i, std::size_t size) { return std::pow(1e-12, static_cast<double>(i) / size); }},
        {"half the rank", [](std::size_t i, std::size_t size) { return i < (size + 1) / 2 ? 1.0 + i : 0.0; }},
        {"two values", [](std::size_t i, std::size_t) { return i % 3 == 0 ? 5.0 : 2.0; }},
        {"one value", [](std::size_t, std::size_t) { return -3.0; }},
        {"close pairs", [](std::size_t i, std::size_t) { return i / 2 + 1e-14 * (i % 2); }},
        {"huge", [](std::size_t i, std::size_t) { return 1e300 / (1.0 + i); }},
        {"tiny", [](std::size_t i, std::size_t) { return 1e-300 / (1.0 + i); }},
    };
    for (const auto& spectrum : spectra) {
      std::vector<double> truth(n);
      for (std::size_t i = 0; i < n; ++i) truth[i] = spectrum.value(i, n);
      // the residual of huge and tiny spectra would overflow or underflow in the test itself
      const Dense a = with_spectrum(truth, random);
      const Eigen e = solve_eigen(kernels, a);
      const std::string what = text("n %zu %s", n, spectrum.name);
      if (std::fabs(truth[0]) > 1e-200 && std::fabs(truth[0]) < 1e200) expect_eigen(checks, a, e, what);
      std::sort(truth.begin(), truth.end(), [](double x, double y) { return x > y; });
      double error = 0, most = 0;
      for (std::size_t i = 0; i < n; ++i) {
        most = std::fmax(most, std::fabs(truth[i]));
        if (!(std::fabs(e.w[i] - truth[i]) <= error)) error = std::fabs(e.w[i] - truth[i]);
      }
      checks.below(error, 8 * EPS * static_cast<double>(n + 8) * most, "spectrum, " + what);
    }
    Dense zero(n, n, 0), diagonal(n, n, 0), chain(n, n, 0);
    for (std::size_t i = 0; i < n; ++i) {
      diagonal.at(i, i) = random.uniform();
      chain.at(i, i) = 2;
      if (i + 1 < n) chain.at(i, i + 1) = chain.at(i + 1, i) = -1;
    }
    expect_eigen(checks, zero, solve_eigen(kernels, zero), text("n %zu zero", n));
    expect_eigen(checks, diagonal, solve_eigen(kernels, diagonal), text("n %zu diagonal", n));
    const Eigen of_chain = solve_eigen(kernels, chain);
    expect_eigen(checks, chain, of_chain, text("n %zu chain", n));
    // the second difference has the eigenvalues 2 - 2 cos(pi j / (n + 1))
    double error = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const double truth = 2 - 2 * std::cos(M_PI * static_cast<double>(n - i) / static_cast<double>(n + 1));
      if (!(std::fabs(of_chain.w[i] - truth) <= error)) error = std::fabs(of_chain.w[i] - truth);
    }
    checks.below(error, 8 * EPS * static_cast<double>(n + 8), text("spectrum, n %zu chain", n));
  }
}

void check_not_finite(Checks& checks, const Kernels& kernels) {
  Random random(checks.seed());
  for (const std::size_t n : {1, 2, 50, 129})
    for (const double bad : {NOT_A_NUMBER, INFINITE, -INFINITE}) {
      Dense a = gram(n, n + 3, 0.1, 0, random);
      a.at(n / 2, n - 1) = a.at(n - 1, n / 2) = bad;
      checks.that(!solve_eigen(kernels, a).converged, "n %zu with %g: reported as converged", n, bad);
      Dense full(n, n, 0, bad);
      checks.that(!solve_eigen(kernels, full).converged, "n %zu full of %g: reported as converged", n, bad);
    }
}

// The whole family once, for comparison across instruction sets and calls. Signs of eigenvectors are left
// out.
std::vector<double> everything(const Kernels& kernels, std::uint64_t seed, std::size_t n) {
  Random random(seed);
  std::vector<double> all;
  const Dense a = random_matrix(n, n + 9, 0, random), b = random_matrix(n + 9, n, 0, random);
  Dense c = random_matrix(n, n, 0, random);
  kernels.gemm(false, false, n, n, n + 9, 0.5, a.a.data(), a.ld, b.a.data(), b.ld, 0.25, c.a.data(), n);
  all.insert(all.end(), c.a.begin(), c.a.end());
  const Dense s = gram(n, 2 * n, 0.1, 0, random);
  Dense moments = s;
  kernels.syrk_accumulate(n + 9, n, b.a.data(), b.ld, moments.a.data(), n);
  all.insert(all.end(), moments.a.begin(), moments.a.end());
  Dense l = s, x = random_matrix(n, 5, 0, random);
  all.push_back(kernels.cholesky(l.a.data(), n, n));
  all.insert(all.end(), l.a.begin(), l.a.end());
  kernels.cholesky_solve(l.a.data(), n, n, x.a.data(), 5, 5);
  all.insert(all.end(), x.a.begin(), x.a.end());
  const Eigen e = solve_eigen(kernels, s);
  all.insert(all.end(), e.w.begin(), e.w.end());
  return all;
}

void check_repeatable(Checks& checks, const Kernels& kernels) {
  for (const std::size_t n : {13, 70, 150}) {
    const std::vector<double> once = everything(kernels, checks.seed(), n),
                              again = everything(kernels, checks.seed(), n);
    checks.that(once == again, "n %zu: two calls differ", n);
    Random random(checks.seed());
    const Dense a = gram(n, n, 0, 0, random);
    checks.that(solve_eigen(kernels, a).v.a == solve_eigen(kernels, a).v.a, "n %zu: eigenvectors differ", n);
  }
}

void check_across(Checks& checks, const Kernels& reference, const Kernels& kernels) {
  for (const std::size_t n : {1, 13, 70, 150}) {
    const std::vector<double> x = everything(reference, checks.seed(), n),
                              y = everything(kernels, checks.seed(), n);
    double error = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double d = std::fabs(x[i] - y[i]) / std::fmax(std::fabs(x[i]), 1e-3);
      if (!(d <= error)) error = d;
    }
    checks.below(error, 1e-10, text("n %zu, largest relative difference", n));
  }
}

}  // namespace

int main(int argc, char** argv) {
  Checks checks(argc, argv);
  const std::vector<const Kernels*> tables = exo::test::tables();
  for (const Kernels* kernels : tables) {
    const std::string isa = std::string(kernels->name) + ": ";
    checks.run(isa + "gemm", [&] { check_gemm(checks, *kernels); });
    checks.run(isa + "gemm_f32", [&] { check_gemm_f32(checks, *kernels); });
    checks.run(isa + "gemm and syrk of nothing", [&] { check_gemm_empty(checks, *kernels); });
    checks.run(isa + "gemm keeps NaN and infinities in their row",
               [&] { check_gemm_spread(checks, *kernels); });
    checks.run(isa + "gemm in parts has the bits of the whole", [&] { check_gemm_split(checks, *kernels); });
    checks.run(isa + "syrk_accumulate", [&] { check_syrk(checks, *kernels); });
    checks.run(isa + "cholesky and cholesky_solve", [&] { check_cholesky(checks, *kernels); });
    checks.run(isa + "cholesky of what is not definite", [&] { check_not_definite(checks, *kernels); });
    checks.run(isa + "eigen", [&] { check_eigen(checks, *kernels); });
    checks.run(isa + "eigen of what is not finite", [&] { check_not_finite(checks, *kernels); });
    checks.run(isa + "the same bits again", [&] { check_repeatable(checks, *kernels); });
    if (kernels != tables[0])
      checks.run(isa + "agrees with " + tables[0]->name, [&] { check_across(checks, *tables[0], *kernels); });
  }
  return checks.finish();
}

// The lanes family (native/kernels/lanes/) for every kernel table that this CPU can run.
//
// A problem is a row-major (n,n) matrix; a batch is a list of problems that is packed L at a time, the way
// the kernels want them. Budgets are multiples of n * eps relative to the norm of the matrix.
#include <cmath>
#include <cstdlib>
#include <memory>

#include "check.h"
#include "core/conventions.h"
#include "kernels/scratch.h"
#include "tables.h"

using exo::Kernels;
using exo::test::Checks;
using exo::test::Random;
using Matrix = std::vector<double>;

namespace {

constexpr double EPS = 2.220446049250313e-16;
constexpr double NOT_A_NUMBER = __builtin_nan("");
constexpr double INFINITE = __builtin_inf();

struct Free {
  void operator()(double* p) const { std::free(p); }
};
using Aligned = std::unique_ptr<double[], Free>;
// Filled with NaN, so that a kernel that reads what nobody wrote is found out.
Aligned aligned(std::size_t count) {
  const std::size_t bytes = (count * sizeof(double) + 63) / 64 * 64 + 64;
  Aligned p(static_cast<double*>(std::aligned_alloc(64, bytes)));
  for (std::size_t i = 0; i < count; ++i) p[i] = NOT_A_NUMBER;
  return p;
}

bool same_bits(const Matrix& a, const Matrix& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0);
}

// Any NaN is as good as another.
bool same_numbers(const Matrix& a, const Matrix& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!(a[i] == b[i]) && !(std::isnan(a[i]) && std::isnan(b[i]))) return false;
  return a.size() == b.size();
}

// ---- matrices ----

Matrix random_matrix(std::size_t rows, std::size_t cols, Random& random) {
  Matrix m(rows * cols);
  for (double& x : m) x = random.uniform();
  return m;
}

// q diag(values) q^T with q a product of n reflections: the truth is chosen, the input derived from it.
Matrix with_spectrum(const Matrix& values, Random& random) {
  const std::size_t n = values.size();
  Matrix a(n * n, 0.0);
  for (std::size_t i = 0; i < n; ++i) a[i * n + i] = values[i];
  for (std::size_t k = 0; k < n && n > 1; ++k) {
    const Matrix v = random_matrix(n, 1, random);
    double vv = 0, vav = 0;
    Matrix av(n, 0.0);
    for (std::size_t i = 0; i < n; ++i) {
      vv += v[i] * v[i];
      for (std::size_t j = 0; j < n; ++j) av[i] += a[i * n + j] * v[j];
    }
    for (std::size_t i = 0; i < n; ++i) vav += v[i] * av[i];
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = i; j < n; ++j)
        a[i * n + j] = a[j * n + i] =
            a[i * n + j] - 2 / vv * (v[i] * av[j] + av[i] * v[j]) + 4 * vav / (vv * vv) * v[i] * v[j];
  }
  return a;
}

struct Family {
  const char* name;
  bool definite;
  Matrix (*make)(std::size_t n, Random& random);
};

Matrix gram(std::size_t n, std::size_t k, double ridge, Random& random) {
  const Matrix x = random_matrix(n, k, random);
  Matrix a(n * n, 0.0);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j)
      for (std::size_t p = 0; p < k; ++p) a[i * n + j] += x[i * k + p] * x[j * k + p];
  for (std::size_t i = 0; i < n; ++i) a[i * n + i] += ridge;
  return a;
}

const Family FAMILIES[] = {
    {"random SPD", true, [](std::size_t n, Random& r) { return gram(n, 2 * n, 0.1, r); }},
    {"indefinite", false,
     [](std::size_t n, Random& r) {
       Matrix values(n);
       for (double& x : values) x = r.uniform();
       values[0] = -1;
       return with_spectrum(values, r);
     }},
    {"rank-deficient", false, [](std::size_t n, Random& r) { return gram(n, n / 2, 0, r); }},
    {"repeated", true,
     [](std::size_t n, Random& r) {
       Matrix values(n);
       for (std::size_t i = 0; i < n; ++i) values[i] = i % 3 == 0 ? 5 : 2;
       return with_spectrum(values, r);
     }},
    {"condition 1e8", true,
     [](std::size_t n, Random& r) {
       Matrix values(n);
       for (std::size_t i = 0; i < n; ++i) values[i] = std::pow(10.0, -8.0 * i / (n > 1 ? n - 1.0 : 1.0));
       return with_spectrum(values, r);
     }},
    {"scaled rows 1e8", true,
     [](std::size_t n, Random& r) {
       Matrix a = gram(n, 2 * n, 0.1, r);
       for (std::size_t i = 0; i < n; ++i)
         for (std::size_t j = 0; j < n; ++j) a[i * n + j] *= std::pow(10.0, -4.0 * (i + j) / n);
       return a;
     }},
    {"diagonal", true,
     [](std::size_t n, Random& r) {
       Matrix a(n * n, 0.0);
       for (std::size_t i = 0; i < n; ++i) a[i * n + i] = 1.5 + r.uniform();
       return a;
     }},
    {"identity", true,
     [](std::size_t n, Random&) {
       Matrix a(n * n, 0.0);
       for (std::size_t i = 0; i < n; ++i) a[i * n + i] = 1;
       return a;
     }},
    {"zero", false, [](std::size_t n, Random&) { return Matrix(n * n, 0.0); }},
    {"ones", false, [](std::size_t n, Random&) { return Matrix(n * n, 1.0); }},
    {"second difference", true,
     [](std::size_t n, Random&) {
       Matrix a(n * n, 0.0);
       for (std::size_t i = 0; i < n; ++i) a[i * n + i] = 2;
       for (std::size_t i = 0; i + 1 < n; ++i) a[i * n + i + 1] = a[(i + 1) * n + i] = -1;
       return a;
     }},
    {"blocks", true,
     [](std::size_t n, Random& r) {
       Matrix a = gram(n, 2 * n, 0.1, r);
       for (std::size_t i = 0; i < n; ++i)
         for (std::size_t j = 0; j < n; ++j)
           if (i / 3 != j / 3) a[i * n + j] = 0;
       return a;
     }},
    {"scaled by 1e300", true,
     [](std::size_t n, Random& r) {
       Matrix a = gram(n, 2 * n, 0.1, r);
       for (double& x : a) x *= 1e300;
       return a;
     }},
    {"scaled by 1e-300", true,
     [](std::size_t n, Random& r) {
       Matrix a = gram(n, 2 * n, 0.1, r);
       for (double& x : a) x *= 1e-300;
       return a;
     }},
};

std::vector<Matrix> family_batch(std::size_t n, std::uint64_t seed, bool definite_only = false) {
  std::vector<Matrix> batch;
  Random random(seed * 1000 + n);
  for (const Family& family : FAMILIES)
    if (family.definite || !definite_only) batch.push_back(family.make(n, random));
  return batch;
}

double largest(const Matrix& m) {
  double x = 0;
  for (double v : m) x = std::fmax(x, std::fabs(v));
  return x;
}

// ---- packing ----

void pack(double* to, const std::vector<Matrix>& batch, std::size_t first, std::size_t lanes) {
  for (std::size_t l = 0; l < lanes; ++l) {
    const Matrix& m = batch[(first + l) % batch.size()];
    for (std::size_t i = 0; i < m.size(); ++i) to[i * lanes + l] = m[i];
  }
}
Matrix unpack(const double* from, std::size_t size, std::size_t lane, std::size_t lanes) {
  Matrix m(size);
  for (std::size_t i = 0; i < size; ++i) m[i] = from[i * lanes + lane];
  return m;
}

struct Eigen {
  Matrix vectors, values;
};
std::vector<Eigen> eigen(const Kernels& k, const std::vector<Matrix>& batch, std::size_t n) {
  const std::size_t lanes = k.lanes;
  Aligned a = aligned(n * n * lanes), w = aligned(n * lanes), work = aligned(k.eigen_lanes_work(n));
  std::vector<Eigen> out;
  for (std::size_t first = 0; first < batch.size(); first += lanes) {
    pack(a.get(), batch, first, lanes);
    k.eigen_lanes(a.get(), w.get(), n, work.get());
    for (std::size_t l = 0; l < lanes && first + l < batch.size(); ++l)
      out.push_back({unpack(a.get(), n * n, l, lanes), unpack(w.get(), n, l, lanes)});
  }
  return out;
}

struct Factor {
  Matrix factor;
  double pivot;
  Matrix solution;
};
std::vector<Factor> cholesky(const Kernels& k, const std::vector<Matrix>& batch,
                             const std::vector<Matrix>& right, std::size_t n, std::size_t m) {
  const std::size_t lanes = k.lanes;
  Aligned a = aligned(n * n * lanes), x = aligned(n * m * lanes), pivot = aligned(lanes);
  std::vector<Factor> out;
  for (std::size_t first = 0; first < batch.size(); first += lanes) {
    pack(a.get(), batch, first, lanes);
    pack(x.get(), right, first, lanes);
    k.cholesky_lanes(a.get(), n, pivot.get());
    k.cholesky_solve_lanes(a.get(), x.get(), n, m);
    for (std::size_t l = 0; l < lanes && first + l < batch.size(); ++l)
      out.push_back({unpack(a.get(), n * n, l, lanes), pivot[l], unpack(x.get(), n * m, l, lanes)});
  }
  return out;
}

// ---- references ----

// Eigenvalues, descending, by cyclic Jacobi in long double.
std::vector<long double> jacobi(const Matrix& matrix, std::size_t n) {
  std::vector<long double> a(matrix.begin(), matrix.end());
  const long double scale = largest(matrix) > 0 ? largest(matrix) : 1;
  for (long double& x : a) x /= scale;
  for (int sweep = 0; sweep < 30; ++sweep) {
    long double off = 0;
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = i + 1; j < n; ++j) off += a[i * n + j] * a[i * n + j];
    if (off < 1e-40L) break;
    for (std::size_t p = 0; p < n; ++p)
      for (std::size_t q = p + 1; q < n; ++q) {
        const long double apq = a[p * n + q];
        if (apq == 0) continue;
        const long double theta = (a[q * n + q] - a[p * n + p]) / (2 * apq);
        const long double t = (theta < 0 ? -1 : 1) / (fabsl(theta) + sqrtl(theta * theta + 1));
        const long double c = 1 / sqrtl(t * t + 1), s = t * c;
        for (std::size_t i = 0; i < n; ++i) {
          const long double x = a[i * n + p], y = a[i * n + q];
          a[i * n + p] = c * x - s * y;
          a[i * n + q] = s * x + c * y;
        }
        for (std::size_t i = 0; i < n; ++i) {
          const long double x = a[p * n + i], y = a[q * n + i];
          a[p * n + i] = c * x - s * y;
          a[q * n + i] = s * x + c * y;
        }
      }
  }
  std::vector<long double> w(n);
  for (std::size_t i = 0; i < n; ++i) w[i] = a[i * n + i] * scale;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = i + 1; j < n; ++j)
      if (w[j] > w[i]) std::swap(w[i], w[j]);
  return w;
}

// Smallest pivot over largest diagonal entry, by Cholesky in long double.
long double pivot_ratio(const Matrix& matrix, std::size_t n) {
  std::vector<long double> l(matrix.begin(), matrix.end());
  long double top = 0, low = HUGE_VALL;
  for (std::size_t i = 0; i < n; ++i) top = fmaxl(top, l[i * n + i]);
  for (std::size_t j = 0; j < n; ++j) {
    long double p = l[j * n + j];
    for (std::size_t k = 0; k < j; ++k) p -= l[j * n + k] * l[j * n + k];
    low = fminl(low, p);
    for (std::size_t i = j + 1; i < n; ++i) {
      for (std::size_t k = 0; k < j; ++k) l[i * n + j] -= l[i * n + k] * l[j * n + k];
      l[i * n + j] /= sqrtl(p);
    }
    l[j * n + j] = sqrtl(p);
  }
  return low / top;
}

std::string label(std::size_t n, std::size_t family, const char* what) {
  return std::string(what) + " of '" + FAMILIES[family].name + "', n = " + std::to_string(n);
}

// ---- checks ----

void eigen_properties(Checks& checks, const Kernels& k) {
  for (std::size_t n = 1; n <= 64; ++n) {
    const std::vector<Matrix> batch = family_batch(n, checks.seed());
    const std::vector<Eigen> found = eigen(k, batch, n);
    const double budget = n * EPS;
    for (std::size_t b = 0; b < batch.size(); ++b) {
      const Matrix &a = batch[b], &v = found[b].vectors, &w = found[b].values;
      const double scale = largest(a) > 0 ? largest(a) : 1;
      double residual = 0, orthogonality = 0;
      bool descending = true;
      for (std::size_t j = 0; j < n; ++j) {
        if (j > 0 && !(w[j - 1] >= w[j])) descending = false;
        for (std::size_t i = 0; i < n; ++i) {
          long double av = 0, vv = 0;
          for (std::size_t p = 0; p < n; ++p) {
            av += (long double)(a[i * n + p] / scale) * v[j * n + p];
            vv += (long double)v[i * n + p] * v[j * n + p];
          }
          const double r = std::fabs((double)(av - (long double)(w[j] / scale) * v[j * n + i]));
          const double o = std::fabs((double)(vv - (i == j)));
          residual = r <= residual ? residual : r;  // a NaN stays
          orthogonality = o <= orthogonality ? orthogonality : o;
        }
      }
      const double norm = std::fmax(1, std::fmax(std::fabs(w[0]), std::fabs(w[n - 1])) / scale);
      checks.that(descending, "%s are not descending", label(n, b, "eigenvalues").c_str());
      checks.below(residual / norm, 4 * budget, label(n, b, "residual"));
      checks.below(orthogonality, 8 * budget, label(n, b, "orthogonality error"));
    }
  }
}

void eigen_values(Checks& checks, const Kernels& k) {
  for (std::size_t n : {1, 2, 3, 4, 5, 7, 8, 9, 16, 24, 33, 64}) {
    const std::vector<Matrix> batch = family_batch(n, checks.seed());
    const std::vector<Eigen> found = eigen(k, batch, n);
    for (std::size_t b = 0; b < batch.size(); ++b) {
      const std::vector<long double> w = jacobi(batch[b], n);
      const double norm = std::fmax(std::fmax(std::fabs((double)w[0]), std::fabs((double)w[n - 1])), 1e-305);
      double error = 0;
      for (std::size_t i = 0; i < n; ++i)
        error = std::fmax(error, std::fabs((double)(found[b].values[i] - w[i])));
      checks.below(error / norm, 4 * n * EPS, label(n, b, "eigenvalue error"));
    }
  }
}

// The bits of a problem are the same alone, in any lane and beside any neighbour, a NaN included.
void eigen_neighbours(Checks& checks, const Kernels& k) {
  for (std::size_t n : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 17, 20, 24, 31, 48, 64}) {
    std::vector<Matrix> batch = family_batch(n, checks.seed());
    const std::vector<Eigen> expected = eigen(k, batch, n);
    for (std::size_t b = 0; b < batch.size(); ++b) {
      const Eigen alone = eigen(k, {batch[b]}, n)[0];
      checks.that(
          same_bits(alone.vectors, expected[b].vectors) && same_bits(alone.values, expected[b].values),
          "%s depends on its neighbours", label(n, b, "answer").c_str());
      for (std::size_t lane = 0; lane < k.lanes; ++lane) {
        std::vector<Matrix> among(k.lanes, Matrix(n * n, 0.0));
        for (std::size_t l = 0; l < k.lanes; ++l) among[l] = batch[(b + l * 5 + lane) % batch.size()];
        among[lane] = batch[b];
        among[(lane + 1) % k.lanes][n * n - 1] = lane % 2 ? INFINITE : NOT_A_NUMBER;
        const std::vector<Eigen> found = eigen(k, among, n);
        checks.that(same_bits(found[lane].vectors, expected[b].vectors) &&
                        same_bits(found[lane].values, expected[b].values),
                    "%s depends on its lane (%zu)", label(n, b, "answer").c_str(), lane);
      }
    }
  }
}

// Off-diagonal entries that end near the limit of what is dropped, where one sweep more, which only a
// neighbour asks for, could pick up again what was dropped: tridiagonal matrices whose diagonal moves a lot.
void eigen_limits(Checks& checks, const Kernels& k) {
  Random random(checks.seed());
  for (std::size_t n : {4, 6, 8, 11, 16}) {
    std::vector<Matrix> batch(1000, Matrix(n * n, 0.0));
    for (Matrix& a : batch)
      for (std::size_t i = 0; i < n; ++i) {
        a[i * n + i] = 2 + 2 * random.uniform();
        if (i > 0) a[i * n + i - 1] = a[(i - 1) * n + i] = -1 + 0.5 * random.uniform();
      }
    const std::vector<Eigen> expected = eigen(k, batch, n);
    for (std::size_t b = 0; b < batch.size(); ++b) {
      const Eigen alone = eigen(k, {batch[b]}, n)[0];
      checks.that(
          same_bits(alone.vectors, expected[b].vectors) && same_bits(alone.values, expected[b].values),
          "tridiagonal matrix %zu depends on its neighbours, n = %zu", b, n);
    }
  }
}

void eigen_nonfinite(Checks& checks, const Kernels& k) {
  for (std::size_t n : {1, 2, 3, 8, 17, 64})
    for (double bad : {NOT_A_NUMBER, INFINITE, -INFINITE})
      for (std::size_t at : {std::size_t{0}, n - 1, (n - 1) * n, n * n - 1}) {
        Random random(checks.seed());
        Matrix a = gram(n, 2 * n, 0.1, random);
        a[at] = a[at % n * n + at / n] = bad;
        const Eigen found = eigen(k, {a}, n)[0];
        for (double w : found.values)
          checks.that(!std::isfinite(w), "eigenvalue %g of a matrix with %g at %zu, n = %zu", w, bad, at, n);
      }
}

// Problems in the caller's order, any number of them, have the bits that they have in lanes.
void batches(Checks& checks, const Kernels& k) {
  for (std::size_t n : {1, 2, 3, 7, 8, 12, 16, 24, 25, 33, 64}) {
    Random random(checks.seed() + n);
    std::vector<Matrix> some = family_batch(n, checks.seed());
    some.resize(std::min(some.size(), 3 * k.lanes + 1));
    some.push_back(Matrix(n * n, NOT_A_NUMBER));
    const std::vector<Eigen> vectors = eigen(k, some, n);
    const std::size_t m = n % 5 + 1;
    std::vector<Matrix> definite, right;
    for (std::size_t b = 0; b < some.size(); ++b) {
      definite.push_back(b == 1 ? Matrix(n * n, 0.0) : gram(n, 2 * n, 0.1, random));
      right.push_back(random_matrix(n, m, random));
    }
    const std::vector<Factor> factors = cholesky(k, definite, right, n, m);
    for (std::size_t count = 1; count <= some.size(); ++count) {
      Matrix matrices, systems, sides, values(count * n), found(count * n * n), x(count * n * m);
      for (std::size_t b = 0; b < count; ++b) {
        matrices.insert(matrices.end(), some[b].begin(), some[b].end());
        systems.insert(systems.end(), definite[b].begin(), definite[b].end());
        sides.insert(sides.end(), right[b].begin(), right[b].end());
      }
      Aligned work = aligned(k.eigen_batch_work(n)), other = aligned(k.cholesky_batch_work(n, m));
      k.eigen_batch(matrices.data(), n, count, values.data(), found.data(), work.get());
      k.cholesky_solve_batch(systems.data(), sides.data(), n, m, count, x.data(), other.get());
      for (std::size_t b = 0; b < count; ++b) {
        const Matrix w(values.begin() + b * n, values.begin() + (b + 1) * n);
        const Matrix v(found.begin() + b * n * n, found.begin() + (b + 1) * n * n);
        const Matrix y(x.begin() + b * n * m, x.begin() + (b + 1) * n * m);
        checks.that(same_numbers(w, vectors[b].values) && same_numbers(v, vectors[b].vectors),
                    "eigenproblem %zu of %zu differs from that in lanes, n = %zu", b, count, n);
        if (b == 1)
          checks.that(std::isnan(y[0]) && std::isnan(y[n * m - 1]),
                      "a singular system has a solution, n = %zu", n);
        else
          checks.that(same_numbers(y, factors[b].solution),
                      "solution %zu of %zu differs from that in lanes, n = %zu", b, count, n);
      }
    }
  }
}

// A tridiagonal matrix that is one already, whose sweeps meet cosines and pivots of any size.
void eigen_hard(Checks& checks, const Kernels& k) {
  for (std::size_t n : {2, 3, 8, 16, 31, 64, 100}) {
    Random random(checks.seed() + n);
    std::vector<Matrix> batch;
    for (int b = 0; b < (n > 64 ? 8 : 64); ++b) {
      Matrix a(n * n, 0.0);
      for (std::size_t i = 0; i < n; ++i) {
        const double size = std::pow(10, -20 * random.uniform() * random.uniform());
        a[i * n + i] = b % 4 == 0 ? 0 : b % 4 == 1 ? (double)(i % 2) : size;
        if (i > 0) a[i * n + i - 1] = a[(i - 1) * n + i] = b % 3 == 0 ? 1 : size;
      }
      batch.push_back(a);
    }
    const std::vector<Eigen> found = eigen(k, batch, n);
    for (std::size_t b = 0; b < batch.size(); ++b) {
      const std::vector<long double> w = jacobi(batch[b], n);
      const double norm = std::fmax(std::fabs((double)w[0]), std::fabs((double)w[n - 1]));
      double error = 0, residual = 0, orthogonality = 0;
      for (std::size_t i = 0; i < n; ++i) {
        error = std::fmax(error, std::fabs((double)(found[b].values[i] - w[i])));
        for (std::size_t j = 0; j < n; ++j) {
          long double av = 0, vv = 0;
          for (std::size_t p = 0; p < n; ++p) {
            av += (long double)batch[b][j * n + p] * found[b].vectors[i * n + p];
            vv += (long double)found[b].vectors[j * n + p] * found[b].vectors[i * n + p];
          }
          residual =
              std::fmax(residual, std::fabs((double)(av - found[b].values[i] * found[b].vectors[i * n + j])));
          orthogonality = std::fmax(orthogonality, std::fabs((double)(vv - (i == j))));
        }
      }
      const std::string where = " of tridiagonal matrix " + std::to_string(b) + ", n = " + std::to_string(n);
      checks.below(error / norm, 4 * n * EPS, "eigenvalue error" + where);
      checks.below(residual / norm, 4 * n * EPS, "residual" + where);
      checks.below(orthogonality, 8 * n * EPS, "orthogonality error" + where);
    }
  }
}

void cholesky_properties(Checks& checks, const Kernels& k) {
  for (std::size_t n = 1; n <= 64; ++n)
    for (std::size_t m : {std::size_t{1}, 2 + n % 7, std::size_t{8}, std::size_t{17}}) {
      const std::vector<Matrix> batch = family_batch(n, checks.seed(), true);
      std::vector<Matrix> right;
      Random random(checks.seed() + n);
      for (std::size_t b = 0; b < batch.size(); ++b) right.push_back(random_matrix(n, m, random));
      const std::vector<Factor> found = cholesky(k, batch, right, n, m);
      for (std::size_t b = 0; b < batch.size(); ++b) {
        const Matrix &a = batch[b], &l = found[b].factor, &x = found[b].solution;
        const std::string where = " of definite problem " + std::to_string(b) + ", n = " + std::to_string(n) +
                                  ", m = " + std::to_string(m);
        const double scale = largest(a);
        double factor = 0, solve = 0;
        bool untouched = true;
        for (std::size_t i = 0; i < n; ++i)
          for (std::size_t j = 0; j < n; ++j) {
            if (j > i && std::memcmp(&a[i * n + j], &l[i * n + j], sizeof(double)) != 0) untouched = false;
            long double sum = 0;
            for (std::size_t p = 0; p <= std::min(i, j); ++p)
              sum += (long double)l[i * n + p] * l[j * n + p] / scale;
            const double e = std::fabs((double)(sum - a[i * n + j] / scale));
            factor = e <= factor ? factor : e;
          }
        const double size = largest(x);
        for (std::size_t i = 0; i < n; ++i)
          for (std::size_t c = 0; c < m; ++c) {
            long double sum = 0;
            for (std::size_t p = 0; p < n; ++p)
              sum += (long double)(a[i * n + p] / scale) * (x[p * m + c] / size);
            const double e = std::fabs((double)(sum - (long double)right[b][i * m + c] / scale / size));
            solve = e <= solve ? solve : e;
          }
        checks.that(untouched, "the upper part%s changed", where.c_str());
        checks.below(factor, 2 * n * EPS, "l l^T - a" + where);
        checks.below(solve, 8 * n * EPS, "residual" + where);
        // The pivot of an ill-conditioned matrix carries the backward error of the whole matrix.
        checks.below(std::fabs((double)(found[b].pivot - pivot_ratio(a, n))), 4 * n * EPS,
                     "pivot error" + where);
      }
    }
}

void cholesky_rejects(Checks& checks, const Kernels& k) {
  for (std::size_t n : {1, 2, 3, 8, 17, 64}) {
    Random random(checks.seed() + n);
    const Matrix good = gram(n, 2 * n, 0.1, random), right(n, 1.0);
    std::vector<Matrix> bad{Matrix(n * n, 0.0)};
    for (double x : {NOT_A_NUMBER, INFINITE, -1.0})
      for (std::size_t i : {std::size_t{0}, n / 2, n - 1}) {
        bad.push_back(good);
        bad.back()[i * n + i] = x;
        if (n > 1 && x != -1) {
          bad.push_back(good);
          bad.back()[(n - 1) * n] = x;
        }
      }
    Matrix negative = good;
    for (double& x : negative) x = -x;
    bad.push_back(negative);
    for (const Matrix& a : bad) {
      const double pivot = cholesky(k, {a}, {right}, n, 1)[0].pivot;
      checks.that(!(pivot > 0), "pivot %g of a matrix that is not positive definite, n = %zu", pivot, n);
      // A good problem beside it keeps its bits.
      const Factor alone = cholesky(k, {good}, {right}, n, 1)[0];
      const Factor beside = cholesky(k, {a, good}, {right, right}, n, 1)[1];
      checks.that(same_bits(alone.factor, beside.factor) && same_bits(alone.solution, beside.solution) &&
                      alone.pivot == beside.pivot,
                  "a factor depends on its neighbour, n = %zu", n);
    }
  }
}

// Eigenvalues, and for well separated ones the vectors up to sign; factors and solutions of well-conditioned
// problems.
void tables_agree(Checks& checks, const std::vector<const Kernels*>& tables) {
  for (std::size_t n : {1, 2, 3, 8, 16, 33, 64}) {
    Random random(checks.seed() + n);
    std::vector<Matrix> batch, right;
    for (int b = 0; b < 9; ++b) {
      Matrix values(n);
      for (std::size_t i = 0; i < n; ++i) values[i] = 1 + i + 0.3 * random.uniform();
      batch.push_back(with_spectrum(values, random));
      right.push_back(random_matrix(n, 3, random));
    }
    const std::vector<Eigen> e0 = eigen(*tables[0], batch, n);
    const std::vector<Factor> f0 = cholesky(*tables[0], batch, right, n, 3);
    for (const Kernels* table : tables) {
      const std::vector<Eigen> e = eigen(*table, batch, n);
      const std::vector<Factor> f = cholesky(*table, batch, right, n, 3);
      double error = 0;
      for (std::size_t b = 0; b < batch.size(); ++b) {
        for (std::size_t i = 0; i < n; ++i) {
          error = std::fmax(error, std::fabs(e[b].values[i] - e0[b].values[i]) / n);
          double dot = 0;
          for (std::size_t j = 0; j < n; ++j) dot += e[b].vectors[i * n + j] * e0[b].vectors[i * n + j];
          for (std::size_t j = 0; j < n; ++j)
            error = std::fmax(
                error, std::fabs(e[b].vectors[i * n + j] - (dot < 0 ? -1 : 1) * e0[b].vectors[i * n + j]));
        }
        for (std::size_t i = 0; i < n; ++i)
          for (std::size_t j = 0; j <= i; ++j)
            error = std::fmax(error, std::fabs(f[b].factor[i * n + j] - f0[b].factor[i * n + j]));
        for (std::size_t i = 0; i < n * 3; ++i)
          error = std::fmax(error, std::fabs(f[b].solution[i] - f0[b].solution[i]));
      }
      checks.below(error, 1e-10, std::string(table->name) + " against baseline, n = " + std::to_string(n));
    }
  }
}

}  // namespace

// ---- the products: not in the table, so compiled here with the vectors of the baseline ----

namespace exo {
namespace {
constexpr std::size_t LANES = 2;
typedef double vec __attribute__((vector_size(16)));
typedef std::int64_t mask __attribute__((vector_size(16)));
inline vec fma(vec a, vec b, vec c) { return a * b + c; }
inline vec fnma(vec a, vec b, vec c) { return c - a * b; }
inline vec sqrt(vec a) { return vec{__builtin_sqrt(a[0]), __builtin_sqrt(a[1])}; }
inline bool any(mask m) { return (m[0] | m[1]) != 0; }
inline void transpose(vec (&tile)[LANES]) {
  const vec first = tile[0], second = tile[1];
  tile[0] = vec{first[0], second[0]};
  tile[1] = vec{first[1], second[1]};
}
// The order matters:
// clang-format off
#include "kernels/vec-inl.h"
#include "kernels/lanes/batch-inl.h"
// clang-format on

using Gemm = void (*)(double*, const double*, const double*, std::size_t, std::size_t, std::size_t, bool);

// form: 0 nn, 1 nt, 2 tn.
void product(Checks& checks, int form, Gemm gemm) {
  Random random(checks.seed());
  for (std::size_t m : {1, 2, 3, 4, 5, 7, 8, 11})
    for (std::size_t n : {1, 2, 3, 4, 6, 7, 9})
      for (std::size_t k : {0, 1, 2, 5, 16})
        for (bool accumulate : {false, true}) {
          Aligned a = aligned(m * k * LANES), b = aligned(k * n * LANES), c = aligned(m * n * LANES);
          for (std::size_t i = 0; i < m * k * LANES; ++i) a[i] = random.uniform();
          for (std::size_t i = 0; i < k * n * LANES; ++i) b[i] = random.uniform();
          if (accumulate)
            for (std::size_t i = 0; i < m * n * LANES; ++i) c[i] = random.uniform();
          std::vector<double> expected(m * n * LANES, 0.0);
          for (std::size_t i = 0; i < m; ++i)
            for (std::size_t j = 0; j < n; ++j)
              for (std::size_t l = 0; l < LANES; ++l) {
                double sum = accumulate ? c[(i * n + j) * LANES + l] : 0;
                for (std::size_t p = 0; p < k; ++p)
                  sum += a[(form == 2 ? p * m + i : i * k + p) * LANES + l] *
                         b[(form == 1 ? j * k + p : p * n + j) * LANES + l];
                expected[(i * n + j) * LANES + l] = sum;
              }
          gemm(c.get(), a.get(), b.get(), m, n, k, accumulate);
          double error = 0;
          for (std::size_t i = 0; i < m * n * LANES; ++i) {
            const double e = std::fabs(c[i] - expected[i]);
            error = e <= error ? error : e;
          }
          checks.below(
              error, (k + 1) * EPS,
              "product " + std::to_string(m) + " x " + std::to_string(n) + " x " + std::to_string(k));
        }
}
}  // namespace
}  // namespace exo

int main(int argc, char** argv) {
  Checks checks(argc, argv);
  const std::vector<const Kernels*> tables = exo::test::tables();
  for (const Kernels* k : tables) {
    const std::string isa = std::string(k->name) + ": ";
    checks.run(isa + "eigen: descending, orthonormal, small residual", [&] { eigen_properties(checks, *k); });
    checks.run(isa + "eigen: values against Jacobi in long double", [&] { eigen_values(checks, *k); });
    checks.run(isa + "eigen: tridiagonal matrices of every size", [&] { eigen_hard(checks, *k); });
    checks.run(isa + "problems in the caller's order", [&] { batches(checks, *k); });
    checks.run(isa + "eigen: lanes do not influence each other", [&] { eigen_neighbours(checks, *k); });
    checks.run(isa + "eigen: what is dropped stays dropped", [&] { eigen_limits(checks, *k); });
    checks.run(isa + "eigen: non-finite input", [&] { eigen_nonfinite(checks, *k); });
    checks.run(isa + "cholesky: factor, pivot and solution", [&] { cholesky_properties(checks, *k); });
    checks.run(isa + "cholesky: what is not positive definite", [&] { cholesky_rejects(checks, *k); });
  }
  checks.run("tables agree to 1e-10", [&] { tables_agree(checks, tables); });
  checks.run("products: nn", [&] { exo::product(checks, 0, exo::gemm_nn_lanes); });
  checks.run("products: nt", [&] { exo::product(checks, 1, exo::gemm_nt_lanes); });
  checks.run("products: tn", [&] { exo::product(checks, 2, exo::gemm_tn_lanes); });
  return checks.finish();
}

// LAPACK and BLAS, both from OpenBLAS, on the cases of `exolam bench --peers`: blas_peer SECONDS < tasks.
#include <cblas.h>

#include "peer.h"

extern "C" {
void dsyevd_(const char* job, const char* part, const int* n, double* a, const int* lda, double* w, double* work,
             const int* lwork, int* iwork, const int* liwork, int* info);
void dposv_(const char* part, const int* n, const int* m, double* a, const int* lda, double* b, const int* ldb,
            int* info);
}

static void eigenproblem(const Task& t, double seconds) {
  const int n = static_cast<int>(t.n);
  const std::size_t size = t.n * t.n;
  std::vector<double> vectors(t.items * size), values(t.items * t.n), work(1);
  std::vector<int> iwork(1);
  int info, ask = -1;
  dsyevd_("V", "L", &n, vectors.data(), &n, values.data(), work.data(), &ask, iwork.data(), &ask, &info);
  work.resize(static_cast<std::size_t>(work[0]));
  iwork.resize(static_cast<std::size_t>(iwork[0]));
  const int lwork = static_cast<int>(work.size()), liwork = static_cast<int>(iwork.size());
  long done = 0;
  measure(
      t, "LAPACK", "dsyevd", seconds,
      [&](long count) {
        std::copy_n(t.input.data(), count * size, vectors.data());
        for (long i = 0; i < count; ++i)
          dsyevd_("V", "L", &n, &vectors[i * size], &n, &values[i * t.n], work.data(), &lwork, iwork.data(), &liwork,
                  &info);
        done = count;
      },
      [&] {
        std::vector<double> descending;
        for (long i = 0; i < done; ++i)
          for (long j = t.n; j-- > 0;) descending.push_back(values[i * t.n + j]);
        return descending;
      });
}

static void cholesky(const Task& t, double seconds) {
  const int n = static_cast<int>(t.n), m = static_cast<int>(t.m);
  const double* right_sides = &t.input[t.items * t.n * t.n];
  // LAPACK stores columns one after another: the right sides are turned over beforehand.
  std::vector<double> columns(t.items * t.n * t.m), x(columns.size()), a(t.n * t.n);
  for (long i = 0; i < t.items; ++i)
    for (long r = 0; r < t.n; ++r)
      for (long c = 0; c < t.m; ++c) columns[(i * t.m + c) * t.n + r] = right_sides[(i * t.n + r) * t.m + c];
  long done = 0;
  measure(
      t, "LAPACK", "dposv", seconds,
      [&](long count) {
        int info;
        std::copy_n(columns.data(), count * n * m, x.data());
        for (long i = 0; i < count; ++i) {
          std::copy_n(&t.input[i * t.n * t.n], t.n * t.n, a.data());
          dposv_("L", &n, &m, a.data(), &n, &x[i * n * m], &n, &info);
        }
        done = count;
      },
      [&] {
        std::vector<double> rows;
        for (long i = 0; i < done; ++i)
          for (long r = 0; r < t.n; ++r)
            for (long c = 0; c < t.m; ++c) rows.push_back(x[(i * t.m + c) * t.n + r]);
        return rows;
      });
}

static void moments(const Task& t, double seconds) {
  const int n = static_cast<int>(t.n);
  const double* mean = &t.input[t.items * t.n];
  std::vector<double> centred(t.items * t.n), c(t.n * t.n);
  for (long i = 0; i < t.items * t.n; ++i) centred[i] = t.input[i] - mean[i % t.n];
  measure(
      t, "OpenBLAS", "dsyrk of rows centred beforehand", seconds,
      [&](long rows) {
        cblas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, n, static_cast<int>(rows), 1, centred.data(), n, 0, c.data(),
                    n);
      },
      [&] {
        std::vector<double> full = c;
        for (long i = 0; i < t.n; ++i)
          for (long j = i + 1; j < t.n; ++j) full[i * t.n + j] = c[j * t.n + i];
        return full;
      });
}

template <class T, class Gemm>
static void product(const Task& t, const char* detail, double seconds, Gemm gemm) {
  const int n = static_cast<int>(t.n);
  const std::vector<T> a(t.input.begin(), t.input.begin() + t.n * t.n);
  const std::vector<T> b(t.input.begin() + t.n * t.n, t.input.end());
  std::vector<T> c(t.n * t.n);
  measure(
      t, "OpenBLAS", detail, seconds,
      [&](long count) {
        for (long i = 0; i < count; ++i)
          gemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, T(1), a.data(), n, b.data(), n, T(0), c.data(), n);
      },
      [&] { return std::vector<double>(c.begin(), c.end()); });
}

int main(int, char** argv) {
  const double seconds = atof(argv[1]);
  std::string library, version;
  std::istringstream(openblas_get_config()) >> library >> version;
  version += std::string(" for ") + openblas_get_corename();
  announce("LAPACK", "of OpenBLAS " + version);
  announce("OpenBLAS", version);
  for (Task t; next(t);) {
    if (t.kind == "eigenproblem") eigenproblem(t, seconds);
    if (t.kind == "cholesky") cholesky(t, seconds);
    if (t.kind == "moments") moments(t, seconds);
    if (t.kind == "product-f64") product<double>(t, "dgemm", seconds, cblas_dgemm);
    if (t.kind == "product-f32") product<float>(t, "sgemm", seconds, cblas_sgemm);
  }
}

// A dense row-major matrix that owns its numbers, and the few products that the dense stages need.
#pragma once
#include <algorithm>
#include <cstddef>
#include <vector>

#include "core/memory.h"
#include "kernels/kernels.h"

namespace exo {

struct Matrix {
  std::size_t rows = 0, cols = 0;
  std::vector<double, LargePages<double>> a;
  Matrix() = default;
  Matrix(std::size_t r, std::size_t c) : rows(r), cols(c), a(r * c, 0.0) {}
  // Of any numbers, for what fills it: of large matrices a thread's zeros take as long as they do to fill.
  static Matrix unfilled(std::size_t r, std::size_t c) {
    Matrix m;
    m.rows = r;
    m.cols = c;
    m.a.resize(r * c);
    return m;
  }
  double* data() { return a.data(); }
  const double* data() const { return a.data(); }
  double* row(std::size_t i) { return a.data() + i * cols; }
  const double* row(std::size_t i) const { return a.data() + i * cols; }
  double& at(std::size_t i, std::size_t j) { return a[i * cols + j]; }
  double at(std::size_t i, std::size_t j) const { return a[i * cols + j]; }
};

// c = beta c + alpha a b, a^T b, a b^T.
inline void product(const Kernels& k, const Matrix& a, const Matrix& b, Matrix& c, double alpha = 1,
                    double beta = 0) {
  k.gemm(false, false, a.rows, b.cols, a.cols, alpha, a.data(), a.cols, b.data(), b.cols, beta, c.data(),
         c.cols);
}
inline void product_tn(const Kernels& k, const Matrix& a, const Matrix& b, Matrix& c, double alpha = 1,
                       double beta = 0) {
  k.gemm(true, false, a.cols, b.cols, a.rows, alpha, a.data(), a.cols, b.data(), b.cols, beta, c.data(),
         c.cols);
}
inline void product_nt(const Kernels& k, const Matrix& a, const Matrix& b, Matrix& c, double alpha = 1,
                       double beta = 0) {
  k.gemm(false, true, a.rows, b.rows, a.cols, alpha, a.data(), a.cols, b.data(), b.cols, beta, c.data(),
         c.cols);
}
inline Matrix times(const Kernels& k, const Matrix& a, const Matrix& b) {
  Matrix c(a.rows, b.cols);
  product(k, a, b, c);
  return c;
}
inline Matrix times_tn(const Kernels& k, const Matrix& a, const Matrix& b) {
  Matrix c(a.cols, b.cols);
  product_tn(k, a, b, c);
  return c;
}
inline Matrix times_nt(const Kernels& k, const Matrix& a, const Matrix& b) {
  Matrix c(a.rows, b.rows);
  product_nt(k, a, b, c);
  return c;
}
inline double trace(const Matrix& a) {
  double sum = 0;
  for (std::size_t i = 0; i < a.rows; ++i) sum += a.at(i, i);
  return sum;
}
// Rounding leaves products such as A S A^T a little asymmetric; eigenproblems want them exactly symmetric.
inline void symmetrise(Matrix& a) {
  constexpr std::size_t square = 32;  // both halves of it stay in the cache
  for (std::size_t i0 = 0; i0 < a.rows; i0 += square)
    for (std::size_t j0 = 0; j0 <= i0; j0 += square)
      for (std::size_t i = i0; i < std::min(i0 + square, a.rows); ++i)
        for (std::size_t j = j0; j < std::min(j0 + square, i); ++j)
          a.at(i, j) = a.at(j, i) = 0.5 * (a.at(i, j) + a.at(j, i));
}

}  // namespace exo

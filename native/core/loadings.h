// Small dense matrices of plain doubles whose rows are loadings: the careful path (careful.cc), where digits
// matter more than time. No kernel is used, so that the bits are the same on every instruction set.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/conventions.h"
#include "core/pooled.h"

namespace exo {

struct Rows {
  std::size_t rows = 0, cols = 0;
  std::vector<double, Pooled<double>> v;

  Rows() = default;
  Rows(std::size_t r, std::size_t c) : rows(r), cols(c), v(r * c) {}
  double* operator[](std::size_t i) { return v.data() + i * cols; }
  const double* operator[](std::size_t i) const { return v.data() + i * cols; }
};

// What the functions below throw in the middle of their work where the flag of the thread's job is not 0.
struct Stopped {};
// Has them look at a flag, which the thread may have until the end of the scope.
class StopScope {
 public:
  explicit StopScope(const std::int32_t* flag);
  ~StopScope();
  StopScope(const StopScope&) = delete;
};
// Throws, where it is time to. Asked before every few thousand products at least.
void look_at_stop();

// Eight sums at a time: one alone would wait for each addition to end.
inline double dot(const double* a, const double* b, std::size_t n) {
  double sums[8] = {};
  std::size_t j = 0;
  for (; j + 8 <= n; j += 8)
    for (std::size_t i = 0; i < 8; ++i) sums[i] += a[j + i] * b[j + i];
  for (; j + 2 <= n; j += 2) {
    sums[0] += a[j] * b[j];
    sums[1] += a[j + 1] * b[j + 1];
  }
  if (j < n) sums[2] += a[j] * b[j];
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}
// Two rows, not one and the same.
inline void subtract(double* __restrict from, double factor, const double* __restrict row, std::size_t n) {
  for (std::size_t j = 0; j < n; ++j) from[j] -= factor * row[j];
}
double squares(const Rows& a);
Rows multiply(const Rows& a, const Rows& b);
Rows multiply_transposed(const Rows& a, const Rows& b);
Rows transposed(const Rows& a);
void add_scaled(Rows& to, double factor, const Rows& a);
// Rows [begin, begin + count).
Rows rows_of(const Rows& a, std::size_t begin, std::size_t count);

// An orthogonal matrix U, rows in the order of falling length of U a, so that the rows of U a are orthogonal.
Rows orthogonal_turn(const Rows& a);
// The squared singular values, descending.
std::vector<double> singular_squares(const Rows& a);
// Eigenvalues descending and eigenvectors as rows of a symmetric matrix.
std::vector<double> symmetric_eigen(const Rows& a, Rows& vectors);

// Takes off a row what the first `count` rows of a basis explain of it; adds their factors to `along`, unless
// null.
void orthogonalise(double* row, const Rows& basis, std::size_t count, double* along);
Rows beside(Rows v, const Rows& basis);

// Every row at length 1; one whose square is at most VOID_LOADINGS of the same row of `whole` is cleared.
Rows unit_rows(Rows a, const Rows& whole);
// Gram-Schmidt in order: rows of which at most VOID_LOADINGS is left are cleared; `left`: the squares.
Rows orthonormal_in_order(Rows a, std::vector<double>* left = nullptr);
// tr of what the first 0, 1, .. `count` rows of a basis leave of the target.
std::vector<double> left_after(Rows target, const Rows& basis, std::size_t count);

}  // namespace exo

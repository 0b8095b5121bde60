// A symmetric matrix as Q B Q^T with B banded: half the work of its eigenvectors, all of it in products, and
// as good where (A + lambda)^-1 is wanted for many lambda.
#pragma once
#include <vector>

#include "core/dense.h"

namespace exo {

class Band {
 public:
  // Of a (n,n), symmetric, leading dimension lda. Its memory then holds Q and has to stay.
  Band(const Dense& dense, double* a, std::size_t n, std::size_t lda);
  // x (n,m) <- Q^T x.
  void turn(double* x, std::size_t m, std::size_t ldx) const;
  // x (m,n) <- x Q.
  void turn_rows(double* x, std::size_t m, std::size_t ldx) const;
  // x (n,n), symmetric, <- Q^T x Q.
  void turn_both(double* x, std::size_t ldx) const;
  // (n, BAND + 1): B(i, i - p), as banded_forms takes it.
  std::vector<double> rows() const;

 private:
  static constexpr std::size_t WIDTH = BAND;  // of a block: B has blocks beside its diagonal, and no more
  std::size_t blocks() const { return (n_ + WIDTH - 1) / WIDTH; }
  std::size_t size(std::size_t block) const { return std::min(WIDTH, n_ - block * WIDTH); }
  void reduce(std::size_t panel);
  void join(std::size_t first);

  // Panels whose reflections are applied as one: with those of one alone a product reads more than it adds.
  static constexpr std::size_t JOINED = 4;
  // The matrices V and T of panels from `first` on: 1 - V T V^T is the product of their reflections.
  struct Reflections {
    std::size_t top, rows, count;  // V (rows, count) begins at row `top`
    const double* v;
    const double* t;  // (count, JOINED WIDTH)
  };
  Reflections joined(std::size_t first) const;

  const Dense& dense_;
  double* a_;
  std::size_t n_, lda_;
  std::vector<double> t_;                 // (blocks, WIDTH, WIDTH): reflections of a panel are 1 - V T V^T
  std::vector<double> joined_;            // (blocks / JOINED, JOINED WIDTH, JOINED WIDTH): T of some together
  std::vector<double> diagonal_, below_;  // (blocks, WIDTH, WIDTH) of B
};

}  // namespace exo

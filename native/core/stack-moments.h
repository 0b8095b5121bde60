// Covariances of an objective's stacks of blocks (core/objective.h) from those of the variables in them.
#pragma once
#include "core/dense.h"
#include "core/estimates.h"

namespace exo {

class StackMoments {
 public:
  // `covariance` (layout.width, layout.width)
  StackMoments(const Dense& dense, const UnitLayout& layout, const Fitted& fitted, const double* covariance);

  std::size_t width(const Stack& s) const;
  std::size_t width(const Block& b) const;
  Matrix covariance(const Stack& a, const Stack& b) const;
  // Weights (rows, width of the stack) as maps of o and o': added, times sign, to c and d.
  void add_maps(const Stack& stack, const Matrix& weights, double sign, Matrix& c, Matrix& d) const;
  const Matrix& projection() const { return projection_; }
  double coefficient(std::int32_t column) const {
    return column < 0 ? 1.0 : fitted_.coefficients[static_cast<std::size_t>(column)];
  }

 private:
  std::size_t inner(const Block& b) const;
  std::size_t column(std::int32_t variable) const;
  Matrix covariance(const Block& a, const Block& b) const;

  const Dense dense_;
  const UnitLayout& layout_;
  const Fitted& fitted_;
  const double* s_;
  Matrix projection_;
};

bool same(const Stack& a, const Stack& b);
// The stack of this one variable as it is.
Stack plain(Variable variable);
// Whether any stack of the objective holds it.
bool uses(const Objective& o, Variable variable);
// Whether it is this one variable as it is.
bool is_plain(const Stack& s, Variable variable);

}  // namespace exo

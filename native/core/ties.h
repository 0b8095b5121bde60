// Latents in order, and the extremes of metrics where eigenvalues tie (docs/theory.md, "Ties").
#pragma once
#include <cstddef>
#include <utility>
#include <vector>

#include "core/loadings.h"

namespace exo {

// Which latents answer a latent dimension: those above a tie, and how many of the tied ones (0: it is
// unique).
struct Choice {
  std::size_t fixed_rows, fixed_picks, tied_rows, tied_picks, chosen;
};

// The reduced spectrum and the complement's eigenvalue, which comes as often as it has coordinates.
class Order {
 public:
  Order(std::vector<double> reduced, double complement, std::size_t multiplicity, double cut);
  std::size_t rank() const { return rows_ + copies_; }
  std::size_t rows_up_to(std::size_t k) const;
  std::size_t picks_up_to(std::size_t k) const;
  double value(std::size_t i) const;
  Choice choice(std::size_t k) const;

 private:
  double near(double value) const { return EIGENVALUE_TIE * value + TIE_FLOOR * largest_; }
  std::vector<double> reduced_;
  double complement_, largest_;
  std::size_t rows_, copies_;
};

using Range = std::pair<double, double>;  // low, high

// Sums of the j least and of the j greatest.
Range extreme_sums(std::vector<double> values, std::size_t j);
// Of (whole + sum) / (count + n) over n of the values and j - n of `empty` directions that hold nothing.
Range extreme_means(double whole, double count, const std::vector<double>& values, std::size_t empty,
                    std::size_t j);

// A quadratic form of the tied latents; each of `copies` further directions adds `each`.
struct Form {
  double fixed;
  Rows tied;
  double each;
};
// Of (above.fixed + tr W above W^T) / (below.fixed + tr W below W^T) over j orthonormal rows W.
Range extreme_ratios(const Form& above, const Form& below, std::size_t copies, std::size_t j);

}  // namespace exo

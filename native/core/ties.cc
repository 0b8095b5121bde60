#include "core/ties.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace exo {

namespace {

constexpr int MOST_STEPS = 60;

// A ratio is extreme where tr W (above - ratio below) W^T is, at eigenvectors of that: Newton's steps on it.
double extreme_ratio(const Form& above, const Form& below, std::size_t copies, std::size_t j, double sign) {
  double value = 0;
  for (int step = 0; step < MOST_STEPS; ++step) {
    Rows mixed = above.tied;
    for (std::size_t i = 0; i < mixed.v.size(); ++i)
      mixed.v[i] = sign * (above.tied.v[i] - value * below.tied.v[i]);
    Rows vectors;
    const std::vector<double> values = symmetric_eigen(mixed, vectors);
    const double each = sign * (above.each - value * below.each);
    std::size_t rows = 0;
    while (rows < std::min(j, values.size()) && (values[rows] >= each || j - rows > copies)) ++rows;
    const Rows w = rows_of(vectors, 0, rows);
    const auto along = [&](const Form& form) {
      const Rows turned = multiply(w, form.tied);
      double sum = form.fixed + static_cast<double>(j - rows) * form.each;
      for (std::size_t i = 0; i < rows; ++i) sum += dot(turned[i], w[i], w.cols);
      return sum;
    };
    const double better = along(above) / along(below);
    if (!(std::fabs(better - value) > EXTREME_REACHED * std::fabs(better))) return better;
    value = better;
  }
  return value;
}

// A multiple of the identity, but for rounding.
bool is_even(const Rows& a) {
  const double level = a[0][0];
  for (std::size_t i = 0; i < a.rows; ++i)
    for (std::size_t j = 0; j < a.cols; ++j)
      if (!(std::fabs(a[i][j] - (i == j ? level : 0)) <= TIE_FLOOR * level)) return false;
  return true;
}

Choice certain(std::size_t rows, std::size_t picks) { return {rows, picks, 0, 0, 0}; }

}  // namespace

Order::Order(std::vector<double> reduced, double complement, std::size_t multiplicity, double cut)
    : reduced_(std::move(reduced)), complement_(complement), rows_(0) {
  while (rows_ < reduced_.size() && reduced_[rows_] > cut) ++rows_;
  copies_ = complement > cut ? multiplicity : 0;
  largest_ = std::max(reduced_.empty() ? 0 : reduced_[0], complement);
}

std::size_t Order::rows_up_to(std::size_t k) const {
  std::size_t rows = 0;
  while (rows < std::min(k, rows_) && reduced_[rows] >= complement_ - near(complement_)) ++rows;
  return std::min(rows_, std::max(rows, k > copies_ ? k - copies_ : 0));
}

std::size_t Order::picks_up_to(std::size_t k) const { return std::min(copies_, k - rows_up_to(k)); }

double Order::value(std::size_t i) const {
  if (i >= rank()) return 0;
  const std::size_t before = rows_up_to(i);
  if (rows_up_to(i + 1) > before) return reduced_[before];
  // Within a tie the complement may stand behind a row that is smaller by rounding.
  return before > 0 ? std::min(complement_, reduced_[before - 1]) : complement_;
}

Choice Order::choice(std::size_t k) const {
  const double level = value(k - 1);
  if (!(level > 0)) return certain(rows_, copies_);
  const double distance = near(level);
  std::size_t fixed = 0;
  while (fixed < rows_ && reduced_[fixed] > level + distance) ++fixed;
  std::size_t last = fixed;
  while (last < rows_ && reduced_[last] >= level - distance) ++last;
  const std::size_t fixed_picks = complement_ > level + distance ? copies_ : 0;
  const std::size_t tied_picks = std::fabs(complement_ - level) <= distance ? copies_ : 0;
  const std::size_t chosen = k - fixed - fixed_picks;
  if (chosen == last - fixed + tied_picks) return certain(last, fixed_picks + tied_picks);
  return {fixed, fixed_picks, last - fixed, tied_picks, chosen};
}

Range extreme_sums(std::vector<double> values, std::size_t j) {
  std::sort(values.begin(), values.end());
  const auto n = static_cast<std::ptrdiff_t>(j);
  return {std::accumulate(values.begin(), values.begin() + n, 0.0),
          std::accumulate(values.end() - n, values.end(), 0.0)};
}

Range extreme_means(double whole, double count, const std::vector<double>& values, std::size_t empty,
                    std::size_t j) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (std::size_t n = j > empty ? j - empty : 0; n <= std::min(j, values.size()); ++n) {
    const double directions = count + static_cast<double>(n);
    if (directions == 0) continue;
    const auto [least, greatest] = extreme_sums(values, n);
    low = std::min(low, (whole + least) / directions);
    high = std::max(high, (whole + greatest) / directions);
  }
  if (low <= high) return {low, high};
  const double nan = std::numeric_limits<double>::quiet_NaN();
  return {nan, nan};
}

Range extreme_ratios(const Form& above, const Form& below, std::size_t copies, std::size_t j) {
  if (copies == 0 && j > 0 && is_even(below.tied)) {
    Rows vectors;
    const auto [low, high] = extreme_sums(symmetric_eigen(above.tied, vectors), j);
    const double whole = below.fixed + static_cast<double>(j) * below.tied[0][0];
    return {(above.fixed + low) / whole, (above.fixed + high) / whole};
  }
  return {extreme_ratio(above, below, copies, j, -1), extreme_ratio(above, below, copies, j, 1)};
}

}  // namespace exo

// Rows of data that are dealt to folds, and the joint second moments of any folds of them: what the stage of
// estimates works from where one matrix of moments a unit would take too much memory.
#pragma once
#include <vector>

#include "core/dense.h"
#include "core/estimates.h"

namespace exo {

// The upper triangle of a symmetric matrix (n,n), and no more memory than that.
struct Triangle {
  std::size_t n = 0;
  std::vector<double, LargePages<double>> a;
  Triangle() = default;
  explicit Triangle(const Matrix& m) : n(m.rows), a(m.rows * (m.rows + 1) / 2) {
    for (std::size_t i = 0; i < n; ++i)
      std::copy(m.row(i) + i, m.row(i) + n, a.data() + i * n - i * (i + 1) / 2 + i);
  }
  // row(i)[j] for j >= i.
  const double* row(std::size_t i) const { return a.data() + i * n - i * (i + 1) / 2; }
};

class UnitRows {
 public:
  // fold_of (units): the fold of each.
  UnitRows(const Dense& dense, const UnitLayout& layout, const RowSource& source, std::size_t folds,
           const std::int32_t* fold_of, std::size_t units);

  std::size_t rows_of(std::size_t fold) const { return rows_[fold].size(); }
  using Rows = std::vector<std::size_t>;
  const Rows& of_fold(std::size_t fold) const { return rows_[fold]; }
  const Rows& of_unit(std::size_t unit) const { return rows_of_unit_[unit]; }
  // `count` of these from `first` on: (count, width), column 0 the constant 1, less `mean`.
  Matrix rows(const Rows& which, std::size_t first, std::size_t count, const std::vector<double>& mean) const;
  // Adds the fold's sums of products, times sign, to the upper triangle of `sums`: its leading `height` rows
  // and `sums.cols` columns.
  void add(std::size_t fold, double sign, std::size_t height, Matrix& sums) const;
  // The fold's sums of products, or null where they are not kept.
  const Triangle* kept(std::size_t fold) const;
  void clear(Matrix& sums) const;
  // The same to (width - 1, width - 1) sums, without the constant.
  void add_without_constant(std::size_t fold, double* sums) const {
    add(fold, 1, 1, width_ - 1, width_ - 1, sums);
  }

  // Of all rows but those of the folds left out: means, and which columns stand still. By additions alone.
  struct Columnwise {
    double count;
    std::vector<double> mean;
    std::vector<char> still;
    std::vector<double> variance;
  };
  Columnwise without(std::int32_t one, std::int32_t other) const;
  // Whether a column stands still whatever is left out.
  const std::vector<char>& always_still() const { return always_still_; }

 private:
  void add(std::size_t fold, double sign, std::size_t from, std::size_t height, std::size_t cols,
           double* sums) const;
  void assemble(const Rows& which, std::size_t first, std::size_t count, const std::vector<double>* mean,
                double* out) const;

  const Dense& dense_;
  const UnitLayout& layout_;
  const RowSource& source_;
  const std::size_t width_;
  std::vector<Rows> rows_, rows_of_unit_;            // of each fold, of each unit
  std::vector<std::vector<double>> sums_, squares_;  // (folds, width)
  std::vector<char> always_still_;
  // Of each fold, once it was asked for, where those of all folds take little memory: each is added many
  // times.
  mutable std::vector<Triangle> kept_;
};

// Sums over all folds but two at most, in one matrix that moves from one set of folds to another by adding
// and subtracting what they differ in.
class MovingSums {
 public:
  // The leading `height` rows and `width` columns of the joint moments.
  MovingSums(const UnitRows& rows, std::size_t folds, std::size_t height, std::size_t width)
      : rows_(rows), height_(height), sums_(Matrix::unfilled(height, width)), inside_(folds, 0) {
    rows_.clear(sums_);
  }
  // To all folds but these (-1: none).
  void move_to(std::int32_t one, std::int32_t other);
  Matrix& sums() { return sums_; }
  // They have been made something else and cannot be moved on.
  void spoil() { std::fill(inside_.begin(), inside_.end(), 0), spoilt_ = true; }

 private:
  const UnitRows& rows_;
  const std::size_t height_;
  Matrix sums_;
  std::vector<char> inside_;
  std::size_t moves_ = 0;
  bool spoilt_ = false;
};

// Sets of one or two folds, in an order in which each differs little from the one before.
struct LeftOut {
  std::int32_t one, other;  // other: -1 where there is none
};
std::vector<LeftOut> in_short_moves(std::vector<LeftOut> sets);

}  // namespace exo

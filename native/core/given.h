// Variables that are given, in the careful path: their orthonormal bases, and what rows leave beside them.
// Problems of one batch share most of them, so the last few are kept. What is kept is a function of its
// input's bits, so that an answer's bits do not depend on which problems came before.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "core/loadings.h"

namespace exo {

// Orthonormal rows `basis` = whiten x a variable's loadings.
class Given {
 public:
  Rows basis, whiten;
  // v less what the basis explains; `along` (v.rows, basis.rows), where wanted.
  Rows beside(const Rows& v, Rows* along = nullptr);

 private:
  bool find(std::uint64_t key, const double* row, double* left, double* along) const;
  // Rows seen, a row each: the row itself, what it leaves, its part along the basis.
  Rows seen_;
  std::vector<std::uint64_t> keys_;
  std::size_t filled_ = 0, next_ = 0;
};

class GivenMemory {
 public:
  // One Given for each of `all`; directions up to `tolerance` times the largest of all of them are left out.
  // Stays until as many others as SLOTS were asked for.
  std::vector<Given>& of(const std::vector<const Rows*>& all, double tolerance);

 private:
  static constexpr std::size_t SLOTS = 10;  // f, e, o, what o tells given x, and penalties, with room
  struct Entry {
    std::vector<Rows> input;
    double tolerance;
    std::uint64_t used;
    std::vector<Given> given;
  };
  std::vector<std::unique_ptr<Entry>> entries_;
  std::uint64_t time_ = 0;
};

}  // namespace exo

// Latents of equal eigenvalues (docs/theory.md, "Ties"): each serves alike, and what a metric makes of them
// depends on which are taken, unless all that they hold of its target is a multiple of the identity, as in
// worlds that are symmetric. Then the metric is that of any of them; else core/careful.cc finds its extremes.
#pragma once
#include "kernels/population/rows-inl.h"

struct Ties {
  double* with_next;  // (ne): 1 where latent i ties with the one after it
  double* uneven;     // (ne): 1 where some metric tells latent i from those before that it ties with
  bool exist;         // in any lane, where the latents that are asked for may end
};

// Half of what a tie may differ by: these surely tie.
inline vec tie_of(vec value, vec largest) {
  return splat(EIGENVALUE_TIE / 2) * value + splat(TIE_FLOOR / 2) * largest;
}

// `rows`, and those after them that tie with them in any lane: latents beyond the rank, `cut`, do not.
static std::size_t rows_with_ties(const double* lambda, std::size_t rows, std::size_t ne, vec cut) {
  for (; rows < ne; ++rows) {
    const vec last = at(lambda, rows - 1), next = at(lambda, rows);
    if (!any((mask)(next > cut) & (mask)(last - next <= tie_of(next, at(lambda, 0))))) break;
  }
  return rows;
}

// By the eigenvalues (ne); kept[i] 0: row i is no latent of the reduced basis.
static void find_ties(Ties& ties, const double* lambda, const double* kept, std::size_t ne) {
  clear_lanes(ties.with_next, ne);
  clear_lanes(ties.uneven, ne);
  vec first = at(lambda, 0);
  for (std::size_t i = 0; i + 1 < ne; ++i) {
    const vec next = at(lambda, i + 1);
    const mask tie = (mask)(at(kept, i) * at(kept, i + 1) > splat(0.5)) &
                     (mask)(first - next <= tie_of(next, at(lambda, 0)));
    put(ties.with_next, i, select(tie, splat(1), splat(0)));
    first = select(tie, first, next);
    ties.exist |= any(tie);
  }
}

static void mark_uneven(const Ties& ties, std::size_t row, mask where) {
  put(ties.uneven, row, select(where, splat(1), at(ties.uneven, row)));
}

inline mask ties_with_next(const Ties& ties, std::size_t row) {
  return (mask)(at(ties.with_next, row) > splat(0.5));
}

// Whether a tie goes on beyond so many latents (count), ascending, in any lane.
static bool ends_in_tie(const Ties& ties, std::size_t ne, const std::int32_t* latents, std::size_t count) {
  for (std::size_t m = 0; m < count; ++m) {
    const auto row = static_cast<std::size_t>(latents[m]);
    if (row < ne && any(ties_with_next(ties, row - 1))) return true;
  }
  return false;
}

// Rows a (rows, cols), one a latent: marks those whose square is not that of the others that they tie with,
// or whose product with one of them is not `nothing`.
static void compare_tied(const Ties& ties, const double* a, std::size_t rows, std::size_t cols, vec nothing) {
  for (std::size_t j = 1; ties.exist && j < rows && !lanes_stopped(rows * cols); ++j) {
    mask tied = ties_with_next(ties, j - 1);
    if (!any(tied)) continue;
    const double* row = a + j * cols * LANES;
    const vec square = square_of_row(row, cols), limit = splat(TIE_FLOOR) * square + nothing;
    mark_uneven(ties, j, tied & ~(mask)(abs(square - square_of_row(row - cols * LANES, cols)) <= limit));
    for (std::size_t i = j; i-- > 0 && any(tied &= ties_with_next(ties, i));) {
      const vec product = product_of_rows(row, a + i * cols * LANES, cols);
      mark_uneven(ties, j, tied & ~(mask)(abs(product) <= limit));
    }
  }
}

// Values (rows) of 0 or 1, which those that tie have alike.
static void compare_whether(const Ties& ties, const double* values, std::size_t rows) {
  for (std::size_t j = 1; ties.exist && j < rows; ++j)
    mark_uneven(ties, j,
                ties_with_next(ties, j - 1) & ~(mask)(abs(at(values, j) - at(values, j - 1)) < splat(0.5)));
}

// What a target leaves of each latent beside those before it, left[i]; cov (rows, rows), above its diagonal:
// what two of them have in common on the target. Where nothing is left of one, it tells it from nobody.
static void compare_left(const Ties& ties, const double* left, const double* cov, std::size_t rows) {
  for (std::size_t j = 1; ties.exist && j < rows; ++j) {
    mask tied = ties_with_next(ties, j - 1);
    if (!any(tied)) continue;
    const vec own = at(left, j), other = at(left, j - 1), limit = splat(TIE_FLOOR) * own;
    const mask apart = tied & ~((mask)(own <= splat(VOID_LOADINGS)) & (mask)(other <= splat(VOID_LOADINGS)));
    mark_uneven(ties, j, apart & ~(mask)(abs(own - other) <= limit));
    // With those before the tie too: what they have taken of one they may not have of another.
    for (std::size_t i = 0; i < j; ++i)
      mark_uneven(ties, j, apart & ~(mask)(abs(at(cov, i * rows + j)) <= limit));
  }
}

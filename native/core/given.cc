#include "core/given.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

namespace exo {

namespace {

constexpr std::size_t MOST_SEEN = 24;

bool same(const Rows& a, const Rows& b) {
  if (a.rows != b.rows || a.cols != b.cols) return false;
  // Nothing has no place, which memcmp may not be given.
  return a.v.empty() || std::memcmp(a.v.data(), b.v.data(), a.v.size() * sizeof(double)) == 0;
}

std::uint64_t key_of(const double* row, std::size_t n) {
  std::uint64_t key = 0;
  for (std::size_t j = 0; j < n; ++j) {
    std::uint64_t bits;
    std::memcpy(&bits, row + j, sizeof bits);
    key = (key << 7 | key >> 57) ^ bits;
  }
  return key;
}

// Gram-Schmidt, the longest row that is left first, until nothing is. False where a row leaves so little, but
// not nothing, that its direction may have to be cut; `least` of what is left and `largest` square so far are
// those of all the variables.
bool independent(const Rows& a, Given& g, double& largest, double& least) {
  const std::size_t n = a.rows, p = a.cols;
  Rows rest = a, turn(n, n);
  g.basis = Rows(n, p);
  g.whiten = Rows(n, n);
  std::vector<double> square(n);
  for (std::size_t i = 0; i < n; ++i) {
    turn[i][i] = 1;
    square[i] = dot(a[i], a[i], p);
    largest = std::max(largest, square[i]);
  }
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t k = 0; k < n; ++k) {
    look_at_stop();
    std::size_t best = k;
    for (std::size_t i = k + 1; i < n; ++i)
      if (square[order[i]] > square[order[best]]) best = i;
    std::swap(order[k], order[best]);
    const std::size_t i = order[k];
    if (!(square[i] > VOID_LOADINGS * largest)) {
      g.basis = rows_of(g.basis, 0, k);
      g.whiten = rows_of(g.whiten, 0, k);
      // Combinations that are nothing: of all weights with one effect, the least are those without them.
      Rows nothing(n - k, n);
      for (std::size_t m = k; m < n; ++m) std::copy_n(turn[order[m]], n, nothing[m - k]);
      g.whiten = beside(g.whiten, orthonormal_in_order(nothing));
      break;
    }
    // Again: rows taken off one after the other leave rounding along those before.
    for (std::size_t m = 0; m < k; ++m) {
      const double product = dot(rest[i], g.basis[m], p);
      subtract(rest[i], product, g.basis[m], p);
      subtract(turn[i], product, g.whiten[m], n);
    }
    const double left = dot(rest[i], rest[i], p);
    least = std::min(least, left);
    if (!(least > WELL_CONDITIONED * largest)) return false;
    const double scale = 1 / std::sqrt(left);
    for (std::size_t j = 0; j < p; ++j) g.basis[k][j] = scale * rest[i][j];
    for (std::size_t j = 0; j < n; ++j) g.whiten[k][j] = scale * turn[i][j];
    for (std::size_t m = k + 1; m < n; ++m) {
      const std::size_t other = order[m];
      const double product = dot(rest[other], g.basis[k], p);
      subtract(rest[other], product, g.basis[k], p);
      subtract(turn[other], product, g.whiten[k], n);
      square[other] = dot(rest[other], rest[other], p);
    }
  }
  return least > WELL_CONDITIONED * largest;
}

// All directions, the longest first, those above the cut.
void turned(const std::vector<const Rows*>& all, double tolerance, std::vector<Given>& out) {
  double largest = 0;
  for (std::size_t s = 0; s < all.size(); ++s) {
    out[s].whiten = orthogonal_turn(*all[s]);
    out[s].basis = multiply(out[s].whiten, *all[s]);
    for (std::size_t i = 0; i < out[s].basis.rows; ++i)
      largest = std::max(largest, dot(out[s].basis[i], out[s].basis[i], out[s].basis.cols));
  }
  for (Given& g : out) {
    std::size_t rank = 0;
    for (; rank < g.basis.rows; ++rank) {
      double* row = g.basis[rank];
      const double square = dot(row, row, g.basis.cols);
      if (!(square > tolerance * largest)) break;
      const double scale = 1 / std::sqrt(square);
      for (std::size_t j = 0; j < g.basis.cols; ++j) row[j] *= scale;
      for (std::size_t j = 0; j < g.whiten.cols; ++j) g.whiten[rank][j] *= scale;
    }
    g.basis = rows_of(g.basis, 0, rank);
    g.whiten = rows_of(g.whiten, 0, rank);
  }
}

}  // namespace

bool Given::find(std::uint64_t key, const double* row, double* left, double* along) const {
  const std::size_t p = basis.cols, r = basis.rows;
  for (std::size_t i = 0; i < filled_; ++i) {
    if (keys_[i] != key) continue;
    const double* seen = seen_[i];
    if (std::memcmp(seen, row, p * sizeof(double)) != 0) continue;
    std::copy_n(seen + p, p, left);
    if (along) std::copy_n(seen + 2 * p, r, along);
    return true;
  }
  return false;
}

Rows Given::beside(const Rows& v, Rows* along) {
  const std::size_t p = v.cols, r = basis.rows;
  if (along) *along = Rows(v.rows, r);
  if (r == 0) return v;
  if (seen_.rows == 0) {
    seen_ = Rows(MOST_SEEN, 2 * p + r);
    keys_.resize(MOST_SEEN);
  }
  Rows out(v.rows, p);
  for (std::size_t i = 0; i < v.rows; ++i) {
    double* const found = along ? (*along)[i] : nullptr;
    const std::uint64_t key = key_of(v[i], p);
    if (find(key, v[i], out[i], found)) continue;
    double* const seen = seen_[next_];
    keys_[next_] = key;
    std::copy_n(v[i], p, seen);
    std::copy_n(v[i], p, seen + p);
    std::fill_n(seen + 2 * p, r, 0.0);
    orthogonalise(seen + p, basis, r, seen + 2 * p);
    std::copy_n(seen + p, p, out[i]);
    if (found) std::copy_n(seen + 2 * p, r, found);
    next_ = (next_ + 1) % MOST_SEEN;
    filled_ = std::max(filled_, next_ == 0 ? MOST_SEEN : next_);
  }
  return out;
}

std::vector<Given>& GivenMemory::of(const std::vector<const Rows*>& all, double tolerance) {
  ++time_;
  for (auto& entry : entries_) {
    bool is_same = entry->tolerance == tolerance && entry->input.size() == all.size();
    for (std::size_t s = 0; is_same && s < all.size(); ++s) is_same = same(entry->input[s], *all[s]);
    if (!is_same) continue;
    entry->used = time_;
    return entry->given;
  }
  if (entries_.size() < SLOTS) entries_.push_back(std::make_unique<Entry>());
  auto& entry = entries_.size() < SLOTS ? entries_.back()
                                        : *std::min_element(
                                              entries_.begin(), entries_.end(),
                                              [](const auto& a, const auto& b) { return a->used < b->used; });
  entry->input.clear();
  for (const Rows* rows : all) entry->input.push_back(*rows);
  entry->tolerance = tolerance;
  entry->used = time_;
  entry->given.assign(all.size(), {});
  double largest = 0, least = std::numeric_limits<double>::infinity();
  for (std::size_t s = 0; s < all.size(); ++s)
    if (!independent(*all[s], entry->given[s], largest, least)) {
      entry->given.assign(all.size(), {});
      turned(all, tolerance, entry->given);
      break;
    }
  return entry->given;
}

}  // namespace exo

#include "core/unit-rows.h"

#include "core/conventions.h"
#include "core/pool.h"

namespace exo {
namespace {

constexpr std::size_t CHUNK = 256;      // rows that are assembled at a time
constexpr std::size_t TILE = 256;       // of moments, for one thread
constexpr std::size_t MOST_MOVES = 64;  // after which sums are made anew: each move rounds

std::size_t parts(std::size_t n, std::size_t size) { return (n + size - 1) / size; }

}  // namespace

UnitRows::UnitRows(const Dense& dense, const UnitLayout& layout, const RowSource& source, std::size_t folds,
                   const std::int32_t* fold_of, std::size_t units)
    : dense_(dense),
      layout_(layout),
      source_(source),
      width_(layout.width),
      rows_(folds),
      rows_of_unit_(units) {
  for (std::size_t r = 0; r < source.count; ++r) {
    if (source.unit[r] < 0) continue;
    const auto unit = static_cast<std::size_t>(source.unit[r]);
    rows_of_unit_[unit].push_back(r);
    rows_[static_cast<std::size_t>(fold_of[unit])].push_back(r);
  }
  std::vector<double> zero(width_, 0.0);
  sums_.assign(folds, zero);
  squares_.assign(folds, zero);
  in_parallel(dense_.job, folds, [&](std::size_t f, std::size_t) {
    Matrix chunk(CHUNK, width_);
    for (std::size_t first = 0; first < rows_[f].size() && !dense_.job.cancelled(); first += CHUNK) {
      const std::size_t count = std::min(CHUNK, rows_[f].size() - first);
      assemble(rows_[f], first, count, nullptr, chunk.data());
      for (std::size_t i = 0; i < count; ++i)
        for (std::size_t j = 0; j < width_; ++j) {
          const double v = chunk.at(i, j);
          sums_[f][j] += v;
          squares_[f][j] += v * v;
        }
    }
  });
  always_still_ = without(-1, -1).still;
  if (folds * width_ * (width_ + 1) / 2 * sizeof(double) <= source.most_kept) kept_.resize(folds);
}

void UnitRows::assemble(const Rows& which, std::size_t first, std::size_t count,
                        const std::vector<double>* mean, double* out) const {
  const std::size_t begins[] = {layout_.observation.begin,      layout_.observation_next.begin,
                                layout_.action.begin,           layout_.exogenous.begin,
                                layout_.exogenous_next.begin,   layout_.endogenous_next.begin,
                                layout_.pair_observation.begin, layout_.pair_observation_next.begin};
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t row = which[first + i];
    double* to = out + i * width_;
    to[0] = 1;
    for (std::size_t v = 0; v < 8; ++v) {
      const RowVariable& from = source_.variables[v];
      const double* values = from.values + row * from.width;
      for (std::size_t j = 0; j < from.width; ++j)
        to[begins[v] + j] = (values[j] - from.mean[j]) * from.factor[j];
    }
    if (mean)
      for (std::size_t j = 0; j < width_; ++j) to[j] -= (*mean)[j];
  }
}

Matrix UnitRows::rows(const Rows& which, std::size_t begin, std::size_t count,
                      const std::vector<double>& mean) const {
  Matrix out(count, width_);
  constexpr std::size_t few = 64;
  in_parallel(dense_.job, parts(out.rows, few), [&](std::size_t task, std::size_t) {
    const std::size_t first = task * few;
    assemble(which, begin + first, std::min(few, count - first), &mean, out.row(first));
  });
  return out;
}

const Triangle* UnitRows::kept(std::size_t fold) const {
  if (kept_.empty()) return nullptr;
  Triangle& own = kept_[fold];
  if (own.n == 0) {
    Matrix sums(width_, width_);
    add(fold, 1, 0, width_, width_, sums.data());
    own = Triangle(sums);
  }
  return &own;
}

void UnitRows::add(std::size_t fold, double sign, std::size_t height, Matrix& sums) const {
  if (kept_.empty()) return add(fold, sign, 0, height, sums.cols, sums.data());
  const Triangle& own = *kept(fold);
  constexpr std::size_t few = 64;
  in_parallel(dense_.job, parts(height, few), [&](std::size_t task, std::size_t) {
    for (std::size_t i = task * few; i < std::min(height, (task + 1) * few); ++i) {
      const double* other = own.row(i);
      double* to = sums.row(i);
      for (std::size_t j = i; j < sums.cols; ++j) to[j] += sign * other[j];
    }
  });
}

void UnitRows::clear(Matrix& sums) const {
  constexpr std::size_t few = 64;
  in_parallel(dense_.job, parts(sums.rows, few), [&](std::size_t task, std::size_t) {
    std::fill(sums.row(task * few), sums.row(task * few) + std::min(few, sums.rows - task * few) * sums.cols,
              0.0);
  });
}

void UnitRows::add(std::size_t fold, double sign, std::size_t from, std::size_t height, std::size_t cols,
                   double* sums) const {
  const std::size_t down = parts(height, TILE), across = parts(cols, TILE);
  std::vector<std::pair<std::size_t, std::size_t>> tiles;
  for (std::size_t a = 0; a < down; ++a)
    for (std::size_t c = a; c < across; ++c) tiles.push_back({a * TILE, c * TILE});
  Matrix chunk(std::min(CHUNK, std::max<std::size_t>(rows_of(fold), 1)), width_);
  for (std::size_t first = 0; first < rows_of(fold) && !dense_.job.cancelled(); first += CHUNK) {
    const std::size_t count = std::min(CHUNK, rows_of(fold) - first);
    constexpr std::size_t few = 32;
    in_parallel(dense_.job, parts(count, few), [&](std::size_t task, std::size_t) {
      const std::size_t at = task * few;
      assemble(rows_[fold], first + at, std::min(few, count - at), nullptr, chunk.row(at));
    });
    in_parallel(dense_.job, tiles.size(), [&](std::size_t t, std::size_t) {
      const auto [i, j] = tiles[t];
      dense_.k.gemm(true, false, std::min(TILE, height - i), std::min(TILE, cols - j), count, sign,
                    chunk.data() + from + i, width_, chunk.data() + from + j, width_, 1, sums + i * cols + j,
                    cols);
    });
  }
}

UnitRows::Columnwise UnitRows::without(std::int32_t one, std::int32_t other) const {
  Columnwise c{0, std::vector<double>(width_, 0.0), std::vector<char>(width_, 1),
               std::vector<double>(width_, 0.0)};
  std::vector<double> square(width_, 0.0);
  for (std::size_t f = 0; f < rows_.size(); ++f) {
    if (static_cast<std::int32_t>(f) == one || static_cast<std::int32_t>(f) == other) continue;
    c.count += static_cast<double>(rows_of(f));
    for (std::size_t j = 0; j < width_; ++j) {
      c.mean[j] += sums_[f][j];
      square[j] += squares_[f][j];
    }
  }
  for (std::size_t j = 0; j < width_ && c.count > 0; ++j) {
    c.mean[j] /= c.count;
    const double second = square[j] / c.count, variance = second - c.mean[j] * c.mean[j];
    c.still[j] = !(variance > STANDS_STILL * second);
    c.variance[j] = c.still[j] ? 0 : variance;
  }
  return c;
}

void MovingSums::move_to(std::int32_t one, std::int32_t other) {
  std::size_t moves = 0, anew = 0;
  const auto wanted = [&](std::size_t f) {
    return static_cast<std::int32_t>(f) != one && static_cast<std::int32_t>(f) != other;
  };
  for (std::size_t f = 0; f < inside_.size(); ++f) {
    moves += wanted(f) != (inside_[f] != 0);
    anew += wanted(f);
  }
  if (spoilt_ || anew <= moves || moves_ + moves > MOST_MOVES) {
    if (spoilt_ || moves_ > 0) rows_.clear(sums_);
    std::fill(inside_.begin(), inside_.end(), 0);
    moves_ = 0;
    spoilt_ = false;
  }
  for (std::size_t f = 0; f < inside_.size(); ++f) {
    if (wanted(f) == (inside_[f] != 0)) continue;
    rows_.add(f, wanted(f) ? 1 : -1, height_, sums_);
    inside_[f] = wanted(f);
    ++moves_;
  }
}

std::vector<LeftOut> in_short_moves(std::vector<LeftOut> sets) {
  const auto has = [](const LeftOut& s, std::int32_t f) { return f >= 0 && (s.one == f || s.other == f); };
  const auto size = [](const LeftOut& s) { return s.other < 0 ? 1 : 2; };
  for (std::size_t i = 1; i < sets.size(); ++i) {
    const LeftOut& from = sets[i - 1];
    std::size_t best = i;
    int least = 5;
    for (std::size_t j = i; j < sets.size(); ++j) {
      const int shared = has(from, sets[j].one) + has(from, sets[j].other);
      const int moves = size(from) + size(sets[j]) - 2 * shared;
      if (moves < least) least = moves, best = j;
    }
    std::rotate(sets.begin() + static_cast<std::ptrdiff_t>(i),
                sets.begin() + static_cast<std::ptrdiff_t>(best),
                sets.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
  return sets;
}

}  // namespace exo

#include "core/train/rows-source.h"

#include <algorithm>

#include "core/train/random.h"
#include "core/train/shape.h"

namespace exo {
namespace {

std::uint32_t mixed(std::uint32_t value, std::uint32_t key) {
  std::uint32_t x = value + key;
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  return x ^ (x >> 16);
}

// A pass's permutation: four rounds of a Feistel network on the numbers below a power of 4.
class Order {
 public:
  Order(std::size_t rows, std::uint64_t seed, std::uint64_t pass)
      : rows_(rows), keys_(philox_block(seed, STREAM_ORDER, pass)) {
    while ((std::uint64_t{1} << (2 * half_)) < rows) ++half_;
  }
  std::size_t operator()(std::size_t place) const {
    const std::uint32_t mask = static_cast<std::uint32_t>((std::uint64_t{1} << half_) - 1);
    std::uint64_t at = place;
    do {
      std::uint32_t left = static_cast<std::uint32_t>(at >> half_),
                    right = static_cast<std::uint32_t>(at) & mask;
      for (const std::uint32_t key : keys_) {
        const std::uint32_t turned = left ^ (mixed(right, key) & mask);
        left = right;
        right = turned;
      }
      at = (std::uint64_t{left} << half_) | right;
    } while (at >= rows_);
    return static_cast<std::size_t>(at);
  }

 private:
  std::size_t rows_;
  std::array<std::uint32_t, 4> keys_;
  unsigned half_ = 1;
};

class RowsSource final : public BatchSource {
 public:
  explicit RowsSource(const RowsSpec& spec) : s_(spec) {}

  bool knows_labels() const override { return s_.labelled != nullptr; }

  void fill(const Kernels&, std::uint64_t seed, std::uint64_t first, const RowNeeds& needs, const Rows& to,
            std::vector<float>&) const override {
    Order order(s_.rows, seed, first / s_.rows);
    std::uint64_t pass = first / s_.rows;
    for (std::size_t r = 0; r < to.count; ++r) {
      const std::uint64_t n = first + r;
      if (n / s_.rows != pass) {
        pass = n / s_.rows;
        order = Order(s_.rows, seed, pass);
      }
      const auto place = static_cast<std::size_t>(n % s_.rows);
      copy(s_.shuffled ? order(place) : place, r, needs, to);
    }
  }

 private:
  void frame(float* to, std::size_t place, std::int32_t index) const {
    const std::size_t d = s_.observation_dim;
    if (to) std::copy_n(s_.frames + static_cast<std::size_t>(index) * d, d, to + place * d);
  }
  void copy(std::size_t row, std::size_t r, const RowNeeds& needs, const Rows& to) const {
    frame(to.observation, r, s_.current[row]);
    frame(to.observation_next, r, s_.next[row]);
    if (needs.pair) {
      frame(to.pair_observation, r, s_.pair[row]);
      frame(to.pair_observation_next, r, s_.pair_next[row]);
    }
    for (std::size_t h = 0; h < needs.later; ++h) {
      frame(to.later, r * needs.later + h, s_.later[row * needs.later + h]);
      if (needs.pair) frame(to.pair_later, r * needs.later + h, s_.pair_later[row * needs.later + h]);
    }
    const auto numbers = [&](const float* from, float* into, std::size_t width) {
      if (from && into) std::copy_n(from + row * width, width, into + r * width);
    };
    numbers(s_.action, to.action, s_.action_dim);
    numbers(s_.exogenous, to.exogenous, s_.exogenous_dim);
    numbers(s_.exogenous_next, to.exogenous_next, s_.exogenous_dim);
    if (s_.labelled && to.labelled) to.labelled[r] = s_.labelled[row];
  }

  const RowsSpec s_;
};

}  // namespace

std::shared_ptr<const BatchSource> make_rows_source(const RowsSpec& spec) {
  return std::make_shared<RowsSource>(spec);
}

std::size_t shuffled_row(std::size_t rows, std::uint64_t seed, std::uint64_t n) {
  return Order(rows, seed, n / rows)(static_cast<std::size_t>(n % rows));
}

}  // namespace exo

// Quantisation of z: theory of it in lib/backend/reference/train/codebook.ts, which this follows line by
// line.
#pragma once
#include <cstdint>
#include <vector>

#include "core/train/blocks.h"
#include "core/train/shape.h"

namespace exo {

template <class T>
class Codebook {
 public:
  Codebook() = default;
  Codebook(const TrainKernels<T>& k, const NetworkShape& shape, std::size_t rows);

  bool there() const { return shape_ != nullptr; }
  std::size_t codes() const { return shape_ ? shape_->codebook.codes : 0; }
  // Of the flat array: (codes, size, width).
  template <class From>
  void read(const From* rows) {
    rows_.assign(rows, rows + rows_.size());
    turn();
  }
  const std::vector<T>& rows() const { return rows_; }

  // Codes (rows, codes) and what stands for z, of rows [begin, end).
  void quantise(const Panelled<T>& z, std::size_t begin, std::size_t end, std::int32_t* codes,
                const Panelled<T>& latent);
  // The encoder's part of the loss, added to `back`, and all of it by row.
  void commit(const Panelled<T>& z, std::size_t begin, std::size_t end, const std::int32_t* codes,
              const Panelled<T>& back, double* loss) const;
  // d loss / d rows of the whole batch, where rows follow it: (codes, size, width), else empty.
  std::vector<T> gradient(std::size_t rows, const std::int32_t* codes) const;

  // Before the first step's assignment; after a step. counts (codes, size), sums (codes, size, width) or
  // null.
  void place_all(std::size_t rows, float* counts, float* sums, std::uint64_t seed);
  // moved(first number of a row in the flat codebook) is called for every row that was dead.
  template <class Moved>
  void follow(std::size_t rows, const std::int32_t* codes, float* counts, float* sums, std::uint64_t seed,
              std::uint64_t step, Moved moved);
  // Row-major copy of z, which the calls above look at; rows [begin, end).
  void take(const Panelled<T>& z, std::size_t begin, std::size_t end);

 private:
  void place(std::size_t rows, std::size_t at, float* counts, float* sums, std::uint64_t seed,
             std::uint64_t index);
  void turn();

  const TrainKernels<T>* k_ = nullptr;
  const NetworkShape* shape_ = nullptr;
  std::size_t width_ = 0, columns_ = 0;
  std::vector<T> rows_;
  Aligned<T> turned_;  // (codes, width, size in whole vectors)
  std::vector<T> z_;   // (rows, latent)
};

template <class T>
template <class Moved>
void Codebook<T>::follow(std::size_t rows, const std::int32_t* codes, float* counts, float* sums,
                         std::uint64_t seed, std::uint64_t step, Moved moved) {
  const CodebookShape& c = shape_->codebook;
  std::vector<double> count(c.codes * c.size), sum(c.codes * c.size * width_);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t part = 0; part < c.codes; ++part) {
      const std::size_t at = part * c.size + static_cast<std::size_t>(codes[r * c.codes + part]);
      count[at] += 1;
      for (std::size_t j = 0; j < width_; ++j)
        sum[at * width_ + j] += static_cast<double>(z_[r * shape_->latent + part * width_ + j]);
    }
  const double keep = c.decay, take = 1 - c.decay;
  for (std::size_t at = 0; at < count.size(); ++at) {
    counts[at] = static_cast<float>(keep * static_cast<double>(counts[at]) + take * count[at]);
    for (std::size_t j = 0; j < width_ && c.ema; ++j) {
      float& s = sums[at * width_ + j];
      s = static_cast<float>(keep * static_cast<double>(s) + take * sum[at * width_ + j]);
      if (counts[at] > 0) rows_[at * width_ + j] = static_cast<T>(s) / static_cast<T>(counts[at]);
    }
    if (static_cast<double>(counts[at]) >=
        c.revive_below * static_cast<double>(rows) / static_cast<double>(c.size))
      continue;
    place(rows, at, counts, sums, seed, (step + 1) * c.codes * c.size + at);
    moved(at * width_);
  }
  turn();
}

extern template class Codebook<float>;
extern template class Codebook<double>;

}  // namespace exo

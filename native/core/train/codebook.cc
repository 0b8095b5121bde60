#include "core/train/codebook.h"

#include "core/train/random.h"

namespace exo {

template <class T>
Codebook<T>::Codebook(const TrainKernels<T>& k, const NetworkShape& shape, std::size_t rows)
    : k_(&k),
      shape_(&shape),
      width_(shape.code_width()),
      columns_(round_up(shape.codebook.size, k.lanes)),
      rows_(shape.codebook_parameters()),
      turned_(shape.codebook.codes * width_ * columns_),
      z_(rows * shape.latent) {}

template <class T>
void Codebook<T>::turn() {
  const CodebookShape& c = shape_->codebook;
  for (std::size_t part = 0; part < c.codes; ++part)
    for (std::size_t row = 0; row < c.size; ++row)
      for (std::size_t j = 0; j < width_; ++j)
        turned_.data()[(part * width_ + j) * columns_ + row] = rows_[(part * c.size + row) * width_ + j];
}

template <class T>
void Codebook<T>::take(const Panelled<T>& z, std::size_t begin, std::size_t end) {
  z.each(begin, end, [&](std::size_t row, const T* from, std::size_t column, std::size_t width) {
    std::copy_n(from, width, z_.data() + row * shape_->latent + column);
  });
}

template <class T>
void Codebook<T>::quantise(const Panelled<T>& z, std::size_t begin, std::size_t end, std::int32_t* codes,
                           const Panelled<T>& latent) {
  const CodebookShape& c = shape_->codebook;
  const std::size_t k = shape_->latent;
  take(z, begin, end);
  for (std::size_t part = 0; part < c.codes; ++part)
    k_->nearest(end - begin, width_, z_.data() + begin * k + part * width_, k,
                turned_.data() + part * width_ * columns_, c.size, columns_, codes + begin * c.codes + part,
                c.codes);
  latent.each(begin, end, [&](std::size_t row, T* to, std::size_t column, std::size_t width) {
    for (std::size_t i = 0; i < width; ++i) {
      const std::size_t part = (column + i) / width_, j = (column + i) % width_;
      const std::size_t at = part * c.size + static_cast<std::size_t>(codes[row * c.codes + part]);
      to[i] = rows_[at * width_ + j];
    }
  });
}

template <class T>
void Codebook<T>::commit(const Panelled<T>&, std::size_t begin, std::size_t end, const std::int32_t* codes,
                         const Panelled<T>& back, double* loss) const {
  const CodebookShape& c = shape_->codebook;
  const double all = c.commitment + (c.ema ? 0 : 1);
  const T slope = static_cast<T>(2 * c.commitment / static_cast<double>(z_.size() / shape_->latent));
  std::fill(loss + begin, loss + end, 0.0);
  back.each(begin, end, [&](std::size_t row, T* to, std::size_t column, std::size_t width) {
    for (std::size_t i = 0; i < width; ++i) {
      const std::size_t part = (column + i) / width_, j = (column + i) % width_;
      const std::size_t at = part * c.size + static_cast<std::size_t>(codes[row * c.codes + part]);
      const T error = z_[row * shape_->latent + column + i] - rows_[at * width_ + j];
      to[i] += slope * error;
      loss[row] += all * static_cast<double>(error) * static_cast<double>(error);
    }
  });
}

template <class T>
std::vector<T> Codebook<T>::gradient(std::size_t rows, const std::int32_t* codes) const {
  const CodebookShape& c = shape_->codebook;
  if (c.ema) return {};
  std::vector<T> gradient(rows_.size());
  const T slope = static_cast<T>(2 / static_cast<double>(rows));
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t part = 0; part < c.codes; ++part) {
      const std::size_t at = part * c.size + static_cast<std::size_t>(codes[r * c.codes + part]);
      for (std::size_t j = 0; j < width_; ++j)
        gradient[at * width_ + j] -=
            slope * (z_[r * shape_->latent + part * width_ + j] - rows_[at * width_ + j]);
    }
  return gradient;
}

template <class T>
void Codebook<T>::place(std::size_t rows, std::size_t at, float* counts, float* sums, std::uint64_t seed,
                        std::uint64_t index) {
  const CodebookShape& c = shape_->codebook;
  const auto from = static_cast<std::size_t>(uniform(seed, STREAM_REVIVE, index) * static_cast<double>(rows));
  const float even = static_cast<float>(static_cast<double>(rows) / static_cast<double>(c.size));
  counts[at] = even;
  for (std::size_t j = 0; j < width_; ++j) {
    T& mine = rows_[at * width_ + j];
    mine = z_[from * shape_->latent + at / c.size * width_ + j];
    if (c.ema) sums[at * width_ + j] = even * static_cast<float>(mine);
  }
}

template <class T>
void Codebook<T>::place_all(std::size_t rows, float* counts, float* sums, std::uint64_t seed) {
  for (std::size_t at = 0; at < shape_->codebook.codes * shape_->codebook.size; ++at)
    place(rows, at, counts, sums, seed, at);
  turn();
}

template class Codebook<float>;
template class Codebook<double>;

}  // namespace exo

// Arrays by panels (kernels/train.h) with their memory.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "kernels/kernels.h"

namespace exo {

template <class T>
const TrainKernels<T>& train_kernels(const Kernels& k);
template <>
inline const TrainKernels<float>& train_kernels(const Kernels& k) {
  return k.train_f32;
}
template <>
inline const TrainKernels<double>& train_kernels(const Kernels& k) {
  return k.train_f64;
}

inline std::size_t round_up(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

// `count` zeros on a cache line of their own.
template <class T>
class Aligned {
 public:
  Aligned() = default;
  explicit Aligned(std::size_t count) : count_(count) {
    // A cache line more than needed: arrays of a power of two would begin in the same cache set.
    const std::size_t bytes = round_up(count * sizeof(T), 64) + 64;
    memory_.reset(static_cast<T*>(::operator new[](bytes, std::align_val_t{64})));
    std::memset(memory_.get(), 0, bytes);
  }
  T* data() const { return memory_.get(); }
  std::size_t size() const { return count_; }

 private:
  struct Free {
    void operator()(T* p) const { ::operator delete[](p, std::align_val_t{64}); }
  };
  std::unique_ptr<T[], Free> memory_;
  std::size_t count_ = 0;
};

// Widths of panels: as wide as a tile, and four vectors that are left as two and two.
template <class T>
std::vector<Panel> panels_of(const TrainKernels<T>& k, std::size_t width) {
  std::vector<Panel> panels;
  for (std::size_t begin = 0; begin < width;) {
    const std::size_t left = round_up(width - begin, k.lanes) / k.lanes;
    const std::size_t vectors = left == 4 ? 2 : std::min(left, k.tile_vectors);
    panels.push_back({begin, vectors * k.lanes});
    begin += vectors * k.lanes;
  }
  return panels;
}

// Rows of a batch by panels.
template <class T>
class Panelled {
 public:
  Panelled() = default;
  Panelled(const TrainKernels<T>& k, std::size_t rows, std::size_t width)
      : width_(width), rows_alloc_(round_up(rows, k.tile_rows)), panels_(panels_of(k, width)) {
    const std::size_t columns = panels_.empty() ? 0 : panels_.back().begin + panels_.back().width;
    memory_ = Aligned<T>(rows_alloc_ * columns);
    for (const Panel& p : panels_)
      segments_.push_back(
          {memory_.data() + p.begin * rows_alloc_, std::min(p.width, width - p.begin), p.width});
  }
  std::size_t width() const { return width_; }
  std::size_t rows_alloc() const { return rows_alloc_; }
  const std::vector<Panel>& panels() const { return panels_; }
  // As the left factor of a product.
  const std::vector<Segment<T>>& segments() const { return segments_; }
  T* data() const { return memory_.data(); }
  T* panel(std::size_t j) const { return memory_.data() + panels_[j].begin * rows_alloc_; }

  // visit(pointer to the numbers of a row in one panel, first column, how many) for rows [begin, end).
  template <class Visit>
  void each(std::size_t begin, std::size_t end, Visit visit) const {
    for (std::size_t j = 0; j < panels_.size(); ++j)
      for (std::size_t row = begin; row < end; ++row)
        visit(row, panel(j) + row * panels_[j].width, panels_[j].begin, segments_[j].width);
  }

 private:
  std::size_t width_ = 0, rows_alloc_ = 0;
  std::vector<Panel> panels_;
  std::vector<Segment<T>> segments_;
  Aligned<T> memory_;
};

}  // namespace exo

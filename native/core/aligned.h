// 64-byte aligned doubles for kernels.
#pragma once
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

namespace exo {

struct AlignedFree {
  void operator()(double* p) const { std::free(p); }
};
using AlignedDoubles = std::unique_ptr<double[], AlignedFree>;

inline AlignedDoubles aligned_doubles(std::size_t count) {
  const std::size_t bytes = (count * sizeof(double) + 63) / 64 * 64;
  void* p = std::aligned_alloc(64, bytes ? bytes : 64);
  if (!p) throw std::bad_alloc();
  return AlignedDoubles(static_cast<double*>(p));
}

}  // namespace exo

// 64-byte aligned doubles for kernels.
#pragma once
#include <cstddef>
#include <memory>
#include <new>

namespace exo {

struct AlignedFree {
  void operator()(double* p) const { ::operator delete[](p, std::align_val_t{64}); }
};
using AlignedDoubles = std::unique_ptr<double[], AlignedFree>;

inline AlignedDoubles aligned_doubles(std::size_t count) {
  return AlignedDoubles(static_cast<double*>(::operator new[](count * sizeof(double), std::align_val_t{64})));
}

}  // namespace exo

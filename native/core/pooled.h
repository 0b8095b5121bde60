// Memory for small matrices that live for microseconds: blocks are kept for reuse, each thread its own.
#pragma once
#include <cstddef>
#include <new>

namespace exo {

void* take_block(std::size_t bytes);
void return_block(void* block, std::size_t bytes) noexcept;

template <class T>
struct Pooled {
  using value_type = T;
  Pooled() = default;
  template <class U>
  Pooled(const Pooled<U>&) noexcept {}
  T* allocate(std::size_t n) { return static_cast<T*>(take_block(n * sizeof(T))); }
  void deallocate(T* block, std::size_t n) noexcept { return_block(block, n * sizeof(T)); }
  template <class U>
  bool operator==(const Pooled<U>&) const noexcept {
    return true;
  }
  template <class U>
  bool operator!=(const Pooled<U>&) const noexcept {
    return false;
  }
};

}  // namespace exo

// Memory of large answers, which is fresh when a stage begins to write it.
#pragma once
#include <cstddef>
#include <new>

namespace exo {

// Asks the system for large pages under so many bytes: of small ones each costs a fault of its own, which
// for answers that are cheap to compute takes most of the time. Where it cannot be had, nothing happens.
void prefer_large_pages(void* memory, std::size_t bytes);

// Memory for large arrays, in large pages where the system has them: those of four kilobytes take
// longer to make and to give back than the array takes to fill. Throws std::bad_alloc.
void* take_pages(std::size_t bytes);
void give_pages_back(void* memory, std::size_t bytes);

// Of containers: large ones lie in pages of their own.
template <class T>
struct LargePages {
  using value_type = T;
  static constexpr std::size_t LARGE = (4 << 20) / sizeof(T);
  LargePages() = default;
  template <class U>
  LargePages(const LargePages<U>&) {}
  T* allocate(std::size_t n) {
    return static_cast<T*>(n < LARGE ? ::operator new(n * sizeof(T)) : take_pages(n * sizeof(T)));
  }
  void deallocate(T* p, std::size_t n) {
    if (n < LARGE)
      ::operator delete(p);
    else
      give_pages_back(p, n * sizeof(T));
  }
  // What is given no value is not written: memory that is filled anyway is touched once.
  template <class U>
  void construct(U* p) {
    ::new (static_cast<void*>(p)) U;
  }
  template <class U, class V>
  void construct(U* p, V&& value) {
    ::new (static_cast<void*>(p)) U(static_cast<V&&>(value));
  }
  template <class U>
  bool operator==(const LargePages<U>&) const {
    return true;
  }
  template <class U>
  bool operator!=(const LargePages<U>&) const {
    return false;
  }
};

}  // namespace exo

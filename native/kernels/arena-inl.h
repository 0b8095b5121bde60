// Scratch memory of a kernel, handed out array by array. The code that takes memory also counts it.
//
// A copy hands out the same memory as the original: what it took is free again where the copy ends.
#pragma once

struct Arena {
  double* base;
  std::size_t taken, size;
  std::size_t* most;  // counting: the largest `taken` of this arena and its copies; null where memory is

  // There is no memory. A function that is given such an arena takes all that it could ever take, whatever
  // the numbers, and returns without having touched any of it.
  bool counts() const { return most != nullptr; }

  // Each array begins on a cache line.
  double* doubles(std::size_t count) {
    double* array = base + taken;
    taken += (count + 7) / 8 * 8;
    if (most && taken > *most) *most = taken;
#ifdef EXO_CHECK_SCRATCH
    if (!most && taken > size) scratch_overrun(taken, size);
#endif
    return array;
  }
  double* take(std::size_t rows, std::size_t cols) { return doubles(rows * cols * LANES); }
};

// How many doubles take(arena) needs.
template <class Take>
std::size_t scratch_of(Take take) {
  std::size_t most = 0;
  // An address like any other, never followed: null would say that there is no array.
  take(Arena{reinterpret_cast<double*>(std::uintptr_t{64}), 0, 0, &most});
  return most;
}

// Memory that should be as large as size() says. size() is asked for only where overruns are looked for.
template <class Size>
Arena arena_over(double* memory, Size size) {
#ifdef EXO_CHECK_SCRATCH
  return {memory, 0, size(), nullptr};
#else
  (void)size;
  return {memory, 0, SIZE_MAX, nullptr};
#endif
}

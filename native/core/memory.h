// Memory of large answers, which is fresh when a stage begins to write it.
#pragma once
#include <cstddef>

namespace exo {

// Asks the system for large pages under so many bytes: of small ones each costs a fault of its own, which
// for answers that are cheap to compute takes most of the time. Where it cannot be had, nothing happens.
void prefer_large_pages(void* memory, std::size_t bytes);

}  // namespace exo

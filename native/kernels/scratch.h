// Memory of the calling thread into which the dense kernels pack what they multiply.
#pragma once
#include <cstddef>

namespace exo {

constexpr std::size_t PACK_DOUBLES = 52 * 1024;
// PACK_DOUBLES doubles, 64-byte aligned; the same for every instruction set, as a thread is in one kernel at
// a time.
double* pack_memory();

}  // namespace exo

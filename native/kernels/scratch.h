// Memory of the calling thread into which the dense kernels pack what they multiply.
#pragma once
#include <cstddef>

namespace exo {

constexpr std::size_t PACK_BYTES = 416 * 1024;
// PACK_BYTES bytes, 64-byte aligned; the same for every instruction set, as a thread is in one kernel at a
// time.
void* pack_memory();

}  // namespace exo

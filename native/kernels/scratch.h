// Memory that kernels work in: of the calling thread, or counted for them and given by the caller.
#pragma once
#include <cstddef>

namespace exo {

// Into this the dense kernels pack what they multiply.
constexpr std::size_t PACK_BYTES = 416 * 1024;
// PACK_BYTES bytes, 64-byte aligned; the same for every instruction set, as a thread is in one kernel at a
// time.
void* pack_memory();

// Called, where EXO_CHECK_SCRATCH is defined (debug and sanitizer builds), when a kernel takes more of its
// scratch memory than was counted for it. Ends the process, unless a test has put something in its place.
extern void (*scratch_overrun)(std::size_t taken, std::size_t counted);

}  // namespace exo

#include "kernels/scratch.h"

#include <cstdio>
#include <cstdlib>

namespace exo {

void* pack_memory() {
  alignas(64) static thread_local unsigned char memory[PACK_BYTES];
  return memory;
}

namespace {
void end_process(std::size_t taken, std::size_t counted) {
  std::fprintf(stderr, "exolam: a kernel took %zu doubles of scratch memory, %zu were counted\n", taken,
               counted);
  std::abort();
}
}  // namespace

void (*scratch_overrun)(std::size_t taken, std::size_t counted) = end_process;

}  // namespace exo

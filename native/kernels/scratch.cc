#include "kernels/scratch.h"

namespace exo {

void* pack_memory() {
  alignas(64) static thread_local unsigned char memory[PACK_BYTES];
  return memory;
}

}  // namespace exo

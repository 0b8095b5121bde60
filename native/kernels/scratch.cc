#include "kernels/scratch.h"

namespace exo {

double* pack_memory() {
  alignas(64) static thread_local double memory[PACK_DOUBLES];
  return memory;
}

}  // namespace exo

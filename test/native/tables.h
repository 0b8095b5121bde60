// Every kernel table that this build has and this CPU can run.
#pragma once
#include <vector>

#include "kernels/kernels.h"

namespace exo::test {

inline std::vector<const Kernels*> tables() {
  std::vector<const Kernels*> found{baseline_kernels()};
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) found.push_back(avx2_kernels());
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    found.push_back(avx512_kernels());
#elif defined(__aarch64__)
  found.push_back(neon_kernels());
#endif
  return found;
}

}  // namespace exo::test

#include "core/dispatch.h"

#include <cstdlib>

namespace exo {

const std::vector<const Kernels*>& available_kernels() {
  static const std::vector<const Kernels*> tables = [] {
    std::vector<const Kernels*> list;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && avx512_kernels())
      list.push_back(avx512_kernels());
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && avx2_kernels())
      list.push_back(avx2_kernels());
#endif
#if defined(__wasm__)
    list.push_back(wasm_kernels());
#else
    if (neon_kernels()) list.push_back(neon_kernels());
    list.push_back(baseline_kernels());
#endif
    return list;
  }();
  return tables;
}

const KernelChoice& chosen_kernels() {
  static const KernelChoice choice = []() -> KernelChoice {
    const char* forced = std::getenv("EXOLAM_ISA");
    if (!forced || !*forced) return {available_kernels().front(), ""};
    std::string names;
    for (const Kernels* k : available_kernels()) {
      if (std::string(k->name) == forced) return {k, ""};
      names += (names.empty() ? "" : ", ") + std::string(k->name);
    }
    return {nullptr,
            "EXOLAM_ISA is \"" + std::string(forced) + "\"; this machine and build accept: " + names};
  }();
  return choice;
}

}  // namespace exo

// Which instruction set to use: detected once, EXOLAM_ISA forces one.
#pragma once
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace exo {

// Those compiled into this build that this CPU can run, best first.
const std::vector<const Kernels*>& available_kernels();

// The table in use. Where EXOLAM_ISA names no available one, `error` says so and `table` is null.
struct KernelChoice {
  const Kernels* table;
  std::string error;
};
const KernelChoice& chosen_kernels();

}  // namespace exo

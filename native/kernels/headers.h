// What kernels may include, before any target region opens. No std:: template that could be emitted as a weak
// symbol compiled for one instruction set and then be linked into code that runs on every CPU.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/conventions.h"
#include "core/population.h"
#include "kernels/scratch.h"
#include "kernels/target.h"

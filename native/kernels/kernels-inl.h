// Every kernel, compiled once per instruction set: isa/<name>.cc includes this inside its target region and
// its own anonymous namespace, after defining LANES, ISA_NAME, vec, vecf, mask, veci, fma, fnma, sqrt, any,
// mul32, xor3, transpose. The order matters.
// clang-format off
#include "kernels/vec-inl.h"
#include "kernels/lanes/batch-inl.h"
#include "kernels/dense/cholesky-inl.h"
#include "kernels/dense/eigen-inl.h"
#include "kernels/dense/banded-inl.h"
#include "kernels/streams-inl.h"
#include "kernels/mixing-inl.h"
#include "kernels/train/activation-inl.h"
#include "kernels/train/update-inl.h"
#include "kernels/train/product-inl.h"
#include "kernels/train/rows-inl.h"
#include "kernels/population/population-inl.h"
#include "kernels/peak-inl.h"
// clang-format on

constexpr Kernels TABLE = {
    ISA_NAME,
    LANES,
    cholesky_lanes,
    cholesky_solve_lanes,
    eigen_lanes,
    eigen_lanes_work,
    eigen_batch,
    eigen_batch_work,
    cholesky_solve_batch,
    cholesky_batch_work,
    gemm<double>,
    gemm<float>,
    syrk_accumulate,
    cholesky,
    cholesky_solve,
    cholesky_forward,
    cholesky_backward,
    cholesky_rows,
    banded_forms,
    banded_work,
    eigen,
    eigen_work,
    eigenvalues,
    normals<double>,
    normals<float>,
    cosines,
    mix<double>,
    mix<float>,
    TRAIN<float>,
    TRAIN<double>,
    population,
    population_scratch,
    fma_peak,
};

// Every kernel of exolam, as one table of function pointers per instruction set.
//
// A kernel is written once, in a *-inl.h file below this folder, over the small vector type that
// isa/<name>.cc defines before including kernels-inl.h. kernels() (core/dispatch.h) picks a table once; each
// table holds the same names.
//
// Two families of linear algebra:
//   *lanes*  many small problems at once, one per SIMD lane. Interleaved storage: element (i, j) of the
//   problem in lane l
//            is a[(i * cols + j) * L + l] with L = Kernels::lanes. A lane never influences another lane's
//            bits, so a problem has the same answer whatever its neighbours are. Fast for n <= 64,
//            right for every n.
//   *dense*  one large row-major problem, n <= 1024 (and beyond, only slower).
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/train.h"

namespace exo {

struct PopulationBatch;  // core/population.h

// For banded_forms: B symmetric with BAND entries on each side of its diagonal, G and H symmetric too. A form
// whose matrices are not given is not written.
constexpr std::size_t BAND = 16;
struct BandedForms {
  std::size_t n;
  const double* band;    // (n, BAND + 1): B(i, i - p)
  const double* ridges;  // (L)
  const double* gram;    // G (n,n), or null
  struct Side {
    const double* square;         // H (n,n), or null
    const double *x, *y;          // X, Y (n,count): element (i, j) is at [i * row + j * col]
    std::size_t count, row, col;  // count 0 where there are none; one X may serve both sides
    double *linear, *quadratic;   // (L): tr X^T (B + ridge)^-1 Y, tr (B + ridge)^-1 G (B + ridge)^-1 H
  } sides[2];
};

struct Kernels {
  const char* name;   // "baseline", "avx2", "avx512", "neon", "wasm"
  std::size_t lanes;  // L, doubles per vector

  // The lanes family (lanes/), every array 64-byte aligned.
  //
  // a (n,n,L), full symmetric in; lower Cholesky
  // factor out (upper part untouched). pivot (L): smallest pivot divided by the largest diagonal entry, <= 0
  // or NaN where the matrix is not positive definite (that lane's factor is garbage).
  void (*cholesky_lanes)(double* a, std::size_t n, double* pivot);
  // Solves l l^T x = b in place for x (n,m,L), l from cholesky_lanes.
  void (*cholesky_solve_lanes)(const double* l, double* x, std::size_t n, std::size_t m);
  // a (n,n,L) full symmetric in; out: row j is the unit eigenvector of w[j] (w descending, (n,L)). work:
  // eigen_lanes_work(n) doubles. Non-finite input gives non-finite w in that lane only, in bounded time.
  void (*eigen_lanes)(double* a, double* w, std::size_t n, double* work);
  std::size_t (*eigen_lanes_work)(std::size_t n);
  // The same for `count` problems stored one after another, row-major, whose order in lanes does not matter
  // to the caller: matrices (count,n,n), values (count,n), vectors (count,n,n). work: eigen_batch_work(n)
  // doubles.
  void (*eigen_batch)(const double* matrices, std::size_t n, std::size_t count, double* values,
                      double* vectors, double* work);
  std::size_t (*eigen_batch_work)(std::size_t n);
  // solutions (count,n,m) of matrices (count,n,n) and right_sides (count,n,m); NaN where a matrix is not
  // positive definite. work: cholesky_batch_work(n, m) doubles.
  void (*cholesky_solve_batch)(const double* matrices, const double* right_sides, std::size_t n,
                               std::size_t m, std::size_t count, double* solutions, double* work);
  std::size_t (*cholesky_batch_work)(std::size_t n, std::size_t m);

  // The dense family (dense/), row-major with leading dimensions.
  //
  // c (m,n) = beta c + alpha op(a) op(b); op is the
  // identity or the transpose; beta 0 overwrites c whatever it holds.
  void (*gemm)(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k, double alpha,
               const double* a, std::size_t lda, const double* b, std::size_t ldb, double beta, double* c,
               std::size_t ldc);
  void (*gemm_f32)(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k,
                   float alpha, const float* a, std::size_t lda, const float* b, std::size_t ldb, float beta,
                   float* c, std::size_t ldc);
  // c (n,n), full symmetric, += x^T x for x (rows,n).
  void (*syrk_accumulate)(std::size_t rows, std::size_t n, const double* x, std::size_t ldx, double* c,
                          std::size_t ldc);
  // As in the lanes family, for one matrix. cholesky returns the pivot ratio.
  double (*cholesky)(double* a, std::size_t n, std::size_t lda);
  void (*cholesky_solve)(const double* l, std::size_t n, std::size_t ldl, double* x, std::size_t m,
                         std::size_t ldx);
  // The two halves of it, l x = b and l^T x = b; and x l^T = a for a (rows,n). All in place; any split of the
  // columns of x, or of the rows of a, gives the same bits.
  void (*cholesky_forward)(const double* l, std::size_t n, std::size_t ldl, double* x, std::size_t m,
                           std::size_t ldx);
  void (*cholesky_backward)(const double* l, std::size_t n, std::size_t ldl, double* x, std::size_t m,
                            std::size_t ldx);
  void (*cholesky_rows)(const double* l, std::size_t n, std::size_t ldl, double* a, std::size_t rows,
                        std::size_t lda);
  // The forms of a ridge in each lane. work: banded_work(n) doubles. False where B + ridge is not positive
  // definite in some lane; ends soon after *stop is not 0.
  bool (*banded_forms)(const BandedForms& forms, double* work, const std::int32_t* stop);
  std::size_t (*banded_work)(std::size_t n);
  // a (n,n) symmetric in; out: row j is the unit eigenvector of w[j], w descending. work: eigen_work(n)
  // doubles. Returns false when the iteration does not converge (non-finite input), and soon after *stop
  // (null: nobody says) is not 0.
  bool (*eigen)(double* a, std::size_t n, double* w, double* work, const std::int32_t* stop);
  std::size_t (*eigen_work)(std::size_t n);
  // The eigenvalues alone, in a third of the time: a stays as it is.
  bool (*eigenvalues)(const double* a, std::size_t n, double* w, double* work, const std::int32_t* stop);

  // Random streams (streams-inl.h).
  //
  // out[i] = element
  // first + i of the N(0,1) stream (seed, stream): Philox4x32-10 and Box-Muller, see streams-inl.h. Any split
  // of a range gives the same bits.
  void (*normals)(double* out, std::uint64_t seed, std::uint64_t stream, std::uint64_t first,
                  std::size_t count);
  // The f32 stream of that name: numbers of its own, not those of the f64 stream rounded.
  void (*normals_f32)(float* out, std::uint64_t seed, std::uint64_t stream, std::uint64_t first,
                      std::size_t count);

  // values[i] = scale cos(values[i] + phases[i]), arguments below 2^50: not the C library's, whose last bits
  // differ between systems.
  void (*cosines)(double scale, const double* phases, double* values, std::size_t count);

  // Observations (mixing-inl.h).
  //
  // out (rows,width) = [s x]
  // mixing^T + noise out for s (rows,ds), x (rows,dx), mixing (width,ds+dx); noise 0 overwrites out whatever
  // it holds. packed: mixing by vectors of V columns (V = L, in f32 2 L), element (i, p) at [(i / V * (ds +
  // dx) + p) * V + i % V], zeros beyond width. ds + dx <= 16384.
  void (*mix)(std::size_t rows, std::size_t width, const double* packed, const double* s, std::size_t ds,
              const double* x, std::size_t dx, double noise, double* out);
  void (*mix_f32)(std::size_t rows, std::size_t width, const float* packed, const float* s, std::size_t ds,
                  const float* x, std::size_t dx, float noise, float* out);

  // Minibatch training (train/), in f32 and, for checks of gradients, in f64.
  TrainKernels<float> train_f32;
  TrainKernels<double> train_f64;

  // The population path (population/).
  //
  // Solves problems [first, first +
  // count) of the batch, count <= L, one per lane. scratch: population_scratch() doubles.
  void (*population)(const PopulationBatch& batch, std::size_t first, std::size_t count, double* scratch);
  std::size_t (*population_scratch)(const PopulationBatch& batch);

  // The machine's limit (peak-inl.h).
  //
  // Multiply-adds in registers
  // alone, `rounds` of them on each of a few independent chains; returns the floating-point operations done.
  // sum: what the chains came to.
  double (*fma_peak)(std::size_t rounds, double* sum);
};

// One getter per isa/<name>.cc; null where this build has no code for it.
const Kernels* baseline_kernels();
const Kernels* avx2_kernels();
const Kernels* avx512_kernels();
const Kernels* neon_kernels();
const Kernels* wasm_kernels();

}  // namespace exo

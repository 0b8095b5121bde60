// WebAssembly: two lanes of its 128-bit vectors, no fused multiply-add, so that bits are those of baseline.
#include "kernels/headers.h"
#include "kernels/kernels.h"
#if defined(__wasm_simd128__)
#include <wasm_simd128.h>

namespace exo {
namespace {
constexpr std::size_t LANES = 2;
constexpr const char* ISA_NAME = "wasm";
typedef double vec __attribute__((vector_size(16)));
typedef float vecf __attribute__((vector_size(16)));
typedef std::int64_t mask __attribute__((vector_size(16)));  // all ones or all zeros per lane
typedef std::uint64_t veci __attribute__((vector_size(16)));
inline vec fma(vec a, vec b, vec c) { return a * b + c; }
inline vecf fma(vecf a, vecf b, vecf c) { return a * b + c; }
inline vec fnma(vec a, vec b, vec c) { return c - a * b; }
inline vec sqrt(vec a) { return (vec)wasm_f64x2_sqrt((v128_t)a); }
inline vecf sqrt(vecf a) { return (vecf)wasm_f32x4_sqrt((v128_t)a); }
inline bool any(mask m) { return wasm_v128_any_true((v128_t)m); }
// tile[i][j] <-> tile[j][i].
inline void transpose(vec (&tile)[LANES]) {
  const vec first = tile[0], second = tile[1];
  tile[0] = vec{first[0], second[0]};
  tile[1] = vec{first[1], second[1]};
}
// 32 x 32 -> 64 bit products of the low halves.
inline veci mul32(veci a, veci b) {
  const v128_t x = (v128_t)a, y = (v128_t)b;
  return (veci)wasm_u64x2_extmul_low_u32x4(wasm_i32x4_shuffle(x, x, 0, 2, 0, 2),
                                           wasm_i32x4_shuffle(y, y, 0, 2, 0, 2));
}
inline veci xor3(veci a, veci b, veci c) { return a ^ b ^ c; }
#include "kernels/kernels-inl.h"
}  // namespace
const Kernels* wasm_kernels() { return &TABLE; }
}  // namespace exo
#else
namespace exo {
const Kernels* wasm_kernels() { return nullptr; }
}  // namespace exo
#endif

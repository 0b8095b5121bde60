// 64-bit ARM: two lanes with fused multiply-add.
#include "kernels/headers.h"
#include "kernels/kernels.h"
#if defined(__aarch64__)
#include <arm_neon.h>

namespace exo {
namespace {
constexpr std::size_t LANES = 2;
constexpr const char* ISA_NAME = "neon";
typedef double vec __attribute__((vector_size(16)));
typedef float vecf __attribute__((vector_size(16)));
typedef std::int64_t mask __attribute__((vector_size(16)));  // all ones or all zeros per lane
typedef std::uint64_t veci __attribute__((vector_size(16)));
inline vec fma(vec a, vec b, vec c) { return (vec)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b); }
inline vecf fma(vecf a, vecf b, vecf c) {
  return (vecf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
inline vec fnma(vec a, vec b, vec c) {
  return (vec)vfmsq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
}
inline vec sqrt(vec a) { return (vec)vsqrtq_f64((float64x2_t)a); }
inline vecf sqrt(vecf a) { return (vecf)vsqrtq_f32((float32x4_t)a); }
inline bool any(mask m) { return (m[0] | m[1]) != 0; }
// tile[i][j] <-> tile[j][i].
inline void transpose(vec (&tile)[LANES]) {
  const vec first = tile[0], second = tile[1];
  tile[0] = vec{first[0], second[0]};
  tile[1] = vec{first[1], second[1]};
}
// 32 x 32 -> 64 bit products of the low halves.
inline veci mul32(veci a, veci b) { return (a & 0xffffffffu) * (b & 0xffffffffu); }
inline veci xor3(veci a, veci b, veci c) { return a ^ b ^ c; }
#define EXO_REGISTER "w"  // the class of vector registers in inline assembly
#include "kernels/kernels-inl.h"
}  // namespace
const Kernels* neon_kernels() { return &TABLE; }
}  // namespace exo
#else
namespace exo {
const Kernels* neon_kernels() { return nullptr; }
}  // namespace exo
#endif

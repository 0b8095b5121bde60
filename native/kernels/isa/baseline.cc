// Runs everywhere: two lanes of the compiler's portable vectors, no fused multiply-add.
#include "kernels/headers.h"
#include "kernels/kernels.h"

namespace exo {
namespace {
constexpr std::size_t LANES = 2;
constexpr const char* ISA_NAME = "baseline";
typedef double vec __attribute__((vector_size(16)));
typedef float vecf __attribute__((vector_size(16)));
typedef std::int64_t mask __attribute__((vector_size(16)));  // all ones or all zeros per lane
typedef std::uint64_t veci __attribute__((vector_size(16)));
inline vec fma(vec a, vec b, vec c) { return a * b + c; }
inline vecf fma(vecf a, vecf b, vecf c) { return a * b + c; }
inline vec fnma(vec a, vec b, vec c) { return c - a * b; }
inline vec sqrt(vec a) { return vec{__builtin_sqrt(a[0]), __builtin_sqrt(a[1])}; }
inline vecf sqrt(vecf a) {
  return vecf{__builtin_sqrtf(a[0]), __builtin_sqrtf(a[1]), __builtin_sqrtf(a[2]), __builtin_sqrtf(a[3])};
}
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
#include "kernels/kernels-inl.h"
}  // namespace
const Kernels* baseline_kernels() { return &TABLE; }
}  // namespace exo

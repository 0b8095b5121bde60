#include "kernels/headers.h"
#include "kernels/kernels.h"
#if defined(__x86_64__)
#include <immintrin.h>

EXO_TARGET_BEGIN("avx2,fma")
namespace exo {
namespace {
constexpr std::size_t LANES = 4;
constexpr const char* ISA_NAME = "avx2";
typedef double vec __attribute__((vector_size(32)));
typedef float vecf __attribute__((vector_size(32)));
typedef std::int64_t mask __attribute__((vector_size(32)));  // all ones or all zeros per lane
typedef std::uint64_t veci __attribute__((vector_size(32)));
inline vec fma(vec a, vec b, vec c) { return (vec)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c); }
inline vecf fma(vecf a, vecf b, vecf c) { return (vecf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
inline vec fnma(vec a, vec b, vec c) { return (vec)_mm256_fnmadd_pd((__m256d)a, (__m256d)b, (__m256d)c); }
inline vec sqrt(vec a) { return (vec)_mm256_sqrt_pd((__m256d)a); }
inline vecf sqrt(vecf a) { return (vecf)_mm256_sqrt_ps((__m256)a); }
inline bool any(mask m) { return _mm256_movemask_pd((__m256d)m) != 0; }
// tile[i][j] <-> tile[j][i].
inline void transpose(vec (&tile)[LANES]) {
  __m256d pair[4];
  for (int i = 0; i < 4; i += 2) {
    pair[i] = _mm256_unpacklo_pd((__m256d)tile[i], (__m256d)tile[i + 1]);
    pair[i + 1] = _mm256_unpackhi_pd((__m256d)tile[i], (__m256d)tile[i + 1]);
  }
  for (int j = 0; j < 2; ++j) {
    tile[j] = (vec)_mm256_permute2f128_pd(pair[j], pair[j + 2], 0x20);
    tile[j + 2] = (vec)_mm256_permute2f128_pd(pair[j], pair[j + 2], 0x31);
  }
}
// 32 x 32 -> 64 bit products of the low halves.
inline veci mul32(veci a, veci b) { return (veci)_mm256_mul_epu32((__m256i)a, (__m256i)b); }
inline veci xor3(veci a, veci b, veci c) { return a ^ b ^ c; }
#define EXO_REGISTER "x"  // the class of vector registers in inline assembly
#include "kernels/kernels-inl.h"
}  // namespace
}  // namespace exo
EXO_TARGET_END
namespace exo {
const Kernels* avx2_kernels() { return &TABLE; }
}  // namespace exo
#else
namespace exo {
const Kernels* avx2_kernels() { return nullptr; }
}  // namespace exo
#endif

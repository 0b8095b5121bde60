#include "kernels/headers.h"
#include "kernels/kernels.h"
#if defined(__x86_64__)
#include <immintrin.h>

EXO_TARGET_BEGIN("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,prefer-vector-width=512")
namespace exo {
namespace {
constexpr std::size_t LANES = 8;
constexpr const char* ISA_NAME = "avx512";
typedef double vec __attribute__((vector_size(64)));
typedef float vecf __attribute__((vector_size(64)));
typedef std::int64_t mask __attribute__((vector_size(64)));  // all ones or all zeros per lane
typedef std::uint64_t veci __attribute__((vector_size(64)));
inline vec fma(vec a, vec b, vec c) { return (vec)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c); }
inline vecf fma(vecf a, vecf b, vecf c) { return (vecf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
inline vec fnma(vec a, vec b, vec c) { return (vec)_mm512_fnmadd_pd((__m512d)a, (__m512d)b, (__m512d)c); }
inline vec sqrt(vec a) { return (vec)_mm512_sqrt_pd((__m512d)a); }
inline vecf sqrt(vecf a) { return (vecf)_mm512_sqrt_ps((__m512)a); }
inline bool any(mask m) { return _mm512_movepi64_mask((__m512i)m) != 0; }
// tile[i][j] <-> tile[j][i].
inline void transpose(vec (&tile)[LANES]) {
  __m512d pair[8], quad[8];
  for (int i = 0; i < 8; i += 2) {
    pair[i] = _mm512_unpacklo_pd((__m512d)tile[i], (__m512d)tile[i + 1]);
    pair[i + 1] = _mm512_unpackhi_pd((__m512d)tile[i], (__m512d)tile[i + 1]);
  }
  for (int i = 0; i < 8; i += 4)
    for (int j = 0; j < 2; ++j) {
      quad[i + j] = _mm512_shuffle_f64x2(pair[i + j], pair[i + j + 2], 0x88);
      quad[i + j + 2] = _mm512_shuffle_f64x2(pair[i + j], pair[i + j + 2], 0xdd);
    }
  for (int j = 0; j < 4; ++j) {
    tile[j] = (vec)_mm512_shuffle_f64x2(quad[j], quad[j + 4], 0x88);
    tile[j + 4] = (vec)_mm512_shuffle_f64x2(quad[j], quad[j + 4], 0xdd);
  }
}
// 32 x 32 -> 64 bit products of the low halves.
inline veci mul32(veci a, veci b) { return (veci)_mm512_mul_epu32((__m512i)a, (__m512i)b); }
inline veci xor3(veci a, veci b, veci c) {
  return (veci)_mm512_ternarylogic_epi64((__m512i)a, (__m512i)b, (__m512i)c, 0x96);
}
// A bit per lane in a mask register.
#define EXO_LANE_MASKS
struct lanes {
  __mmask8 bits;
};
inline lanes operator&(lanes a, lanes b) { return {_kand_mask8(a.bits, b.bits)}; }
inline bool any(lanes m) { return !_kortestz_mask8_u8(m.bits, m.bits); }
inline lanes less(vec a, vec b) { return {_mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_LT_OQ)}; }
inline lanes less_equal(vec a, vec b) { return {_mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_LE_OQ)}; }
inline lanes equal(vec a, vec b) { return {_mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_EQ_OQ)}; }
inline vec select(lanes m, vec a, vec b) { return (vec)_mm512_mask_mov_pd((__m512d)b, m.bits, (__m512d)a); }
inline void store_where(lanes m, double* p, vec v) { _mm512_mask_storeu_pd(p, m.bits, (__m512d)v); }
// 1 / sqrt(a) to 14 bits, where square roots and divisions share one slow unit. A kernel asks for it by its
// macro.
#define EXO_RSQRT_ESTIMATE
inline vec rsqrt_estimate(vec a) { return (vec)_mm512_rsqrt14_pd((__m512d)a); }
#define EXO_REGISTER "v"  // the class of vector registers in inline assembly
#include "kernels/kernels-inl.h"
}  // namespace
}  // namespace exo
EXO_TARGET_END
namespace exo {
const Kernels* avx512_kernels() { return &TABLE; }
}  // namespace exo
#else
namespace exo {
const Kernels* avx512_kernels() { return nullptr; }
}  // namespace exo
#endif

// Long arrays of random numbers, drawn by index: element i of the stream (seed, stream) depends on nothing
// else, so that any split of a range has the same bits.
//
// A block of Philox4x32-10 (Salmon et al., SC 2011: key = seed, counter = (block, stream)) gives words
// x0..x3. Of each 64-bit pair the upper 52 bits are a fraction: u = 1 - (x1:x0) in (0, 1], v = (x3:x2) in [0,
// 1). Box-Muller makes elements 2 block and 2 block + 1 of them: sqrt(-2 ln u) cos(2 pi v) and sqrt(-2 ln u)
// sin(2 pi v). ln, cos and sin are polynomials here (below one unit in the last place off, coefficients of
// fdlibm), because a library's differ from machine to machine.
//
// The f32 stream takes two pairs from a block, (u, v) of (x0, x1) and of (x2, x3), for its elements 4 block
// .. 4 block + 3: u = (floor(x / 2) + 1/2) 2^-31, rounded twice to f32, so that the fine steps near 0 reach
// tails of 6.6, and v = x 2^-32 exactly. Polynomials in f32, least maximal error, fitted for this file.

// 32 bits each, in the low half of a lane; what the upper half holds is of no use.
struct Words {
  veci x0, x1, x2, x3;
};
constexpr std::size_t PAIR = 2;

// A stream's part of Philox's input, the same for all of its blocks.
struct Stream {
  veci low, high;
  veci keys[10][2];

  Stream(std::uint64_t seed, std::uint64_t stream)
      : low(veci{} + (stream & 0xffffffffu)), high(veci{} + (stream >> 32)) {
    std::uint32_t k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
    for (auto& key : keys) {
      key[0] = veci{} + k0;
      key[1] = veci{} + k1;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
  }
};

inline veci blocks_from(std::uint64_t block) {
  veci index;
  for (std::size_t l = 0; l < LANES; ++l) index[l] = l;
  return index + block;
}

// PAIR vectors of blocks side by side: a round waits for its products, two do so together.
inline void philox(std::uint64_t block, const Stream& stream, Words (&x)[PAIR]) {
  for (std::size_t i = 0; i < PAIR; ++i) {
    const veci index = blocks_from(block + i * LANES);
    x[i] = {index, index >> 32, stream.low, stream.high};
  }
  const veci m0 = veci{} + 0xD2511F53u, m1 = veci{} + 0xCD9E8D57u;
#pragma GCC unroll 10
  for (const auto& key : stream.keys)
#pragma GCC unroll 2
    for (Words& y : x) {
      const veci p0 = mul32(m0, y.x0), p1 = mul32(m1, y.x2);
      y = {xor3(p1 >> 32, y.x1, key[0]), p1, xor3(p0 >> 32, y.x3, key[1]), p0};
    }
}

// The upper 52 bits of hi:lo as 1 plus a fraction.
inline vec one_to_two(veci hi, veci lo) {
  const veci low = veci{} + 0xffffffffu;
  return (vec)((((hi << 32) | (lo & low)) >> 12) | 0x3ff0000000000000u);
}

// ln of u in [2^-52, 1].
inline vec log_fraction(vec u) {
  // u = 2^e m with m in [sqrt(1/2), sqrt(2)).
  const mask shifted = (mask)u - 0x3fe6a09e667f3bcd;
  const mask e = shifted >> 52;
  const vec m = (vec)((mask)u - (e << 52));
  // |e| < 2^51: added to the bits of 1.5 * 2^52 it is that number plus e.
  const vec exponent = (vec)(e + 0x4338000000000000) - splat(0x1.8p52);
  const vec f = m - splat(1), s = f / (splat(2) + f), z = s * s, half = splat(0.5) * f * f;
  vec r = splat(1.479819860511658591e-01);
  r = fma(r, z, splat(1.531383769920937332e-01));
  r = fma(r, z, splat(1.818357216161805012e-01));
  r = fma(r, z, splat(2.222219843214978396e-01));
  r = fma(r, z, splat(2.857142874366239149e-01));
  r = fma(r, z, splat(3.999999999940941908e-01));
  r = fma(r, z, splat(6.666666666666735130e-01)) * z;
  const vec low = fma(s, half + r, exponent * splat(1.90821492927058770002e-10));
  return fma(exponent, splat(6.93147180369123816490e-01), f - (half - low));
}

// cos and sin of 2 pi v, |v| below 2^49.
inline void circle(vec v, vec& cosine, vec& sine) {
  // The nearest quarter turn: added to 1.5 * 2^52, its number is in the low bits.
  const vec turned = fma(splat(4), v, splat(0x1.8p52));
  const mask quarter = (mask)turned & 3;
  const vec t = splat(6.283185307179586476925) * fnma(splat(0.25), turned - splat(0x1.8p52), v), z = t * t;
  vec s = splat(1.58969099521155010221e-10);
  s = fma(s, z, splat(-2.50507602534068634195e-08));
  s = fma(s, z, splat(2.75573137070700676789e-06));
  s = fma(s, z, splat(-1.98412698298579493134e-04));
  s = fma(s, z, splat(8.33333333332248946124e-03));
  s = fma(s, z, splat(-1.66666666666666324348e-01));
  s = fma(s * z, t, t);
  vec c = splat(-1.13596475577881948265e-11);
  c = fma(c, z, splat(2.08757232129817482790e-09));
  c = fma(c, z, splat(-2.75573143513906633035e-07));
  c = fma(c, z, splat(2.48015872894767294178e-05));
  c = fma(c, z, splat(-1.38888888888741095749e-03));
  c = fma(c, z, splat(4.16666666666666019037e-02));
  c = fma(c * z, z, fnma(splat(0.5), z, splat(1)));
  const mask odd = -(quarter & 1);
  const vec x = select(odd, s, c), y = select(odd, c, s);
  // cos is negative in quarters 1 and 2, sin in 2 and 3.
  cosine = (vec)((mask)x ^ (((quarter + 1) & 2) << 62));
  sine = (vec)((mask)y ^ ((quarter & 2) << 62));
}

inline void cosines(double scale, const double* phases, double* values, std::size_t count) {
  const auto of = [scale](vec along) {
    vec cosine, sine;
    circle(splat(0.15915494309189533577) * along, cosine, sine);
    return splat(scale) * cosine;
  };
  std::size_t i = 0;
  for (; i + LANES <= count; i += LANES) store(values + i, of(load(values + i) + load(phases + i)));
  if (i == count) return;
  vec rest{};
  for (std::size_t l = 0; l < count - i; ++l) rest[l] = values[i + l] + phases[i + l];
  rest = of(rest);
  for (std::size_t l = 0; l < count - i; ++l) values[i + l] = rest[l];
}

// out[2 i] = even[i], out[2 i + 1] = odd[i].
inline void interleave(double* out, vec even, vec odd) {
  for (std::size_t l = 0; l < LANES; ++l) {
    out[2 * l] = even[l];
    out[2 * l + 1] = odd[l];
  }
}

// Elements 2 block .. of LANES consecutive blocks: (2 LANES).
inline void normals_of(double* out, const Words& x) {
  const vec u = splat(2) - one_to_two(x.x1, x.x0), v = one_to_two(x.x3, x.x2) - splat(1);
  const vec radius = sqrt(splat(-2) * log_fraction(u));
  vec cosine, sine;
  circle(v, cosine, sine);
  interleave(out, radius * cosine, radius * sine);
}

// ---- f32 ----

constexpr std::size_t FLOATS = 2 * LANES;
typedef std::int32_t maskf __attribute__((vector_size(sizeof(vecf))));
typedef std::uint32_t wordf __attribute__((vector_size(sizeof(vecf))));

inline vecf float_of(maskf a) { return __builtin_convertvector(a, vecf); }

// sqrt(-2 ln u) for u in (0, 1].
inline vecf radius_of(vecf u) {
  const maskf shifted = (maskf)u - 0x3f3504f3, e = shifted >> 23;
  const vecf f =
      (vecf)((maskf)u - (e << 23)) - splat_of(1.0f);  // u = 2^e (1 + f), 1 + f in [sqrt(1/2), sqrt(2))
  vecf r = splat_of(-0.0763443f);
  r = fma(r, f, splat_of(0.1276155f));
  r = fma(r, f, splat_of(-0.13160194f));
  r = fma(r, f, splat_of(0.14201762f));
  r = fma(r, f, splat_of(-0.16623357f));
  r = fma(r, f, splat_of(0.20001227f));
  r = fma(r, f, splat_of(-0.25000823f));
  r = fma(r, f, splat_of(0.3333333f));
  r = fma(f * f, fma(r, f, splat_of(-0.5f)), f);
  return sqrt(splat_of(-2.0f) * fma(float_of(e), splat_of(0.6931472f), r));
}

// cos and sin of 2 pi x / 2^32.
inline void circle(wordf x, vecf& cosine, vecf& sine) {
  // The nearest quarter turn, a multiple of 2^30, and w quarter turns beyond it, |w| <= 1/2.
  const maskf beyond = (maskf)(x << 2) >> 2;
  const wordf turned = x - (wordf)beyond;
  const vecf w = float_of(beyond) * splat_of(0x1p-30f), z = w * w;
  vecf s = splat_of(-0.0046053096f);
  s = fma(s, z, splat_of(0.079681575f));
  s = fma(s, z, splat_of(-0.64596367f));
  s = fma(s, z, splat_of(-4.371139e-08f));  // pi / 2 in two parts
  s = fma(w, splat_of(1.5707964f), w * s);
  vecf c = splat_of(0.0009040216f);
  c = fma(c, z, splat_of(-0.020860288f));
  c = fma(c, z, splat_of(0.25366923f));
  c = fma(c, z, splat_of(-1.2337005f));
  c = fma(c, z, splat_of(1.0f));
  const maskf odd = (maskf)(turned << 1) >> 31;
  const wordf sign = wordf{} + 0x80000000u;
  // cos is negative in quarters 1 and 2, sin in 2 and 3.
  cosine = (vecf)((((wordf)s & (wordf)odd) | ((wordf)c & ~(wordf)odd)) ^ ((turned ^ (turned << 1)) & sign));
  sine = (vecf)((((wordf)c & (wordf)odd) | ((wordf)s & ~(wordf)odd)) ^ (turned & sign));
}

inline void interleave(float* out, vecf even, vecf odd) {
  for (std::size_t l = 0; l < FLOATS; ++l) {
    out[2 * l] = even[l];
    out[2 * l + 1] = odd[l];
  }
}

// Elements 4 block .. of LANES consecutive blocks: (4 LANES).
inline void normals_of(float* out, const Words& x) {
  const veci low = veci{} + 0xffffffffu;
  const wordf us = (wordf)((x.x0 & low) | (x.x2 << 32)), vs = (wordf)((x.x1 & low) | (x.x3 << 32));
  const vecf u = fma(float_of((maskf)(us >> 1)), splat_of(0x1p-31f), splat_of(0x1p-32f));
  vecf cosine, sine;
  circle(vs, cosine, sine);
  const vecf radius = radius_of(u);
  interleave(out, radius * cosine, radius * sine);
}

template <class T>
inline void normal_blocks(T* out, const Stream& stream, std::uint64_t block) {
  Words x[PAIR];
  philox(block, stream, x);
  for (std::size_t i = 0; i < PAIR; ++i) normals_of(out + i * LANES * 16 / sizeof(T), x[i]);
}

// Elements first .. first + count of a stream: see kernels.h.
template <class T>
static void normals(T* out, std::uint64_t seed, std::uint64_t number, std::uint64_t first,
                    std::size_t count) {
  constexpr std::size_t each = 16 / sizeof(T),
                        width = each * LANES * PAIR;  // elements of one block, and of LANES
  const Stream stream(seed, number);
  T edge[width];
  std::uint64_t block = first / each;
  std::size_t skip = first % each, done = 0;
  while (done < count) {
    if (skip == 0 && count - done >= width) {
      normal_blocks(out + done, stream, block);
      done += width;
    } else {
      normal_blocks(edge, stream, block);
      for (std::size_t i = skip; i < width && done < count; ++i) out[done++] = edge[i];
      skip = 0;
    }
    block += LANES * PAIR;
  }
}

// Long arrays of random numbers, drawn by index: element i of the stream (seed, stream) depends on nothing
// else, so that any split of a range has the same bits.
//
// A block of Philox4x32-10 (Salmon et al., SC 2011: key = seed, counter = (block, stream)) gives words
// x0..x3. Of each 64-bit pair the upper 52 bits are a fraction: u = 1 - (x1:x0) in (0, 1], v = (x3:x2) in [0,
// 1). Box-Muller makes elements 2 block and 2 block + 1 of them: sqrt(-2 ln u) cos(2 pi v) and sqrt(-2 ln u)
// sin(2 pi v). ln, cos and sin are polynomials here (below one unit in the last place off, coefficients of
// fdlibm), because a library's differ from machine to machine.

struct Words {
  veci x0, x1, x2, x3;  // 32 bits each, in the low half of a lane
};

inline veci low32(veci a) { return a & 0xffffffffu; }

inline Words philox(veci block, std::uint64_t stream, std::uint64_t seed) {
  Words x{low32(block), block >> 32, veci{} + (stream & 0xffffffffu), veci{} + (stream >> 32)};
  std::uint32_t k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
  const veci m0 = veci{} + 0xD2511F53u, m1 = veci{} + 0xCD9E8D57u;
  for (int round = 0; round < 10; ++round) {
    const veci p0 = mul32(m0, x.x0), p1 = mul32(m1, x.x2);
    x = {(p1 >> 32) ^ x.x1 ^ k0, low32(p1), (p0 >> 32) ^ x.x3 ^ k1, low32(p0)};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return x;
}

// The upper 52 bits of hi:lo as 1 plus a fraction.
inline vec one_to_two(veci hi, veci lo) { return (vec)(((hi << 20) | (lo >> 12)) | 0x3ff0000000000000u); }

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

// cos and sin of 2 pi v for v in [0, 1).
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

// Elements 2 block .. of LANES consecutive blocks: (2 LANES).
inline void normal_blocks(double* out, std::uint64_t seed, std::uint64_t stream, std::uint64_t block) {
  veci index = veci{} + block;
  for (std::size_t l = 0; l < LANES; ++l) index[l] += l;
  const Words x = philox(index, stream, seed);
  const vec u = splat(2) - one_to_two(x.x1, x.x0), v = one_to_two(x.x3, x.x2) - splat(1);
  const vec radius = sqrt(splat(-2) * log_fraction(u));
  vec cosine, sine;
  circle(v, cosine, sine);
  const vec even = radius * cosine, odd = radius * sine;
  for (std::size_t l = 0; l < LANES; ++l) {
    out[2 * l] = even[l];
    out[2 * l + 1] = odd[l];
  }
}

static void normals(double* out, std::uint64_t seed, std::uint64_t stream, std::uint64_t first,
                    std::size_t count) {
  constexpr std::size_t width = 2 * LANES;
  double edge[width];
  std::uint64_t block = first / 2;
  std::size_t skip = first % 2, done = 0;
  while (done < count) {
    if (skip == 0 && count - done >= width) {
      normal_blocks(out + done, seed, stream, block);
      done += width;
    } else {
      normal_blocks(edge, seed, stream, block);
      for (std::size_t i = skip; i < width && done < count; ++i) out[done++] = edge[i];
      skip = 0;
    }
    block += LANES;
  }
}

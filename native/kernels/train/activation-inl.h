// Activations of hidden layers, with their derivatives. In f32 to a few units of rounding (erf to 1.5e-7
// absolute: Abramowitz and Stegun, 7.1.26); in f64, which only checks of gradients use, by the C library.

inline vecf chosen(maskf m, vecf a, vecf b) { return (vecf)(((maskf)a & m) | ((maskf)b & ~m)); }

// e^x for x <= 88, 0 below -87.
inline vecf exp_of(vecf x) {
  const vecf least = splat_of(-87.0f);
  const maskf tiny = (maskf)(x < least);
  x = chosen(tiny, least, x);
  // x = n ln 2 + r, n whole: added to 1.5 * 2^23 it is in the low bits.
  const vecf turned = fma(x, splat_of(1.44269504f), splat_of(0x1.8p23f));
  const vecf n = turned - splat_of(0x1.8p23f);
  const vecf r = fma(n, splat_of(0.000212194440f), fma(n, splat_of(-0.693359375f), x));
  vecf p = splat_of(0.00019875691500f);
  p = fma(p, r, splat_of(0.0013981999507f));
  p = fma(p, r, splat_of(0.0083334519073f));
  p = fma(p, r, splat_of(0.041665795894f));
  p = fma(p, r, splat_of(0.16666665459f));
  p = fma(p, r, splat_of(0.50000001201f));
  p = fma(p * r, r, r + splat_of(1.0f));
  const vecf scaled = (vecf)((maskf)p + (((maskf)turned) << 23));
  return chosen(tiny, vecf{}, scaled);
}

// x Phi(x) and its derivative Phi(x) + x phi(x).
inline vecf gelu(vecf x, vecf& slope) {
  const vecf size = (vecf)((maskf)x & 0x7fffffff);
  const vecf e = exp_of(splat_of(-0.5f) * x * x);
  const vecf t = splat_of(1.0f) / fma(size, splat_of(0.23164189f), splat_of(1.0f));
  vecf tail = splat_of(0.5307027145f);
  tail = fma(tail, t, splat_of(-0.7265760135f));
  tail = fma(tail, t, splat_of(0.7107068705f));
  tail = fma(tail, t, splat_of(-0.142248368f));
  tail = fma(tail, t, splat_of(0.127414796f)) * t * e;
  const vecf below = chosen((maskf)(x < vecf{}), tail, splat_of(1.0f) - tail);
  slope = fma(splat_of(0.39894228f) * x, e, below);
  return x * below;
}
inline vec gelu(vec x, vec& slope) {
  vec value;
  for (std::size_t l = 0; l < LANES; ++l) {
    const double below = 0.5 * (1 + __builtin_erf(x[l] * 0.70710678118654752440));
    slope[l] = below + x[l] * __builtin_exp(-0.5 * x[l] * x[l]) * 0.39894228040143267794;
    value[l] = x[l] * below;
  }
  return value;
}

inline vecf tanh_of(vecf x) {
  const vecf size = (vecf)((maskf)x & 0x7fffffff);
  const vecf t = exp_of(splat_of(-2.0f) * size);
  // Near 0 the difference would lose digits: the odd series there.
  const vecf z = x * x;
  vecf s = splat_of(-0.0218694885f);
  s = fma(s, z, splat_of(0.0539682540f));
  s = fma(s, z, splat_of(-0.133333333f));
  s = fma(s, z, splat_of(0.333333333f));
  s = fma(-(z * x), s, x);
  const vecf far = (splat_of(1.0f) - t) / (splat_of(1.0f) + t);
  const vecf with_sign = (vecf)((maskf)far | ((maskf)x & (maskf)splat_of(-0.0f)));
  return chosen((maskf)(size < splat_of(0.2f)), s, with_sign);
}
inline vec tanh_of(vec x) {
  for (std::size_t l = 0; l < LANES; ++l) x[l] = __builtin_tanh(x[l]);
  return x;
}
inline vecf positive(vecf x) { return chosen((maskf)(x > vecf{}), x, vecf{}); }
inline vec positive(vec x) { return select((mask)(x > vec{}), x, vec{}); }
inline vecf where_positive(vecf y, vecf x) { return chosen((maskf)(y > vecf{}), x, vecf{}); }
inline vec where_positive(vec y, vec x) { return select((mask)(y > vec{}), x, vec{}); }

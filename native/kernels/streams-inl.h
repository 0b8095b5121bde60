static void philox(std::uint32_t c[4], std::uint32_t k0, std::uint32_t k1) {
  for (int r = 0; r < 10; ++r) {
    const std::uint64_t p0 = 0xD2511F53ull * c[0], p1 = 0xCD9E8D57ull * c[2];
    const std::uint32_t n0 = static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ k0, n1 = static_cast<std::uint32_t>(p1);
    const std::uint32_t n2 = static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ k1, n3 = static_cast<std::uint32_t>(p0);
    c[0] = n0; c[1] = n1; c[2] = n2; c[3] = n3;
    k0 += 0x9E3779B9u; k1 += 0xBB67AE85u;
  }
}
static double normal_at(std::uint64_t seed, std::uint64_t stream, std::uint64_t i) {
  const std::uint64_t block = i >> 1;
  std::uint32_t c[4] = {static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32), static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32)};
  philox(c, static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32));
  const std::uint64_t a = c[0] | (static_cast<std::uint64_t>(c[1]) << 32), b = c[2] | (static_cast<std::uint64_t>(c[3]) << 32);
  const double u = (static_cast<double>(a >> 11) + 1) * 0x1p-53, v = static_cast<double>(b >> 11) * 0x1p-53;
  const double r = __builtin_sqrt(-2 * __builtin_log(u)), t = 6.283185307179586476925 * v;
  return i & 1 ? r * __builtin_sin(t) : r * __builtin_cos(t);
}
static void normals(double* out, std::uint64_t seed, std::uint64_t stream, std::uint64_t first, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) out[i] = normal_at(seed, stream, first + i);
}
static void normals_f32(float* out, std::uint64_t seed, std::uint64_t stream, std::uint64_t first, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<float>(normal_at(seed, stream, first + i));
}

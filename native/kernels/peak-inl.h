// The most that this CPU gives: fma on numbers that never leave the registers. Kernels are held against it.
constexpr std::size_t PEAK_CHAINS =
    12;  // independent: more than latency times fma per cycle; fits 16 registers

// rounds of one fma on each chain. sum keeps the work from being left out. Returns the floating-point
// operations.
static double fma_peak(std::size_t rounds, double* sum) {
  vec chain[PEAK_CHAINS];
  for (std::size_t c = 0; c < PEAK_CHAINS; ++c) chain[c] = splat(static_cast<double>(c));
  vec factor = splat(0.999), term = splat(0.001);
  for (std::size_t r = 0; r < rounds; ++r)
    for (std::size_t c = 0; c < PEAK_CHAINS; ++c) chain[c] = fma(chain[c], factor, term);
  vec all = chain[0];
  for (std::size_t c = 1; c < PEAK_CHAINS; ++c) all += chain[c];
  *sum = 0;
  for (std::size_t l = 0; l < LANES; ++l) *sum += all[l];
  return 2.0 * static_cast<double>(rounds * PEAK_CHAINS * LANES);
}

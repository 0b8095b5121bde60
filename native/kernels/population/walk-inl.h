// The latents of one problem in their order.
#pragma once
#include "kernels/population/spectrum-inl.h"

// The latents of one lane in descending order, a coordinate of the complement after the other.
struct Walk {
  const Spectrum& spectrum;
  std::size_t lane, ne;
  double multiplicity;
  std::size_t row = 0;  // rows taken
  double picked = 0;    // coordinates of the complement taken
  double still = 0;     // of them left of the row at hand

  double lambda(std::size_t i) const { return spectrum.lambda[i * LANES + lane]; }
  bool kept(std::size_t i) const { return spectrum.kept[i * LANES + lane] != 0; }
  bool complement(std::size_t i) const { return spectrum.complement[i * LANES + lane] != 0; }
  double times(std::size_t i) const { return complement(i) ? multiplicity : 1; }
  // Beyond the rank: rounding.
  double value_of(std::size_t i) const { return kept(i) || complement(i) ? lambda(i) : 0; }
  double next() const { return still > 0 ? value_of(row - 1) : row < ne ? value_of(row) : 0; }
  bool next_is_complement() const { return still > 0 || (row < ne && complement(row)); }
  void take() {
    if (still == 0 && row < ne) {
      if (complement(row)) still = multiplicity;
      ++row;
    }
    if (still > 0) {
      still -= 1;
      picked += 1;
    }
  }
  // Rows taken of those that the encoder and the sums over latents have.
  std::size_t latents() const { return row < spectrum.rows ? row : spectrum.rows; }
  // The eigenvalues that are left and `rest`, what no latent explains, smallest first.
  double tail(double rest) const {
    double sum = rest + still * (still > 0 ? lambda(row - 1) : 0);
    for (std::size_t i = ne; i-- > row;) {
      const double value = lambda(i);
      sum += value > 0 ? times(i) * value : 0;
    }
    return sum;
  }
};

#include "core/sampling.h"

#include <algorithm>
#include <cmath>

#include "core/matrix.h"
#include "core/pool.h"

namespace exo {
namespace {

// Rows drawn together. Blocks begin at multiples of it in the whole sequence of transitions, not in the
// batch: every row is then computed in a block of the same size at the same place, and its bits do not depend
// on the batch.
constexpr std::size_t BLOCK = 256;

class Rows {
 public:
  Rows(const Kernels& kernels, const SampleBatch& batch, std::uint64_t first)
      : k_(kernels), b_(batch), first_(first) {}

  void draw(std::size_t begin, std::size_t end) {  // rows of the block that the batch wants
    const std::size_t ds = b_.endogenous_dim, dx = b_.exogenous_dim, da = b_.action_dim;
    const Matrix s = source(SOURCE_S, ds), x = source(SOURCE_X, dx), u = source(SOURCE_U, da);
    Matrix a(BLOCK, da);
    const double policy = parameter(POLICY_NOISE);
    for (std::size_t i = 0; i < a.a.size(); ++i) a.a[i] = policy * u.a[i];
    feed_back(a, s, b_.state_feedback, parameter(STATE_FEEDBACK));
    feed_back(a, x, b_.exogenous_feedback, parameter(EXOGENOUS_FEEDBACK));

    Matrix s_next(BLOCK, ds);
    k_.gemm(false, true, BLOCK, ds, da, parameter(ACTION_SCALE), a.data(), da, b_.action_effect, da, 0,
            s_next.data(), ds);
    add(s_next, s, parameter(ENDOGENOUS_DECAY));
    if (parameter(PROCESS_NOISE) != 0) add(s_next, source(SOURCE_WS, ds), parameter(PROCESS_NOISE));
    // w_x keeps unit variance: coordinate i < da shares `rho` of u_i.
    const double rho = parameter(ACTION_EXOGENOUS_CORRELATION), kappa = parameter(EXOGENOUS_SCALE);
    Matrix w = source(SOURCE_WX, dx);
    if (rho != 0)
      for (std::size_t r = 0; r < BLOCK; ++r)
        for (std::size_t i = 0; i < std::min(da, dx); ++i)
          w.at(r, i) = rho * u.at(r, i) + std::sqrt(1 - rho * rho) * w.at(r, i);
    Matrix x_next(BLOCK, dx);
    add(x_next, x, parameter(EXOGENOUS_DECAY));
    add(x_next, w, kappa);

    keep(a, b_.action, begin, end);
    keep(s, b_.endogenous, begin, end);
    keep(s_next, b_.endogenous_next, begin, end);
    keep(x, b_.exogenous, begin, end);
    keep(x_next, b_.exogenous_next, begin, end);
    observe(s, x, SOURCE_NOISE, b_.observation, begin, end);
    observe(s_next, x_next, SOURCE_NOISE_NEXT, b_.observation_next, begin, end);
    if (!b_.pair) return;
    const Matrix x2 = source(SOURCE_X2, dx);
    Matrix x2_next(BLOCK, dx);
    add(x2_next, x2, parameter(EXOGENOUS_DECAY));
    add(x2_next, source(SOURCE_WX2, dx), kappa);
    observe(s, x2, SOURCE_PAIR_NOISE, b_.pair_observation, begin, end);
    observe(s_next, x2_next, SOURCE_PAIR_NOISE_NEXT, b_.pair_observation_next, begin, end);
  }

 private:
  double parameter(Parameter p) const { return b_.parameters[p]; }

  Matrix source(SourceStream stream, std::size_t width) const {
    Matrix m(BLOCK, width);
    k_.normals(m.data(), b_.seed, stream, first_ * width, m.a.size());
    return m;
  }

  static void add(Matrix& to, const Matrix& from, double factor) {
    for (std::size_t i = 0; i < to.a.size(); ++i) to.a[i] += factor * from.a[i];
  }

  void feed_back(Matrix& a, const Matrix& state, const double* gain, double factor) const {
    if (factor == 0) return;
    k_.gemm(false, true, BLOCK, a.cols, state.cols, factor, state.data(), state.cols, gain, state.cols, 1,
            a.data(), a.cols);
  }

  void keep(const Matrix& from, double* to, std::size_t begin, std::size_t end) const {
    const std::size_t row = static_cast<std::size_t>(first_ + begin - b_.first);
    std::copy(from.row(begin), from.row(begin) + (end - begin) * from.cols, to + row * from.cols);
  }

  // Straight into the answer where it wants the whole block, so that large observations are written once.
  void observe(const Matrix& s, const Matrix& x, SourceStream noise, double* to, std::size_t begin,
               std::size_t end) {
    const std::size_t d = b_.observation_dim, ds = s.cols, n = ds + x.cols;
    Matrix state(BLOCK, n);
    for (std::size_t r = 0; r < BLOCK; ++r) {
      std::copy(s.row(r), s.row(r) + ds, state.row(r));
      std::copy(x.row(r), x.row(r) + x.cols, state.row(r) + ds);
    }
    const bool whole = begin == 0 && end == BLOCK;
    Matrix own(whole ? 0 : BLOCK, d);
    double* out = whole ? to + static_cast<std::size_t>(first_ - b_.first) * d : own.data();
    k_.gemm(false, true, BLOCK, d, n, 1, state.data(), n, b_.mixing, n, 0, out, d);
    if (const double eta = parameter(SENSOR_NOISE); eta != 0) {
      const Matrix e = source(noise, d);
      for (std::size_t i = 0; i < e.a.size(); ++i) out[i] += eta * e.a[i];
    }
    if (!whole) keep(own, to, begin, end);
  }

  const Kernels& k_;
  const SampleBatch& b_;
  std::uint64_t first_;
};

}  // namespace

void sample(const Kernels& kernels, const SampleBatch& batch, Job& job) {
  const std::uint64_t from = batch.first / BLOCK, to = (batch.first + batch.count + BLOCK - 1) / BLOCK;
  job.expect(static_cast<std::size_t>(to - from));
  parallel_for(job, static_cast<std::size_t>(to - from), [&](std::size_t index, std::size_t) {
    const std::uint64_t first = (from + index) * BLOCK, last = batch.first + batch.count;
    const std::size_t begin = static_cast<std::size_t>(std::max(first, batch.first) - first);
    const std::size_t end = static_cast<std::size_t>(std::min<std::uint64_t>(first + BLOCK, last) - first);
    Rows(kernels, batch, first).draw(begin, end);
  });
}

}  // namespace exo

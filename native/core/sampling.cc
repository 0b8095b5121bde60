#include "core/sampling.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "core/memory.h"
#include "core/pool.h"

namespace exo {
namespace {

// Rows drawn together. Every element is a chain of operations on its own row, so that its bits depend neither
// on this number nor on the batch.
constexpr std::size_t ROWS = 256;
// Numbers of an observation drawn and mixed together: sensor noise is in the first cache when it is added.
constexpr std::size_t CACHED = 2048;

using Numbers = std::vector<double>;

void normals(const Kernels& k, double* out, std::uint64_t seed, std::uint64_t stream, std::uint64_t first,
             std::size_t count) {
  k.normals(out, seed, stream, first, count);
}
void normals(const Kernels& k, float* out, std::uint64_t seed, std::uint64_t stream, std::uint64_t first,
             std::size_t count) {
  k.normals_f32(out, seed, stream, first, count);
}
constexpr auto mix_of(const Kernels& k, double) { return k.mix; }
constexpr auto mix_of(const Kernels& k, float) { return k.mix_f32; }

// The same numbers as T, in `copy` where they have to be converted.
const double* as(const double* from, std::size_t, std::vector<double>&) { return from; }
const float* as(const double* from, std::size_t count, std::vector<float>& copy) {
  copy.assign(from, from + count);
  return copy.data();
}

void add(double* to, std::size_t count, double factor, const double* from) {
  for (std::size_t i = 0; i < count; ++i) to[i] += factor * from[i];
}

// The mixing matrix as Kernels::mix reads it.
template <class T>
std::vector<T> packed(const Kernels& kernels, const double* mixing, std::size_t width, std::size_t n) {
  const std::size_t lanes = kernels.lanes * sizeof(double) / sizeof(T);
  std::vector<T> to((width + lanes - 1) / lanes * lanes * n);
  for (std::size_t i = 0; i < width; ++i)
    for (std::size_t p = 0; p < n; ++p)
      to[(i / lanes * n + p) * lanes + i % lanes] = static_cast<T>(mixing[i * n + p]);
  return to;
}

template <class T>
class Sampler {
 public:
  Sampler(const Kernels& kernels, const SampleBatch<T>& batch)
      : k_(kernels),
        b_(batch),
        view_(view_of(kernels, batch.view)),
        mixing_(view_ ? std::vector<T>{}
                      : packed<T>(kernels, batch.mixing, batch.observation_dim,
                                  batch.endogenous_dim + batch.exogenous_dim)) {}

  // Memory of one worker.
  struct Scratch {
    Numbers u, w, x2, x2_next;
    std::vector<T> s, x;
    std::vector<float> shown;
  };

  // States are drawn where the answer wants them, rows [begin, end) of the batch; then what follows from
  // them.
  void draw(std::size_t begin, std::size_t end, Scratch& scratch) const {
    const std::size_t ds = b_.endogenous_dim, dx = b_.exogenous_dim, da = b_.action_dim, rows = end - begin;
    double *s = b_.endogenous + begin * ds, *s_next = b_.endogenous_next + begin * ds;
    double *x = b_.exogenous + begin * dx, *x_next = b_.exogenous_next + begin * dx;
    double* a = b_.action + begin * da;
    normals(SOURCE_S, begin, rows, ds, s);
    if (view_) view_->start(s, rows, ds, View::Of::ENDOGENOUS);
    normals(SOURCE_X, begin, rows, dx, x);
    start(x, rows * dx);
    const double* u = source(SOURCE_U, begin, rows, da, scratch.u);

    const double policy = parameter(POLICY_NOISE);
    for (std::size_t i = 0; i < rows * da; ++i) a[i] = policy * u[i];
    feed_back(a, rows, s, ds, b_.state_feedback, parameter(STATE_FEEDBACK));
    feed_back(a, rows, x, dx, b_.exogenous_feedback, parameter(EXOGENOUS_FEEDBACK));
    k_.gemm(false, true, rows, ds, da, parameter(ACTION_SCALE), a, da, b_.action_effect, da, 0, s_next, ds);
    add(s_next, rows * ds, parameter(ENDOGENOUS_DECAY), s);
    if (const double noise = parameter(PROCESS_NOISE); noise != 0)
      add(s_next, rows * ds, noise, source(SOURCE_WS, begin, rows, ds, scratch.w));

    // w_x keeps unit variance: coordinate i < da shares `rho` of u_i.
    double* w = source(SOURCE_WX, begin, rows, dx, scratch.w);
    if (const double rho = parameter(ACTION_EXOGENOUS_CORRELATION); rho != 0)
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t i = 0; i < std::min(da, dx); ++i)
          w[r * dx + i] = rho * u[r * da + i] + std::sqrt(1 - rho * rho) * w[r * dx + i];
    advance(x_next, rows * dx, x, w);

    observe(begin, rows, s, x, SOURCE_NOISE, b_.observation, scratch);
    observe(begin, rows, s_next, x_next, SOURCE_NOISE_NEXT, b_.observation_next, scratch);
    if (!b_.pair) return;
    double* x2 = source(SOURCE_X2, begin, rows, dx, scratch.x2);
    start(x2, rows * dx);
    scratch.x2_next.resize(rows * dx);
    advance(scratch.x2_next.data(), rows * dx, x2, source(SOURCE_WX2, begin, rows, dx, scratch.w));
    observe(begin, rows, s, x2, SOURCE_PAIR_NOISE, b_.pair_observation, scratch);
    observe(begin, rows, s_next, scratch.x2_next.data(), SOURCE_PAIR_NOISE_NEXT, b_.pair_observation_next,
            scratch);
  }

 private:
  double parameter(Parameter p) const { return b_.parameters[p]; }

  void normals(SourceStream stream, std::size_t begin, std::size_t rows, std::size_t width,
               double* out) const {
    k_.normals(out, b_.seed, stream, (b_.first + begin) * width, rows * width);
  }

  double* source(SourceStream stream, std::size_t begin, std::size_t rows, std::size_t width,
                 Numbers& out) const {
    out.resize(rows * width);
    normals(stream, begin, rows, width, out.data());
    return out.data();
  }

  // x before the transition: draws of variance 1 at their scale.
  void start(double* x, std::size_t count) const {
    const double scale = parameter(EXOGENOUS_INITIAL_SCALE);
    for (std::size_t i = 0; i < count && scale != 1; ++i) x[i] *= scale;
    const std::size_t dx = b_.exogenous_dim;
    if (view_) view_->start(x, count / dx, dx, View::Of::EXOGENOUS);
  }

  void feed_back(double* a, std::size_t rows, const double* state, std::size_t width, const double* gain,
                 double factor) const {
    if (factor == 0) return;
    k_.gemm(false, true, rows, b_.action_dim, width, factor, state, width, gain, width, 1, a, b_.action_dim);
  }

  void advance(double* next, std::size_t count, const double* x, const double* w) const {
    const double decay = parameter(EXOGENOUS_DECAY), kappa = parameter(EXOGENOUS_SCALE);
    for (std::size_t i = 0; i < count; ++i) next[i] = decay * x[i] + kappa * w[i];
  }

  void observe(std::size_t begin, std::size_t rows, const double* s, const double* x, SourceStream noise,
               T* to, Scratch& scratch) const {
    if (view_) return look(begin, rows, s, x, noise, to, scratch);
    const std::size_t d = b_.observation_dim, ds = b_.endogenous_dim, dx = b_.exogenous_dim;
    const T *inner = as(s, rows * ds, scratch.s), *outer = as(x, rows * dx, scratch.x);
    const T eta = static_cast<T>(parameter(SENSOR_NOISE));
    const std::size_t part = eta == 0 ? rows : std::max<std::size_t>(8, CACHED / d / 8 * 8);
    for (std::size_t row = 0; row < rows; row += part) {
      const std::size_t count = std::min(part, rows - row);
      T* out = to + (begin + row) * d;
      if (eta != 0) exo::normals(k_, out, b_.seed, noise, (b_.first + begin + row) * d, count * d);
      mix_of(k_, T{})(count, d, mixing_.data(), inner + row * ds, ds, outer + row * dx, dx, eta, out);
    }
  }

  // The same through the view.
  void look(std::size_t begin, std::size_t rows, const double* s, const double* x, SourceStream noise, T* to,
            Scratch& scratch) const {
    const std::size_t d = b_.observation_dim, ds = b_.endogenous_dim, dx = b_.exogenous_dim;
    const auto eta = static_cast<float>(parameter(SENSOR_NOISE));
    scratch.shown.assign(s, s + rows * ds);
    scratch.shown.insert(scratch.shown.end(), x, x + rows * dx);
    scratch.shown.resize(rows * (ds + dx + d));
    const float *inner = scratch.shown.data(), *outer = inner + rows * ds;
    float* out = scratch.shown.data() + rows * (ds + dx);
    if (eta != 0) k_.normals_f32(out, b_.seed, noise, (b_.first + begin) * d, rows * d);
    view_->show(rows, inner, ds, outer, dx, eta, out);
    std::copy(out, out + rows * d, to + begin * d);
  }

  const Kernels& k_;
  const SampleBatch<T>& b_;
  const std::unique_ptr<View> view_;
  const std::vector<T> mixing_;
};

}  // namespace

template <class T>
void sample(const Kernels& kernels, const SampleBatch<T>& batch, Job& job) {
  prefer_large_pages(batch.observation, batch.count * batch.observation_dim * sizeof(T));
  prefer_large_pages(batch.observation_next, batch.count * batch.observation_dim * sizeof(T));
  const Sampler<T> sampler(kernels, batch);
  std::vector<typename Sampler<T>::Scratch> scratch(job.threads);
  const std::size_t tasks = (batch.count + ROWS - 1) / ROWS;
  job.expect(tasks);
  parallel_for(job, tasks, [&](std::size_t task, std::size_t worker) {
    sampler.draw(task * ROWS, std::min(batch.count, (task + 1) * ROWS), scratch[worker]);
  });
}
template void sample(const Kernels&, const SampleBatch<double>&, Job&);
template void sample(const Kernels&, const SampleBatch<float>&, Job&);

}  // namespace exo

#include "core/train/view-world.h"

#include <algorithm>
#include <cmath>

#include "core/population.h"

namespace exo {
namespace {

// Streams from SOURCE_STREAMS: those of the linear world's sources.
enum Stream : std::uint64_t { S, X, U, WS, WX, X2, WX2, NOISE, NOISE_NEXT, PAIR_NOISE, PAIR_NOISE_NEXT };
// Of the step after o' + h: so much times h further.
constexpr std::uint64_t LATER = 32;

// out (rows, n) += factor from (rows, m) gain^T, gain (n, m).
void add_product(std::size_t rows, const float* from, std::size_t m, const std::vector<float>& gain,
                 float factor, float* out) {
  if (factor == 0) return;
  const std::size_t n = gain.size() / m;
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t i = 0; i < n; ++i) {
      float sum = 0;
      for (std::size_t j = 0; j < m; ++j) sum += gain[i * m + j] * from[r * m + j];
      out[r * n + i] += factor * sum;
    }
}

}  // namespace

ViewWorld::ViewWorld(const Kernels& kernels, const ViewWorldSpec& spec)
    : d_(spec.observation_dim),
      ds_(spec.endogenous_dim),
      dx_(spec.exogenous_dim),
      da_(spec.action_dim),
      parameters_(spec.parameters, spec.parameters + PARAMETER_COUNT),
      action_effect_(spec.action_effect, spec.action_effect + ds_ * da_),
      state_feedback_(spec.state_feedback, spec.state_feedback + da_ * ds_),
      exogenous_feedback_(spec.exogenous_feedback, spec.exogenous_feedback + da_ * dx_),
      view_(view_of(kernels, spec.view)) {}

// What one call to fill() draws with.
struct ViewWorld::Drawing {
  const ViewWorld& w;
  const Kernels& k;
  std::uint64_t seed, first;
  std::size_t rows;

  float parameter(Parameter p) const { return w.parameters_[p]; }

  void draw(std::uint64_t stream, std::size_t width, float scale, float* out) const {
    k.normals_f32(out, seed, SOURCE_STREAMS + stream, first * width, rows * width);
    if (scale != 1)
      for (std::size_t i = 0; i < rows * width; ++i) out[i] *= scale;
  }

  void start(std::uint64_t stream, float* x) const {
    draw(stream, w.dx_, parameter(EXOGENOUS_INITIAL_SCALE), x);
    w.view_->start(x, rows, w.dx_, View::Of::EXOGENOUS);
  }

  void advance(float* x, const float* v) const {
    const float decay = parameter(EXOGENOUS_DECAY), scale = parameter(EXOGENOUS_SCALE);
    for (std::size_t i = 0; i < rows * w.dx_; ++i) x[i] = decay * x[i] + scale * v[i];
  }

  // Into columns `at` .. of rows of `width` numbers; `aside` has room for rows of d.
  void look(const float* s, const float* x, std::uint64_t noise, float* out, std::size_t at,
            std::size_t width, float* aside) const {
    const float eta = parameter(SENSOR_NOISE);
    float* to = width == w.d_ ? out : aside;
    if (eta != 0) draw(noise, w.d_, 1, to);
    w.view_->show(rows, s, w.ds_, x, w.dx_, eta, to);
    for (std::size_t r = 0; to == aside && r < rows; ++r)
      std::copy(to + r * w.d_, to + (r + 1) * w.d_, out + r * width + at);
  }

  // a from u, s and x; then s' in place of s.
  void act(const float* u, float* s, const float* x, std::uint64_t noise, float* a, float* w_s) const {
    const float policy = parameter(POLICY_NOISE), decay = parameter(ENDOGENOUS_DECAY),
                process = parameter(PROCESS_NOISE);
    for (std::size_t i = 0; i < rows * w.da_; ++i) a[i] = policy * u[i];
    add_product(rows, s, w.ds_, w.state_feedback_, parameter(STATE_FEEDBACK), a);
    add_product(rows, x, w.dx_, w.exogenous_feedback_, parameter(EXOGENOUS_FEEDBACK), a);
    for (std::size_t i = 0; i < rows * w.ds_; ++i) s[i] *= decay;
    if (process != 0) {
      draw(noise, w.ds_, process, w_s);
      for (std::size_t i = 0; i < rows * w.ds_; ++i) s[i] += w_s[i];
    }
    add_product(rows, a, w.da_, w.action_effect_, parameter(ACTION_SCALE), s);
  }

  // w_x, which shares a part of u.
  void innovate(std::uint64_t stream, const float* u, float* v) const {
    draw(stream, w.dx_, 1, v);
    const float rho = parameter(ACTION_EXOGENOUS_CORRELATION), rest = std::sqrt(1 - rho * rho);
    if (rho == 0) return;
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t i = 0; i < std::min(w.da_, w.dx_); ++i)
        v[r * w.dx_ + i] = rho * u[r * w.da_ + i] + rest * v[r * w.dx_ + i];
  }
};

void ViewWorld::fill(const Kernels& kernels, std::uint64_t seed, std::uint64_t first, const RowNeeds& needs,
                     const Rows& rows, std::vector<float>& scratch) const {
  const std::size_t n = rows.count;
  const Drawing drawing{*this, kernels, seed, first, n};
  scratch.resize(n * (2 * ds_ + 3 * dx_ + 2 * da_ + (needs.later ? d_ : 0)));
  float* next = scratch.data();
  const auto take = [&](std::size_t width) {
    float* begin = next;
    next += n * width;
    return begin;
  };
  float *s = take(ds_), *w_s = take(ds_), *x = take(dx_), *x2 = take(dx_), *v = take(dx_), *u = take(da_),
        *a = take(da_), *aside = take(needs.later ? d_ : 0);
  const auto keep = [&](float* to, const float* from, std::size_t width) {
    if (to) std::copy(from, from + n * width, to);
  };
  drawing.draw(S, ds_, 1, s);
  view_->start(s, n, ds_, View::Of::ENDOGENOUS);
  drawing.start(X, x);
  drawing.look(s, x, NOISE, rows.observation, 0, d_, aside);
  if (needs.pair) {
    drawing.start(X2, x2);
    drawing.look(s, x2, PAIR_NOISE, rows.pair_observation, 0, d_, aside);
  }
  keep(rows.endogenous, s, ds_);
  keep(rows.exogenous, x, dx_);
  for (std::size_t h = 0; h <= needs.later; ++h) {
    const auto at = [&](std::uint64_t stream) { return stream + LATER * h; };
    drawing.draw(at(U), da_, 1, u);
    drawing.act(u, s, x, at(WS), a, w_s);
    drawing.innovate(at(WX), u, v);
    drawing.advance(x, v);
    const std::size_t place = h ? (h - 1) * d_ : 0, width = h ? needs.later * d_ : d_;
    drawing.look(s, x, at(NOISE_NEXT), h ? rows.later : rows.observation_next, place, width, aside);
    if (needs.pair) {
      drawing.draw(at(WX2), dx_, 1, v);
      drawing.advance(x2, v);
      drawing.look(s, x2, at(PAIR_NOISE_NEXT), h ? rows.pair_later : rows.pair_observation_next, place, width,
                   aside);
    }
    if (h) continue;
    keep(rows.action, a, da_);
    keep(rows.endogenous_next, s, ds_);
    keep(rows.exogenous_next, x, dx_);
  }
}

}  // namespace exo

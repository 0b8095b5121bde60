#include "core/train/linear-world.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace exo {
namespace {

enum WorldStream : std::uint64_t {
  S = SOURCE_STREAMS,
  X,
  U,
  WS,
  WX,
  X2,
  WX2,
  NOISE,
  NOISE_NEXT,
  PAIR_NOISE,
  PAIR_NOISE_NEXT
};
// Between the streams of one step and those of the next.
constexpr std::uint64_t LATER = 32;

using Floats = std::vector<float>;

// Arrays one after another in one vector.
class Scratch {
 public:
  Scratch(Floats& memory, std::size_t size) : memory_(memory) {
    if (memory_.size() < size) memory_.resize(size);
  }
  float* take(std::size_t count) {
    float* at = memory_.data() + taken_;
    taken_ += (count + 15) / 16 * 16;
    return at;
  }
  static std::size_t size_of(std::initializer_list<std::size_t> counts) {
    std::size_t sum = 0;
    for (const std::size_t c : counts) sum += (c + 15) / 16 * 16;
    return sum;
  }

 private:
  Floats& memory_;
  std::size_t taken_ = 0;
};

// A matrix (rows, cols) as Kernels::mix_f32 reads it.
struct Mixing {
  Floats packed;
  std::size_t rows = 0, cols = 0;

  Mixing() = default;
  template <class Element>
  Mixing(const Kernels& k, std::size_t r, std::size_t c, Element element) : rows(r), cols(c) {
    const std::size_t lanes = 2 * k.lanes;
    packed.resize((rows + lanes - 1) / lanes * lanes * cols);
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t p = 0; p < cols; ++p)
        packed[(i / lanes * cols + p) * lanes + i % lanes] = static_cast<float>(element(i, p));
  }
};

class LinearWorld final : public BatchSource {
 public:
  LinearWorld(const Kernels& k, const LinearWorldSpec& s)
      : d_(s.observation_dim),
        ds_(s.endogenous_dim),
        dx_(s.exogenous_dim),
        da_(s.action_dim),
        square_(s.square_mixing) {
    std::copy_n(s.parameters, PARAMETER_COUNT, p_);
    const std::size_t n = ds_ + dx_;
    const auto es = [&](std::size_t i, std::size_t j) { return s.mixing[i * n + j]; };
    const auto ex = [&](std::size_t i, std::size_t j) { return s.mixing[i * n + ds_ + j]; };
    all_ = Mixing(k, d_, n, es);
    exogenous_ = Mixing(k, d_, dx_, ex);
    const auto moved = [&](std::size_t i, std::size_t a) {
      return p_[ACTION_SCALE] * s.action_effect[i * da_ + a];
    };
    move_ = Mixing(k, ds_, da_, moved);
    // In the coordinates of the observation: Es Ba, and Ks Es^T.
    std::vector<double> through(d_ * da_);
    for (std::size_t i = 0; i < d_ && square_; ++i)
      for (std::size_t j = 0; j < ds_; ++j)
        for (std::size_t a = 0; a < da_; ++a) through[i * da_ + a] += es(i, j) * moved(j, a);
    const auto seen = [&](std::size_t i, std::size_t a) { return through[i * da_ + a]; };
    if (square_) {
      seen_move_ = Mixing(k, d_, da_, seen);
      whole_step_ = Mixing(k, d_, da_ + dx_, [&](std::size_t i, std::size_t j) {
        return j < da_ ? seen(i, j) : ex(i, j - da_);
      });
      back_ = Mixing(k, ds_, d_, [&](std::size_t j, std::size_t i) { return es(i, j); });
    }
    const auto gain = [&](double factor, const double* matrix, std::size_t width) {
      if (factor == 0) return Mixing();
      return Mixing(k, da_, width,
                    [=](std::size_t a, std::size_t j) { return factor * matrix[a * width + j]; });
    };
    state_gain_ = gain(p_[STATE_FEEDBACK], s.state_feedback, ds_);
    exogenous_gain_ = gain(p_[EXOGENOUS_FEEDBACK], s.exogenous_feedback, dx_);
  }

  void fill(const Kernels& k, std::uint64_t seed, std::uint64_t first, const RowNeeds& needs, const Rows& to,
            std::vector<float>& memory) const override {
    const std::size_t n = to.count;
    Scratch scratch(memory, Scratch::size_of({n * d_, n * d_, n * ds_, n * ds_, n * dx_, n * dx_, n * dx_,
                                              n * da_, n * da_, n * std::max(ds_, d_), n * d_}));
    Drawing draw{k,
                 seed,
                 first,
                 n,
                 scratch.take(n * d_),
                 scratch.take(n * d_),
                 scratch.take(n * ds_),
                 scratch.take(n * ds_),
                 scratch.take(n * dx_),
                 scratch.take(n * dx_),
                 scratch.take(n * dx_),
                 scratch.take(n * da_),
                 scratch.take(n * da_),
                 scratch.take(n * std::max(ds_, d_)),
                 scratch.take(n * d_)};
    start(draw, needs, to);
    for (std::size_t h = 0; h <= needs.later; ++h) step(draw, needs, to, h);
  }

 private:
  // Rows that are being drawn: s, x, the pair's x, and, where Es is square, e = Es s.
  struct Drawing {
    const Kernels& k;
    std::uint64_t seed, first;
    std::size_t n;
    float *e1, *e2, *s, *s_next, *x, *x2, *w, *u, *a, *noise, *aside;
    float* e = e1;

    void normals(std::uint64_t stream, std::size_t width, float* out) const {
      k.normals_f32(out, seed, stream, first * width, n * width);
    }
    // out = mixing [left right] + keep out
    void mix(const Mixing& m, const float* left, std::size_t dl, const float* right, std::size_t dr,
             float keep, float* out) const {
      k.mix_f32(n, m.rows, m.packed.data(), left, dl, right, dr, keep, out);
    }
  };

  float parameter(Parameter p) const { return static_cast<float>(p_[p]); }
  bool has(Parameter p) const { return p_[p] != 0; }

  void start(Drawing& r, const RowNeeds& needs, const Rows& to) const {
    const std::size_t n = r.n;
    if (square_) {
      // Without anything added, e is o.
      const bool bare = !has(EXOGENOUS_INITIAL_SCALE) && !has(SENSOR_NOISE);
      if (bare) r.e = to.observation;
      r.normals(S, d_, r.e);
      if (needs.states || state_gain_.rows > 0) r.mix(back_, r.e, d_, nullptr, 0, 0, r.s);
    } else {
      r.normals(S, ds_, r.s);
    }
    initial(r, X, r.x);
    observe(r, r.s, r.e, r.x, NOISE, to.observation);
    if (needs.pair) {
      initial(r, X2, r.x2);
      observe(r, r.s, r.e, r.x2, PAIR_NOISE, to.pair_observation);
    }
    if (!needs.states) return;
    std::copy_n(r.s, n * ds_, to.endogenous);
    std::copy_n(r.x, n * dx_, to.exogenous);
  }

  void initial(const Drawing& r, std::uint64_t stream, float* x) const {
    if (!has(EXOGENOUS_INITIAL_SCALE)) {
      std::fill_n(x, r.n * dx_, 0.0f);
      return;
    }
    r.normals(stream, dx_, x);
    for (std::size_t i = 0; i < r.n * dx_; ++i) x[i] *= parameter(EXOGENOUS_INITIAL_SCALE);
  }

  // Es s + Ex x + noise
  void observe(const Drawing& r, const float* s, const float* e, const float* x, std::uint64_t noise,
               float* out) const {
    const float eta = parameter(SENSOR_NOISE);
    if (eta != 0) r.normals(noise, d_, out);
    if (!square_) return r.mix(all_, s, ds_, x, dx_, eta, out);
    if (eta != 0)
      for (std::size_t i = 0; i < r.n * d_; ++i) out[i] = e[i] + eta * out[i];
    else if (out != e)
      std::copy_n(e, r.n * d_, out);
    if (out != e) r.mix(exogenous_, x, dx_, nullptr, 0, 1, out);
  }

  void step(Drawing& r, const RowNeeds& needs, const Rows& to, std::size_t h) const {
    const auto stream = [&](std::uint64_t s) { return s + LATER * h; };
    const std::size_t n = r.n;
    r.normals(stream(U), da_, r.u);
    for (std::size_t i = 0; i < n * da_; ++i) r.a[i] = parameter(POLICY_NOISE) * r.u[i];
    if (state_gain_.rows > 0) r.mix(state_gain_, r.s, ds_, nullptr, 0, 1, r.a);
    if (exogenous_gain_.rows > 0) r.mix(exogenous_gain_, r.x, dx_, nullptr, 0, 1, r.a);

    r.normals(stream(WX), dx_, r.w);
    if (has(ACTION_EXOGENOUS_CORRELATION)) {
      const float rho = parameter(ACTION_EXOGENOUS_CORRELATION), rest = std::sqrt(1 - rho * rho);
      for (std::size_t row = 0; row < n; ++row)
        for (std::size_t i = 0; i < std::min(da_, dx_); ++i)
          r.w[row * dx_ + i] = rho * r.u[row * da_ + i] + rest * r.w[row * dx_ + i];
    }
    advance(r.x, r.w, n * dx_);
    if (needs.pair) {
      r.normals(stream(WX2), dx_, r.w);
      advance(r.x2, r.w, n * dx_);
    }
    // o' = decay e + Es Ba a + Ex x' in one go where nothing else is asked for.
    const bool last = h == needs.later;
    if (square_ && last && !needs.pair && !needs.states && !has(PROCESS_NOISE) && !has(SENSOR_NOISE) &&
        h == 0) {
      std::copy_n(r.e, n * d_, to.observation_next);
      r.mix(whole_step_, r.a, da_, r.x, dx_, parameter(ENDOGENOUS_DECAY), to.observation_next);
    } else {
      move(r, needs, stream(WS));
      observe_next(r, needs, to, h);
    }
    if (h > 0) return;
    if (to.action) std::copy_n(r.a, n * da_, to.action);
    if (!needs.states) return;
    std::copy_n(r.s, n * ds_, to.endogenous_next);
    std::copy_n(r.x, n * dx_, to.exogenous_next);
  }

  void advance(float* x, const float* w, std::size_t count) const {
    const float decay = parameter(EXOGENOUS_DECAY), scale = parameter(EXOGENOUS_SCALE);
    for (std::size_t i = 0; i < count; ++i) x[i] = decay * x[i] + scale * w[i];
  }

  // s and e after the action.
  void move(Drawing& r, const RowNeeds& needs, std::uint64_t noise) const {
    const std::size_t n = r.n, width = square_ ? d_ : ds_;
    float *from = square_ ? r.e : r.s, *to = square_ ? (r.e == r.e1 ? r.e2 : r.e1) : r.s_next;
    std::copy_n(from, n * width, to);
    r.mix(square_ ? seen_move_ : move_, r.a, da_, nullptr, 0, parameter(ENDOGENOUS_DECAY), to);
    if (has(PROCESS_NOISE)) {
      r.normals(noise, width, r.noise);
      for (std::size_t i = 0; i < n * width; ++i) to[i] += parameter(PROCESS_NOISE) * r.noise[i];
    }
    if (!square_) return std::swap(r.s, r.s_next);
    r.e = to;
    if (needs.states || state_gain_.rows > 0) r.mix(back_, r.e, d_, nullptr, 0, 0, r.s);
  }

  void observe_next(const Drawing& r, const RowNeeds& needs, const Rows& to, std::size_t h) const {
    const std::uint64_t own = NOISE_NEXT + LATER * h, pairs = PAIR_NOISE_NEXT + LATER * h;
    if (h == 0) {
      observe(r, r.s, r.e, r.x, own, to.observation_next);
      if (needs.pair) observe(r, r.s, r.e, r.x2, pairs, to.pair_observation_next);
      return;
    }
    // Rows of `later` observations: made aside, then put into their place.
    const auto place = [&](const float* x, std::uint64_t noise, float* rows) {
      observe(r, r.s, r.e, x, noise, r.aside);
      for (std::size_t row = 0; row < r.n; ++row)
        std::copy_n(r.aside + row * d_, d_, rows + (row * needs.later + h - 1) * d_);
    };
    place(r.x, own, to.later);
    if (needs.pair) place(r.x2, pairs, to.pair_later);
  }

  const std::size_t d_, ds_, dx_, da_;
  const bool square_;
  double p_[PARAMETER_COUNT];
  Mixing all_, exogenous_, move_, seen_move_, whole_step_, back_, state_gain_, exogenous_gain_;
};

}  // namespace

std::shared_ptr<const BatchSource> make_linear_world(const Kernels& kernels, const LinearWorldSpec& spec) {
  return std::make_shared<LinearWorld>(kernels, spec);
}

}  // namespace exo

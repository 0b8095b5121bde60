#include "core/view.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace exo {
namespace {

// tanh to a few units in the last place of f32: the quotient of polynomials that Eigen has too. A plain loop
// that compilers turn into vectors.
void tanh_all(float* x, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const float v = std::min(std::max(x[i], -7.90531110763549805f), 7.90531110763549805f), z = v * v;
    float p = -2.76076847742355e-16f;
    p = p * z + 2.00018790482477e-13f;
    p = p * z + -8.60467152213735e-11f;
    p = p * z + 5.12229709037114e-08f;
    p = p * z + 1.48572235717979e-05f;
    p = p * z + 6.37261928875436e-04f;
    p = p * z + 4.89352455891786e-03f;
    float q = 1.19825839466702e-06f;
    q = q * z + 1.18534705686654e-04f;
    q = q * z + 2.26843463243900e-03f;
    q = q * z + 4.89352518554385e-03f;
    x[i] = v * p / q;
  }
}

// Weights (out, in) as Kernels::mix_f32 reads them.
std::vector<float> packed(const Kernels& k, const float* weights, std::size_t out, std::size_t in) {
  const std::size_t lanes = 2 * k.lanes;
  std::vector<float> to((out + lanes - 1) / lanes * lanes * in);
  for (std::size_t i = 0; i < out; ++i)
    for (std::size_t p = 0; p < in; ++p) to[(i / lanes * in + p) * lanes + i % lanes] = weights[i * in + p];
  return to;
}

class MlpView : public View {
 public:
  MlpView(const Kernels& kernels, const ViewSpec& spec) : k_(kernels) {
    const float* weights = spec.numbers;
    for (std::size_t layer = 1; layer < spec.size_count; ++layer) {
      const auto out = static_cast<std::size_t>(spec.sizes[layer]);
      const std::size_t in =
          static_cast<std::size_t>(spec.sizes[layer - 1]) + (layer + 1 < spec.size_count ? 1 : 0);
      layers_.push_back({in, out, packed(kernels, weights, out, in)});
      weights += out * in;
    }
  }

  void show(std::size_t rows, const float* s, std::size_t ds, const float* x, std::size_t dx, float noise,
            float* out) const override {
    std::vector<float> states(rows * (ds + dx)), values;
    for (std::size_t r = 0; r < rows; ++r) {
      std::copy(s + r * ds, s + (r + 1) * ds, &states[r * (ds + dx)]);
      std::copy(x + r * dx, x + (r + 1) * dx, &states[r * (ds + dx) + ds]);
    }
    const std::vector<float> ones(rows, 1.0f);
    for (std::size_t i = 0; i + 1 < layers_.size(); ++i) {
      const Layer& layer = layers_[i];
      values.resize(rows * layer.out);
      k_.mix_f32(rows, layer.out, layer.weights.data(), states.data(), layer.in - 1, ones.data(), 1, 0,
                 values.data());
      tanh_all(values.data(), values.size());
      states.swap(values);
    }
    const Layer& last = layers_.back();
    k_.mix_f32(rows, last.out, last.weights.data(), states.data(), last.in, ones.data(), 0, noise, out);
  }

 private:
  struct Layer {
    std::size_t in, out;
    std::vector<float> weights;
  };
  const Kernels& k_;
  std::vector<Layer> layers_;
};

constexpr double PI = 3.14159265358979323846;
// Of the frame's side: how far from the middle distractors are at home.
constexpr double HOME = 0.375;

template <class T>
T wrapped(T value, T period) {
  return value - period * std::floor(value / period);
}

class SpriteView : public View {
 public:
  explicit SpriteView(const ViewSpec& spec)
      : size_(static_cast<std::size_t>(spec.sizes[0])),
        agent_{spec.numbers[0], spec.numbers[2]},
        distractor_{spec.numbers[1], spec.numbers[3]},
        spread_(spec.numbers[4]) {}

  void start(double* states, std::size_t rows, std::size_t width, Of of) const override {
    start_all(states, rows, width, of);
  }
  void start(float* states, std::size_t rows, std::size_t width, Of of) const override {
    start_all(states, rows, width, of);
  }

  void show(std::size_t rows, const float* s, std::size_t ds, const float* x, std::size_t dx, float,
            float* out) const override {
    std::vector<Lit> lit(2 * size_);
    for (std::size_t r = 0; r < rows; ++r) {
      float* frame = out + r * size_ * size_;
      std::fill(frame, frame + size_ * size_, 0.0f);
      add(s + r * ds, agent_, frame, lit.data());
      for (std::size_t i = 0; i < dx; i += 2) add(x + r * dx + i, distractor_, frame, lit.data());
    }
  }

 private:
  struct Sprite {
    float radius, brightness;
  };
  // A pixel that a sprite reaches along one axis, and how much of it is there.
  struct Lit {
    std::size_t pixel;
    float share;
  };

  // Around where each is at home: the agent in the middle, distractors evenly on a circle around it.
  template <class T>
  void start_all(T* states, std::size_t rows, std::size_t width, Of of) const {
    const auto size = static_cast<T>(size_), spread = static_cast<T>(spread_);
    std::vector<T> home(width, size / 2);
    for (std::size_t i = 0; of == Of::EXOGENOUS && i < width; ++i) {
      const double turn = 2 * PI * static_cast<double>(i / 2) / static_cast<double>(width / 2);
      home[i] +=
          static_cast<T>(HOME * static_cast<double>(size_) * (i % 2 ? std::sin(turn) : std::cos(turn)));
    }
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t i = 0; i < width; ++i)
        states[r * width + i] = wrapped(home[i] + spread * states[r * width + i], size);
  }

  // How many of `to` it fills: each pixel of the circle at most once, since no radius is above half of it.
  std::size_t profile(float position, float radius, Lit* to) const {
    const auto size = static_cast<std::int32_t>(size_);
    const float middle = wrapped(position, static_cast<float>(size_));
    const auto first = static_cast<std::int32_t>(std::floor(middle - radius));
    std::size_t count = 0;
    for (std::int32_t pixel = first; count < size_; ++pixel) {
      const float distance = (static_cast<float>(pixel) + 0.5f - middle) / radius;
      if (distance >= 1) break;
      if (distance <= -1) continue;
      const float left = 1 - distance * distance;
      const std::int32_t at = pixel < 0 ? pixel + size : pixel >= size ? pixel - size : pixel;
      to[count++] = {static_cast<std::size_t>(at), left * left};
    }
    return count;
  }

  void add(const float* position, const Sprite& sprite, float* frame, Lit* lit) const {
    Lit *across = lit, *down = lit + size_;
    const std::size_t width = profile(position[0], sprite.radius, across);
    const std::size_t height = profile(position[1], sprite.radius, down);
    for (std::size_t y = 0; y < height; ++y) {
      float* row = frame + down[y].pixel * size_;
      const float light = sprite.brightness * down[y].share;
      for (std::size_t x = 0; x < width; ++x) {
        float& v = row[across[x].pixel];
        v = v + light * across[x].share * (1 - v);
      }
    }
  }

  std::size_t size_;
  Sprite agent_, distractor_;
  float spread_;
};

}  // namespace

const char* ViewSpec::fault(std::size_t endogenous, std::size_t exogenous, std::size_t observation) const {
  switch (kind) {
    case ViewKind::LINEAR:
      return nullptr;
    case ViewKind::MLP: {
      if (size_count < 3) return "viewSizes: expected a hidden layer";
      std::size_t numbers_needed = 0;
      for (std::size_t i = 0; i < size_count; ++i)
        if (sizes[i] < 1 || sizes[i] > 1 << 20) return "viewSizes: out of range";
      for (std::size_t i = 1; i < size_count; ++i)
        numbers_needed += static_cast<std::size_t>(sizes[i]) *
                          (static_cast<std::size_t>(sizes[i - 1]) + (i + 1 < size_count ? 1 : 0));
      if (static_cast<std::size_t>(sizes[0]) != endogenous + exogenous ||
          static_cast<std::size_t>(sizes[size_count - 1]) != observation)
        return "viewSizes: expected the widths of states and observation at the ends";
      return numbers_needed == number_count ? nullptr : "viewNumbers: ragged";
    }
    case ViewKind::SPRITES: {
      if (size_count != 1 || number_count != 5) return "viewSizes, viewNumbers: expected 1 and 5 numbers";
      if (endogenous != 2 || exogenous % 2 != 0) return "endogenousDim, exogenousDim: expected positions";
      const auto size = static_cast<std::size_t>(std::max(sizes[0], 0));
      return size * size == observation ? nullptr : "viewSizes: expected the side of the observation";
    }
  }
  return "view: unknown";
}

std::unique_ptr<View> view_of(const Kernels& kernels, const ViewSpec& spec) {
  switch (spec.kind) {
    case ViewKind::MLP:
      return std::make_unique<MlpView>(kernels, spec);
    case ViewKind::SPRITES:
      return std::make_unique<SpriteView>(spec);
    case ViewKind::LINEAR:
      break;
  }
  return nullptr;
}

}  // namespace exo

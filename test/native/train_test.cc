// Minibatch training without Node: what sanitizers can see into. Layers beside plain loops, gradients beside
// finite differences, several threads beside one, on every kernel table.
#include <cmath>

#include "check.h"
#include "core/train/linear-world.h"
#include "core/train/network.h"
#include "core/train/team.h"
#include "core/train/train.h"
#include "tables.h"

using namespace exo;
using exo::test::Checks;
using exo::test::Random;

namespace {

template <class T>
using Row = std::vector<T>;

template <class T>
void fill(Random& random, Row<T>& to) {
  for (T& v : to) v = static_cast<T>(random.uniform());
}

// A block's number at a row and column.
template <class T>
T& at(const Panelled<T>& b, std::size_t row, std::size_t column) {
  std::size_t j = 0;
  while (j + 1 < b.panels().size() && b.panels()[j + 1].begin <= column) ++j;
  return b.panel(j)[row * b.panels()[j].width + column - b.panels()[j].begin];
}

template <class T>
void fill(Random& random, const Panelled<T>& b, std::size_t rows) {
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < b.width(); ++c) at(b, r, c) = static_cast<T>(random.uniform());
}

double activated(Activation a, double x) {
  if (a == Activation::RELU) return std::max(0.0, x);
  if (a == Activation::GELU) return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
  return a == Activation::TANH ? std::tanh(x) : x;
}
double slope_of(Activation a, double x) {
  const double h = 1e-5;
  if (a == Activation::RELU) return x > 0 ? 1 : 0;
  return (activated(a, x + h) - activated(a, x - h)) / (2 * h);
}

// One layer of two inputs: outputs, gradients of the second input and of the weights, one step of sgd.
template <class T>
void layer(Checks& checks, const Kernels& kernels, Activation activation, std::size_t rows, std::size_t a,
           std::size_t b, std::size_t out, double tolerance) {
  const TrainKernels<T>& k = train_kernels<T>(kernels);
  Random random(checks.seed() + rows + out);
  const std::size_t in = a + b;
  Row<T> flat(out * (in + 1)), gradient(flat.size());
  fill(random, flat);
  Layer<T> layer(k, {a, b}, out, 1, true, true);
  layer.read(Layer<T>::WEIGHTS, flat.data());
  layer.keep_gradient();
  Panelled<T> x(k, rows, a), y(k, rows, b), z(k, rows, out), slopes(k, rows, out), back(k, rows, out),
      returned(k, rows, b);
  fill(random, x, rows);
  fill(random, y, rows);
  fill(random, back, rows);
  const auto input = [&](std::size_t r, std::size_t i) {
    return static_cast<double>(i < a ? at(x, r, i) : at(y, r, i - a));
  };
  layer.forward({&x, &y}, 0, true, activation, 0, rows, z, &slopes);
  double off = 0;
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t o = 0; o < out; ++o) {
      double sum = static_cast<double>(flat[out * in + o]);
      for (std::size_t i = 0; i < in; ++i) sum += static_cast<double>(flat[o * in + i]) * input(r, i);
      off = std::max(off, std::fabs(static_cast<double>(at(z, r, o)) - activated(activation, sum)));
      if (activation == Activation::GELU)
        off = std::max(off, std::fabs(static_cast<double>(at(slopes, r, o)) - slope_of(activation, sum)));
    }
  checks.below(off, tolerance, "outputs");

  // Through an activation of the input: its outputs stand in `y`, or its slopes do.
  layer.backward(back, activation, &y, false, 0, rows, returned);
  off = 0;
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t i = 0; i < b; ++i) {
      double sum = 0;
      for (std::size_t o = 0; o < out; ++o)
        sum += static_cast<double>(flat[o * in + a + i]) * static_cast<double>(at(back, r, o));
      const double v = input(r, a + i);
      if (activation == Activation::RELU) sum = v > 0 ? sum : 0;
      if (activation == Activation::GELU) sum *= v;
      if (activation == Activation::TANH) sum *= 1 - v * v;
      off = std::max(off, std::fabs(static_cast<double>(at(returned, r, i)) - sum));
    }
  checks.below(off, tolerance, "gradients of an input");

  const std::vector<Passage<T>> passages{{{&x, &y}, &back, true}, {{nullptr, &y}, &z, false}};
  for (std::size_t j = 0; j < layer.panels(); ++j) layer.descend(j, passages, rows, {{}, true});
  layer.write(Layer<T>::GRADIENT, gradient.data());
  const auto expected = [&](std::size_t o, std::size_t i) {
    double sum = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      const double g = static_cast<double>(at(back, r, o)), h = static_cast<double>(at(z, r, o));
      sum += i == in ? g : input(r, i) * (g + (i >= a ? h : 0));
    }
    return sum;
  };
  off = 0;
  for (std::size_t o = 0; o < out; ++o)
    for (std::size_t i = 0; i <= in; ++i) {
      const double found = static_cast<double>(gradient[i == in ? out * in + o : o * in + i]);
      off = std::max(off, std::fabs(found - expected(o, i)));
    }
  checks.below(off, tolerance * static_cast<double>(rows), "gradients of the weights");

  Update<T> update{};
  update.kind = OptimiserKind::SGD;
  update.rate = T(0.5);
  update.keep = update.first_share = 1;
  for (std::size_t j = 0; j < layer.panels(); ++j) layer.descend(j, passages, rows, {update, false});
  Row<T> moved(flat.size());
  layer.write(Layer<T>::WEIGHTS, moved.data());
  off = 0;
  for (std::size_t i = 0; i < flat.size(); ++i)
    off = std::max(off, std::fabs(static_cast<double>(moved[i] - (flat[i] - T(0.5) * gradient[i]))));
  checks.below(off, tolerance * static_cast<double>(rows), "a step");
  // And the way back sees the new weights.
  layer.backward(back, Activation::NONE, nullptr, true, 0, rows, returned);
  Layer<T> fresh(k, {a, b}, out, 1, true, true);
  fresh.read(Layer<T>::WEIGHTS, moved.data());
  Panelled<T> again(k, rows, b);
  layer.backward(back, Activation::NONE, nullptr, false, 0, rows, returned);
  fresh.backward(back, Activation::NONE, nullptr, false, 0, rows, again);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t i = 0; i < b; ++i)
      checks.that(at(returned, r, i) == at(again, r, i), "stale weights on the way back");
}

// A small world and a network with everything in it.
struct Everything {
  double parameters[PARAMETER_COUNT] = {1, 0.8, 1, 2, 1, 0.2, 0.1, 0.3, 0.1, 0.2, 1, 0};
  Row<double> mixing, effect, state, exogenous;
  TrainProblem problem{};

  Everything(const Kernels& k, std::uint64_t seed, bool square, bool robust_on_decoded) {
    Random random(seed);
    const std::size_t d = square ? 3 : 7, ds = 3, dx = 2, da = 2;
    for (auto [to, n] : {std::pair(&mixing, d * (ds + dx)), std::pair(&effect, ds * da),
                         std::pair(&state, da * ds), std::pair(&exogenous, da * dx)}) {
      to->resize(n);
      fill(random, *to);
    }
    for (std::size_t i = 0; i < d && square; ++i)
      for (std::size_t j = 0; j < ds; ++j) mixing[i * (ds + dx) + j] = i == j ? 1 : 0;
    problem.source = make_linear_world(
        k, {d, ds, dx, da, parameters, mixing.data(), effect.data(), state.data(), exogenous.data(), square});
    NetworkShape& s = problem.shape;
    s.observation_dim = d;
    s.action_dim = da;
    s.latent = 4;
    s.encoder_hidden = {9, 6};
    if (!robust_on_decoded) s.decoder_hidden = {8};
    s.activation = Activation::TANH;
    s.bias = s.residual = true;
    s.targets = 2;
    problem.objective = {true, 0.1, 0.2, 2, 0.6, true, 0.5, robust_on_decoded};
    problem.batch = 21;
    problem.seed = seed;
  }
};

void gradients(Checks& checks, const Kernels& k, bool square, bool robust_on_decoded) {
  const Everything all(k, checks.seed(), square, robust_on_decoded);
  const std::size_t count = all.problem.shape.parameters();
  Random random(checks.seed() + 9);
  Row<double> parameters(count), gradient(count), other(count);
  fill(random, parameters);
  double parts[LOSS_PARTS];
  std::int32_t control[3] = {0, 0, 0};
  Job job(control, 2);
  const auto loss = [&](double* into) {
    train_loss(k, {all.problem, 3, parameters.data(), parts, into}, job);
    return parts[LOSS];
  };
  loss(gradient.data());
  double size = 0, off = 0;
  for (const double g : gradient) size = std::max(size, std::fabs(g));
  for (std::size_t i = 0; i < count; i += 7) {
    const double kept = parameters[i], h = 1e-5;
    parameters[i] = kept + h;
    const double up = loss(other.data());
    parameters[i] = kept - h;
    const double slope = (up - loss(other.data())) / (2 * h);
    parameters[i] = kept;
    off = std::max(off, std::fabs(slope - gradient[i]) / size);
  }
  checks.below(off, 1e-7, "gradient beside finite differences");
}

// Steps of the network, with a codebook; all arrays of the state one after another.
Row<float> trained(const Kernels& k, std::uint64_t seed, std::size_t hidden, bool ema, std::size_t threads,
                   const std::vector<std::size_t>& calls, std::size_t runs = 1) {
  Everything all(k, seed, false, false);
  NetworkShape& s = all.problem.shape;
  s.encoder_hidden = {hidden};
  s.quantised = true;
  s.codebook = {5, 2, ema, 0.9, 0.25, 0.05};
  all.problem.batch = hidden > 100 ? 300 : 21;
  const std::size_t count = s.parameters(), book = s.codebook_parameters();
  Row<float> state(3 * count + 10 + book);
  Random random(seed);
  for (std::size_t i = 0; i + book < count; ++i) state[i] = static_cast<float>(0.3 * random.uniform());
  TrainOptimiser adam{TrainOptimiser::ADAM, 1e-2, 0, 0.9, 0.999, 1e-8, 0, 0, 0, 0};
  std::size_t step = 0;
  std::vector<Row<float>> states(runs, state);
  for (const std::size_t steps : calls) {
    std::vector<TrainRun> batch;
    Row<double> trace(LOSS_PARTS * steps * runs), usage(10 * runs);
    for (std::size_t r = 0; r < runs; ++r) {
      float* p = states[r].data();
      batch.push_back({all.problem,
                       adam,
                       step,
                       {p, p + count, p + 2 * count, p + 3 * count, p + 3 * count + 10},
                       steps,
                       1,
                       trace.data() + r * LOSS_PARTS * steps,
                       usage.data() + 10 * r,
                       0});
    }
    std::int32_t control[3] = {0, 0, 0};
    Job job(control, threads);
    train_batch(k, batch, job);
    step += steps;
    if (batch[0].failed_at >= 0) return {};
  }
  for (const Row<float>& other : states)
    if (other != states[0]) return {};
  return states[0];
}

void same_bits(Checks& checks, const Kernels& k) {
  for (const bool ema : {false, true}) {
    const Row<float> one = trained(k, checks.seed(), 12, ema, 1, {6});
    checks.that(!one.empty() && one == trained(k, checks.seed(), 12, ema, 1, {2, 4}), "a run in two");
    checks.that(one == trained(k, checks.seed(), 12, ema, 3, {6}, 5), "five runs on three threads");
  }
  // Wide enough that the threads of one run share its steps.
  const Row<float> one = trained(k, checks.seed(), 2000, true, 1, {3});
  checks.that(!one.empty(), "training failed");
  for (const std::size_t threads : {2, 3})
    checks.that(one == trained(k, checks.seed(), 2000, true, threads, {3}), "%zu threads differ", threads);
}

void team(Checks& checks) {
  Team team(3);
  std::vector<int> done(7);
  for (int round = 0; round < 200; ++round) team.run(done.size(), [&](std::size_t part) { ++done[part]; });
  for (const int d : done) checks.that(d == 200, "a part was done %d times", d);
  bool thrown = false;
  try {
    team.run(5, [](std::size_t part) {
      if (part == 3) throw std::runtime_error("a part");
    });
  } catch (const std::runtime_error&) {
    thrown = true;
  }
  checks.that(thrown, "what a part throws is lost");
}

}  // namespace

int main(int argc, char** argv) {
  Checks checks(argc, argv);
  checks.run("team", [&] { team(checks); });
  for (const Kernels* k : exo::test::tables()) {
    const std::string isa = std::string(" ") + k->name;
    for (const Activation a : {Activation::NONE, Activation::RELU, Activation::GELU, Activation::TANH}) {
      const std::string name = "layer, activation " + std::to_string(static_cast<int>(a));
      checks.run(name + " f32" + isa, [&] {
        layer<float>(checks, *k, a, 13, 5, 3, 7, 1e-5);
        layer<float>(checks, *k, a, 40, 70, 50, 130, 1e-4);
      });
      checks.run(name + " f64" + isa, [&] {
        layer<double>(checks, *k, a, 1, 1, 1, 1, 1e-9);
        layer<double>(checks, *k, a, 19, 30, 33, 65, 1e-9);
      });
    }
    for (const bool square : {false, true})
      for (const bool decoded : {false, true})
        checks.run("gradients" + isa, [&] { gradients(checks, *k, square, decoded); });
    checks.run("same bits" + isa, [&] { same_bits(checks, *k); });
  }
  return checks.finish();
}

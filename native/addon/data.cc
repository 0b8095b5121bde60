// Second moments of rows, their probes, and training on them (lib/backend/requests.ts).
#include "addon/calls.h"

#include "addon/reading.h"
#include "addon/task.h"
#include "core/stages.h"
#include "core/train-moments.h"

namespace exo {
namespace {

// accumulate(request: AccumulateRequest & { moments }): Promise<void>
Napi::Value accumulate_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  const std::size_t rows = r.size("rows"), width = r.size("width");
  check(r, width > 0, "width: expected at least one");
  const double* data = r.array<double>("data", times({rows, width}));
  const double* mean = r.array<double>("mean", width);
  double* out = r.array<double>("moments", times({width, width}));
  return Task::start(
      r, [=](const Kernels& kernels, Job& job) { accumulate(kernels, rows, width, data, mean, out, job); });
}

// probe(request: ProbeRequest & ProbeAnswer): Promise<void>
Napi::Value probe_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  ProbeBatch b{};
  b.width = r.size("width");
  check(r, b.width > 0, "width: expected at least one");
  b.train = r.array<double>("train", times({b.width, b.width}));
  b.held_out = r.array<double>("heldOut", times({b.width, b.width}));
  b.observation = r.size("observation");
  b.observation_next = r.size("observationNext");
  b.observation_dim = r.size("observationDim");
  check(r, b.observation_dim > 0, "observationDim: expected at least one");
  const auto inside = [&](std::size_t begin, std::size_t width) {
    check(r, begin <= b.width && width <= b.width - begin, "columns: beyond the moments");
  };
  inside(b.observation, b.observation_dim);
  inside(b.observation_next, b.observation_dim);
  b.rows = r.size("rows");
  b.encoder_c = r.array<double>("encoderC", times({b.rows, b.observation_dim}));
  b.encoder_d = r.array<double>("encoderD", times({b.rows, b.observation_dim}));
  const auto latents = r.array<std::int32_t>("latentDims");
  b.latents = latents.first;
  b.latent_count = latents.second;
  for (std::size_t i = 0; i < b.latent_count; ++i)
    check(r, b.latents[i] > 0, "latentDims: expected positive numbers");
  const auto targets = r.array<std::int32_t>("targets");
  b.targets = targets.first;
  b.target_count = targets.second / 2;
  for (std::size_t t = 0; t < b.target_count; ++t) {
    check(r, b.targets[2 * t] >= 0 && b.targets[2 * t + 1] > 0, "targets: out of range");
    inside(static_cast<std::size_t>(b.targets[2 * t]), static_cast<std::size_t>(b.targets[2 * t + 1]));
  }
  b.ridge = r.number("ridge");
  const auto pair_column = [&](const char* name) {
    const double column = r.number(name);
    if (column < 0) return std::int32_t{-1};
    inside(r.size(name), b.observation_dim);
    return static_cast<std::int32_t>(column);
  };
  b.pair_observation = pair_column("pairObservation");
  b.pair_observation_next = pair_column("pairObservationNext");
  b.information = r.array<double>("information", times({b.latent_count, b.target_count}));
  b.consistency = r.array<double>("consistency", b.latent_count);
  b.conditional = r.array<double>("conditional", times({b.latent_count, b.target_count}));
  b.raw = r.array<double>("raw", times({b.latent_count, b.target_count}));
  b.remaining = r.array<double>("remaining", b.target_count);
  return Task::start(r, [b](const Kernels& kernels, Job& job) { probe(kernels, b, job); });
}

// trainMoments(request: TrainMomentsRequest & TrainMomentsAnswer): Promise<void>
Napi::Value train_moments_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  TrainMomentsBatch b{};
  b.count = r.size("count");
  b.sets = r.size("sets");
  b.width = r.size("width");
  b.observation_dim = r.size("observationDim");
  b.action_dim = r.size("actionDim");
  b.latent = r.size("latentDim");
  const std::size_t d = b.observation_dim;
  check(r, b.count > 0 && b.sets > 0 && d > 0 && b.action_dim > 0 && b.latent > 0,
        "dimensions: expected at least one");
  b.moments = r.array<double>("moments", times({b.sets, b.width, b.width}));
  b.labelled = r.array<double>("labelled", times({b.count, b.width, b.width}));
  b.set = r.array<std::int32_t>("set", b.count);
  for (std::size_t i = 0; i < b.count; ++i)
    check(r, b.set[i] >= 0 && static_cast<std::size_t>(b.set[i]) < b.sets, "set: out of range");
  b.weight = r.array<double>("weight", b.count);
  const auto column = [&](const char* name, std::size_t width) {
    const std::size_t begin = r.size(name);
    check(r, begin <= b.width && width <= b.width - begin, "columns: beyond the moments");
    return begin;
  };
  b.observation = column("observation", d);
  b.observation_next = column("observationNext", d);
  b.action = column("action", b.action_dim);
  b.ridge = r.number("ridge");
  b.tolerance = tolerance_of(r);
  b.starts = r.size("starts");
  b.seed = r.whole("seed");
  b.iterations = r.size("iterations");
  b.loss = r.array<double>("loss", b.count);
  b.reconstruction = r.array<double>("reconstruction", b.count);
  b.head = r.array<double>("head", b.count);
  b.gradient = r.array<double>("gradient", b.count);
  b.steps = r.array<std::int32_t>("steps", b.count);
  b.encoder_c = r.array<double>("encoderC", times({b.count, b.latent, d}));
  b.encoder_d = r.array<double>("encoderD", times({b.count, b.latent, d}));
  b.status = r.array<std::uint8_t>("status", b.count);
  return Task::start(r, [b](const Kernels& kernels, Job& job) { train_moments(kernels, b, job); });
}

}  // namespace

void export_data(Napi::Env env, Napi::Object exports) {
  exports.Set("accumulate", Napi::Function::New(env, accumulate_call));
  exports.Set("probe", Napi::Function::New(env, probe_call));
  exports.Set("trainMoments", Napi::Function::New(env, train_moments_call));
}

}  // namespace exo

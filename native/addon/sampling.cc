// Random numbers, samples of worlds, and second moments drawn at once (lib/backend/requests.ts).
#include "addon/calls.h"

#include <algorithm>
#include <type_traits>

#include "addon/reading.h"
#include "addon/task.h"
#include "addon/world.h"
#include "core/sampling.h"
#include "core/wishart.h"

namespace exo {
namespace {

// What the states look like: view, viewSizes, viewNumbers.
ViewSpec read_view(Request& r, std::size_t ds, std::size_t dx, std::size_t d) {
  ViewSpec view{};
  view.kind = static_cast<ViewKind>(std::min<std::size_t>(r.size("view"), 255));
  const auto sizes = r.array<std::int32_t>("viewSizes");
  const auto numbers = r.array<float>("viewNumbers");
  view.sizes = sizes.first;
  view.size_count = sizes.second;
  view.numbers = numbers.first;
  view.number_count = numbers.second;
  const char* fault = view.fault(ds, dx, d);
  check(r, !fault, fault);
  return view;
}

// sample, sampleF32(request: SampleRequest & SampleAnswer & encoded view): Promise<void>
template <class T>
Napi::Value sample_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  SampleBatch<T> b{};
  b.first = r.whole("first");
  b.seed = r.whole("seed");
  b.count = r.size("count");
  b.pair = r.flag("pair");
  read_world(r, b, "dimensions: expected at least one");
  const std::size_t d = b.observation_dim, ds = b.endogenous_dim, dx = b.exogenous_dim, da = b.action_dim;
  b.view = read_view(r, ds, dx, d);
  b.mixing = r.array<double>("mixing", b.view.kind == ViewKind::LINEAR ? times({d, ds + dx}) : 0);
  b.observation = r.array<T>("observation", times({b.count, d}));
  b.observation_next = r.array<T>("observationNext", times({b.count, d}));
  b.pair_observation = r.array<T>("pairObservation", b.pair ? times({b.count, d}) : 0);
  b.pair_observation_next = r.array<T>("pairObservationNext", b.pair ? times({b.count, d}) : 0);
  b.action = r.array<double>("action", times({b.count, da}));
  b.exogenous = r.array<double>("exogenous", times({b.count, dx}));
  b.exogenous_next = r.array<double>("exogenousNext", times({b.count, dx}));
  b.endogenous = r.array<double>("endogenous", times({b.count, ds}));
  b.endogenous_next = r.array<double>("endogenousNext", times({b.count, ds}));
  return Task::start(r, [b](const Kernels& kernels, Job& job) { sample<T>(kernels, b, job); });
}

// wishart(request: WishartRequest & { moments }): Promise<void>
Napi::Value wishart_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  WishartBatch b{};
  b.first = r.whole("first");
  b.seed = r.whole("seed");
  b.degrees = r.whole("degrees");
  b.count = r.size("count");
  b.width = r.size("width");
  b.sources = r.size("sources");
  check(r, b.degrees > 0 && b.width > 0 && b.sources > 0, "degrees, width, sources: expected at least one");
  b.loadings = r.array<double>("loadings", times({b.width, b.sources}));
  b.moments = r.array<double>("moments", times({b.count, b.width, b.width}));
  return Task::start(r, [b](const Kernels& kernels, Job& job) { wishart(kernels, b, job); });
}

// normals, normalsF32(request: { seed, stream, first, out }): void
template <class T>
Napi::Value normals_call(const Napi::CallbackInfo& call) {
  Request r = request_of(call);
  const Kernels& kernels = kernels_of(r);
  const auto out = r.array<T>("out");
  const auto fill = [&](auto kernel) {
    kernel(out.first, r.whole("seed"), r.whole("stream"), r.whole("first"), out.second);
  };
  if constexpr (std::is_same_v<T, float>)
    fill(kernels.normals_f32);
  else
    fill(kernels.normals);
  return call.Env().Undefined();
}

}  // namespace

void export_sampling(Napi::Env env, Napi::Object exports) {
  exports.Set("sample", Napi::Function::New(env, sample_call<double>));
  exports.Set("sampleF32", Napi::Function::New(env, sample_call<float>));
  exports.Set("wishart", Napi::Function::New(env, wishart_call));
  exports.Set("normals", Napi::Function::New(env, normals_call<double>));
  exports.Set("normalsF32", Napi::Function::New(env, normals_call<float>));
}

}  // namespace exo

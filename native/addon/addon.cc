// The addon: what it is on this machine, and all its calls.
#include <napi.h>

#include <algorithm>
#include <thread>

#include "addon/calls.h"
#include "addon/signals.h"
#include "addon/task.h"
#include "core/dispatch.h"

namespace exo {
namespace {

Napi::Value info(const Napi::CallbackInfo& call) {
  const KernelChoice& choice = chosen_kernels();
  if (!choice.table) throw Napi::Error::New(call.Env(), choice.error);
  Napi::Object result = Napi::Object::New(call.Env());
  Napi::Array names = Napi::Array::New(call.Env());
  for (const Kernels* k : available_kernels()) names.Set(names.Length(), k->name);
  result.Set("isa", choice.table->name);
  result.Set("isas", names);
  result.Set("threads", static_cast<double>(std::max(1u, std::thread::hardware_concurrency())));
  return result;
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  auto* environment = new Environment;
  env.SetInstanceData(environment);
  // A worker thread that ends waits for its running tasks: have them end soon.
  env.AddCleanupHook(
      [](Environment* e) {
        for (Job* job : e->running) job->cancel();
      },
      environment);
  exports.Set("guardSignals", Napi::Function::New(env, guard_signals));
  exports.Set("trackGroup", Napi::Function::New(env, track_group));
  exports.Set("info", Napi::Function::New(env, info));
  export_solving(env, exports);
  export_data(env, exports);
  export_estimates(env, exports);
  export_judging(env, exports);
  export_training(env, exports);
  export_sampling(env, exports);
  export_dense(env, exports);
  return exports;
}

}  // namespace
}  // namespace exo

static Napi::Object exolam_init(Napi::Env env, Napi::Object exports) { return exo::initialise(env, exports); }
NODE_API_MODULE(exolam, exolam_init)

// The one way to run a stage off the main thread: start() returns a promise that settles when the stage has ended.
#pragma once
#include <napi.h>

#include <functional>
#include <set>

#include "addon/arrays.h"
#include "core/dispatch.h"
#include "core/job.h"

namespace exo {

// What one JavaScript environment (the main thread, or a worker thread) has running. Its end cancels all of it.
struct Environment {
  std::set<Job*> running;
};

class Task : public Napi::AsyncWorker {
 public:
  using Stage = std::function<void(const Kernels&, Job&)>;

  // Takes control (3) and threads from the request; its arrays stay alive until the stage has ended.
  static Napi::Value start(Request& request, Stage stage) {
    const KernelChoice& choice = chosen_kernels();
    if (!choice.table) throw Napi::Error::New(request.env(), choice.error);
    std::int32_t* control = request.array<std::int32_t>("control", 3);
    auto* task = new Task(request.env(), *choice.table, Job(control, request.size("threads")), std::move(stage));
    task->pins_ = request.take_pins();
    task->Queue();
    return task->deferred_.Promise();
  }

 protected:
  void Execute() override { stage_(kernels_, job_); }
  void OnOK() override {
    end();
    deferred_.Resolve(Env().Undefined());
  }
  void OnError(const Napi::Error& error) override {
    end();
    deferred_.Reject(error.Value());
  }

 private:
  Task(Napi::Env env, const Kernels& kernels, Job job, Stage stage)
      : Napi::AsyncWorker(env, "exolam"),
        deferred_(Napi::Promise::Deferred::New(env)),
        kernels_(kernels),
        job_(job),
        stage_(std::move(stage)) {
    env.GetInstanceData<Environment>()->running.insert(&job_);
  }
  void end() {
    if (auto* environment = Env().GetInstanceData<Environment>()) environment->running.erase(&job_);
  }

  Napi::Promise::Deferred deferred_;
  const Kernels& kernels_;
  Job job_;
  Stage stage_;
  std::vector<Napi::ObjectReference> pins_;
};

}  // namespace exo

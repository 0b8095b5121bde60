// The one way to run a stage off the main thread: start() returns a promise that settles when the stage has
// ended.
//
// Plain Node-API from the stage's end on: a worker thread may be told to terminate in the middle of it, when
// no call may run JavaScript any more. Statuses are then of no interest, and a thrown C++ error would end the
// process.
#pragma once
#include <napi.h>

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "addon/arrays.h"
#include "core/dispatch.h"
#include "core/job.h"

#ifdef __wasm__
#include "wasm/task.h"
#else

namespace exo {

// What one JavaScript environment (the main thread, or a worker thread) has running. Its end cancels all of
// it.
struct Environment {
  std::set<Job*> running;
};

class Task {
 public:
  using Stage = std::function<void(const Kernels&, Job&)>;

  // Takes control (3) and threads from the request; its arrays stay alive until the stage has ended.
  static Napi::Value start(Request& request, Stage stage) {
    const KernelChoice& choice = chosen_kernels();
    if (!choice.table) throw Napi::Error::New(request.env(), choice.error);
    std::int32_t* control = request.array<std::int32_t>("control", 3);
    // More threads than a machine can run only cost memory: each may have scratch of its own. Asked once:
    // Linux reads a file to answer, which takes longer than a small stage.
    static const std::size_t most = std::max<std::size_t>(256, std::thread::hardware_concurrency());
    const std::size_t threads = std::min(request.size("threads"), most);
    const Napi::Env env = request.env();
    auto* task = new Task(*choice.table, Job(control, threads), std::move(stage));
    task->environment_ = env.GetInstanceData<Environment>();
    task->environment_->running.insert(&task->job_);
    for (const Napi::Object& array : request.arrays()) {
      napi_ref pin = nullptr;
      napi_create_reference(env, array, 1, &pin);
      task->pins_.push_back(pin);
    }
    napi_value promise = nullptr;
    napi_create_promise(env, &task->deferred_, &promise);
    napi_create_async_work(env, nullptr, Napi::String::New(env, "exolam"), execute, complete, task,
                           &task->work_);
    napi_queue_async_work(env, task->work_);
    return Napi::Value(env, promise);
  }

 private:
  Task(const Kernels& kernels, Job job, Stage stage)
      : kernels_(kernels), job_(job), stage_(std::move(stage)) {}

  static void execute(napi_env, void* data) {
    auto* task = static_cast<Task*>(data);
    try {
      task->stage_(task->kernels_, task->job_);
    } catch (const std::bad_alloc&) {
      task->error_ = "out of memory";
    } catch (const std::exception& error) {
      task->error_ = *error.what() ? error.what() : "unknown";
    } catch (...) {
      task->error_ = "unknown";
    }
  }

  static void complete(napi_env env, napi_status, void* data) {
    auto* task = static_cast<Task*>(data);
    task->environment_->running.erase(&task->job_);
    napi_handle_scope scope = nullptr;
    napi_open_handle_scope(env, &scope);
    napi_value value = nullptr;
    if (task->error_.empty()) {
      napi_get_undefined(env, &value);
      napi_resolve_deferred(env, task->deferred_, value);
    } else {
      napi_value message = nullptr;
      napi_create_string_utf8(env, task->error_.c_str(), task->error_.size(), &message);
      napi_create_error(env, nullptr, message, &value);
      napi_reject_deferred(env, task->deferred_, value);
    }
    for (napi_ref pin : task->pins_) napi_delete_reference(env, pin);
    napi_delete_async_work(env, task->work_);
    napi_close_handle_scope(env, scope);
    delete task;
  }

  const Kernels& kernels_;
  Job job_;
  Stage stage_;
  Environment* environment_ = nullptr;
  std::string error_;
  std::vector<napi_ref> pins_;
  napi_deferred deferred_ = nullptr;
  napi_async_work work_ = nullptr;
};

}  // namespace exo

#endif

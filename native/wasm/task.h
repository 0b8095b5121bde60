// native/addon/task.h where there is one thread: a stage has ended when start() returns.
#pragma once
#include "addon/arrays.h"
#include "core/dispatch.h"
#include "core/job.h"

namespace exo {

struct Environment {
  std::set<Job*> running;
};

class Task {
 public:
  template <class Stage>
  static Napi::Value start(Request& request, Stage stage) {
    const KernelChoice& choice = chosen_kernels();
    if (!choice.table) throw Napi::Error::New(request.env(), choice.error);
    Job job(request.array<std::int32_t>("control", 3), 1);
    stage(*choice.table, job);
    return {};
  }
};

}  // namespace exo

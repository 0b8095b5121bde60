// Runs independent tasks on a few threads. Which thread runs a task is not fixed, so a task's result may
// depend on its index alone.
#pragma once
#include <cstddef>
#include <functional>

#include "core/job.h"

namespace exo {

// task(index, worker): index < tasks once each, worker < job.threads names the caller's scratch. Advances the
// job; stops handing out tasks once it is cancelled. An exception of a task is rethrown here after every
// thread has stopped.
void parallel_for(Job& job, std::size_t tasks,
                  const std::function<void(std::size_t index, std::size_t worker)>& task);

}  // namespace exo

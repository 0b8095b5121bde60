// Runs independent tasks on the threads of the process, which are started once and sleep between calls. Which
// thread runs a task is not fixed, so a task's result may depend on its index alone.
//
// The caller works too and waits for nobody but those who are in the middle of a task of its own: a task may
// therefore share out tasks itself, and any number of calls may run at a time. All of them together keep no
// more threads busy than the machine has cores (or than a job asks for), as far as the callers, which always
// work, leave room.
#pragma once
#include <cstddef>
#include <functional>

#include "core/job.h"

namespace exo {

using IndexedTask = std::function<void(std::size_t index, std::size_t worker)>;

// task(index, worker): index < tasks once each, worker < job.threads names the caller's scratch. Stops
// handing out tasks once the job is cancelled. An exception of a task is rethrown here after every thread has
// stopped.
void in_parallel(const Job& job, std::size_t tasks, const IndexedTask& task);

// The same, where the tasks are what the job's progress counts.
void parallel_for(Job& job, std::size_t tasks, const IndexedTask& task);

}  // namespace exo

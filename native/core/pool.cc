#include "core/pool.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#if defined(_WIN32)
#include <windows.h>
#elif defined(__APPLE__)
#include <dlfcn.h>
#endif

namespace exo {
namespace {

// One call's tasks, on the caller's stack. What is not atomic belongs to the pool's mutex.
struct Work {
  const Job& job;
  const IndexedTask& task;
  const std::size_t tasks;
  std::atomic<std::size_t> next{0};
  std::size_t helpers = 0;  // that have ever joined: each has a number of its own
  std::size_t inside = 0;   // that have not left
  std::condition_variable left{};
  // What a task threw; not an exception_ptr, which needs a libstdc++ of this year.
  bool failed = false, out_of_memory = false;
  std::string why{};

  bool open() const { return next.load(std::memory_order_relaxed) < tasks && !job.cancelled(); }
};

// The calls of this thread that are in progress, one inside the other.
thread_local std::size_t depth = 0;

// A thread that is asleep must find its code where it was: the library stays, even where the last JavaScript
// environment that loaded it has ended. On Linux it is linked so (-z nodelete).
void stay_loaded() {
#if defined(_WIN32)
  static int here;
  HMODULE module = nullptr;
  GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                     reinterpret_cast<LPCSTR>(&here), &module);
#elif defined(__APPLE__)
  static int here;
  Dl_info info{};
  if (dladdr(&here, &info) && info.dli_fname) dlopen(info.dli_fname, RTLD_LAZY | RTLD_NODELETE);
#endif
}

class Pool {
 public:
  void run(Work& work) {
    const std::size_t wanted = std::min(work.job.threads, work.tasks) - 1;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      start(wanted);
      works_.push_back(&work);
      if (depth == 0) ++running_;
    }
    if (wanted == 1)
      wake_.notify_one();
    else
      wake_.notify_all();
    ++depth;
    take(work, 0);
    --depth;
    std::unique_lock<std::mutex> lock(mutex_);
    works_.erase(std::find(works_.begin(), works_.end(), &work));
    work.left.wait(lock, [&] { return work.inside == 0; });
    if (depth == 0) {
      --running_;
      // There is room for another thread, which others may have need of.
      if (!works_.empty()) wake_.notify_one();
    }
  }

 private:
  // Takes tasks until none is left, as the thread of this number.
  void take(Work& work, std::size_t worker) {
    try {
      while (!work.job.cancelled()) {
        const std::size_t index = work.next.fetch_add(1, std::memory_order_relaxed);
        if (index >= work.tasks) return;
        work.task(index, worker);
      }
    } catch (const std::bad_alloc&) {
      fail(work, true, "");
    } catch (const std::exception& error) {
      fail(work, false, error.what());
    } catch (...) {
      fail(work, false, "unknown");
    }
  }

  void fail(Work& work, bool out_of_memory, const char* why) {
    const std::lock_guard<std::mutex> lock(mutex_);
    work.next.store(work.tasks, std::memory_order_relaxed);
    if (work.failed) return;
    work.failed = true;
    work.out_of_memory = out_of_memory;
    work.why = why;
  }

  // The latest work first: what a task shares out is what others wait for.
  Work* find() const {
    for (std::size_t i = works_.size(); i-- > 0;) {
      Work* work = works_[i];
      if (work->helpers + 1 < work->job.threads && work->open() &&
          running_ < std::max(cores_, work->job.threads))
        return work;
    }
    return nullptr;
  }

  void help() {
    depth = 1;
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      Work* work = find();
      if (!work) {
        wake_.wait(lock);
        continue;
      }
      const std::size_t worker = ++work->helpers;
      ++work->inside;
      ++running_;
      lock.unlock();
      take(*work, worker);
      lock.lock();
      --running_;
      if (--work->inside == 0) work->left.notify_one();
    }
  }

  void start(std::size_t wanted) {
    try {
      for (; threads_ < wanted; ++threads_) {
        if (threads_ == 0) stay_loaded();
        std::thread([this] { help(); }).detach();
      }
    } catch (...) {
      // Fewer threads than asked for: the work is done all the same.
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Work*> works_;  // in the order of their calls
  std::size_t threads_ = 0;   // that were started, callers not counted
  std::size_t running_ = 0;   // threads at work, callers among them
  const std::size_t cores_ = std::max(1u, std::thread::hardware_concurrency());
};

// Never destroyed: its threads sleep in it until the process ends.
Pool& pool() {
  static Pool* const shared = new Pool;
  return *shared;
}

}  // namespace

void in_parallel(const Job& job, std::size_t tasks, const IndexedTask& task) {
  if (job.threads < 2 || tasks < 2) {
    for (std::size_t index = 0; index < tasks && !job.cancelled(); ++index) task(index, 0);
    return;
  }
  Work work{job, task, tasks};
  pool().run(work);
  if (work.out_of_memory) throw std::bad_alloc();
  if (work.failed) throw std::runtime_error(work.why);
}

void parallel_for(Job& job, std::size_t tasks, const IndexedTask& task) {
  in_parallel(job, tasks, [&](std::size_t index, std::size_t worker) {
    task(index, worker);
    job.advance();
  });
}

}  // namespace exo

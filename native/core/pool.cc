#include "core/pool.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace exo {

void parallel_for(Job& job, std::size_t tasks, const std::function<void(std::size_t, std::size_t)>& task) {
  std::atomic<std::size_t> next{0};
  std::exception_ptr failure;
  std::mutex failed;
  const auto work = [&](std::size_t worker) {
    try {
      for (;;) {
        if (job.cancelled()) return;
        const std::size_t index = next.fetch_add(1, std::memory_order_relaxed);
        if (index >= tasks) return;
        task(index, worker);
        job.advance();
      }
    } catch (...) {
      const std::lock_guard<std::mutex> lock(failed);
      if (!failure) failure = std::current_exception();
      next.store(tasks, std::memory_order_relaxed);
    }
  };
  const std::size_t threads = std::min(job.threads, std::max<std::size_t>(tasks, 1));
  std::vector<std::thread> others;
  try {
    for (std::size_t t = 1; t < threads; ++t) others.emplace_back(work, t);
  } catch (...) {
    // Fewer threads than asked for: the work is done all the same.
  }
  work(0);
  for (std::thread& t : others) t.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace exo

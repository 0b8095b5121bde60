#include "core/train/team.h"

namespace exo {
namespace {

// Phases follow each other within microseconds; a thread that waits longer lets others have its core.
template <class Condition>
void wait_until(Condition holds) {
#if defined(__x86_64__)
  for (int spin = 0; spin < 4000 && !holds(); ++spin) __builtin_ia32_pause();
#endif
  while (!holds()) std::this_thread::yield();
}

}  // namespace

Team::Team(std::size_t threads) {
  try {
    for (std::size_t t = 1; t < threads; ++t) others_.emplace_back([this] { follow(); });
  } catch (...) {
    // Fewer threads than asked for: the work is done all the same.
  }
}

Team::~Team() {
  ended_.store(true, std::memory_order_relaxed);
  phase_.fetch_add(1, std::memory_order_release);
  for (std::thread& t : others_) t.join();
}

void Team::run(std::size_t parts, const std::function<void(std::size_t)>& part) {
  if (others_.empty() || parts < 2) {
    for (std::size_t i = 0; i < parts; ++i) part(i);
    return;
  }
  parts_ = parts;
  part_ = &part;
  next_.store(0, std::memory_order_relaxed);
  busy_.store(others_.size(), std::memory_order_relaxed);
  phase_.fetch_add(1, std::memory_order_release);
  work();
  wait_until([this] { return busy_.load(std::memory_order_acquire) == 0; });
  if (failure_) {
    const std::exception_ptr failure = failure_;
    failure_ = nullptr;
    std::rethrow_exception(failure);
  }
}

void Team::work() {
  try {
    for (std::size_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < parts_;) (*part_)(i);
  } catch (...) {
    const std::lock_guard<std::mutex> lock(failed_);
    if (!failure_) failure_ = std::current_exception();
  }
}

void Team::follow() {
  for (std::uint64_t seen = 0;;) {
    wait_until([&] { return phase_.load(std::memory_order_acquire) != seen; });
    ++seen;
    if (ended_.load(std::memory_order_relaxed)) return;
    work();
    busy_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace exo

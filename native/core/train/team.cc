#include "core/train/team.h"

#include <new>
#include <stdexcept>

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
  if (!failed_) return;
  failed_ = false;
  if (out_of_memory_) throw std::bad_alloc();
  throw std::runtime_error(why_);
}

void Team::work() {
  try {
    for (std::size_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < parts_;) (*part_)(i);
  } catch (const std::bad_alloc&) {
    failed(true, "");
  } catch (const std::exception& e) {
    failed(false, e.what());
  }
}

// The first of them is told.
void Team::failed(bool out_of_memory, const char* why) {
  const std::lock_guard<std::mutex> lock(failure_);
  if (failed_) return;
  failed_ = true;
  out_of_memory_ = out_of_memory;
  why_ = why;
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

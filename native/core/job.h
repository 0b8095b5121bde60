// What a stage tells the outside while it works, and what the outside may ask of it. Three numbers that the
// other side may read and write at any time, from any thread: in the addon they live in memory shared with
// JavaScript.
#pragma once
#include <cstddef>
#include <cstdint>

#ifdef __wasm__
// The one thread is busy: whoever watches is told here, and may cancel.
extern "C" __attribute__((import_module("exolam"), import_name("tick"))) void exolam_tick(
    std::int32_t* control);
#endif

namespace exo {

class Job {
 public:
  // control (3): cancelled, done, total.
  Job(std::int32_t* control, std::size_t threads) : threads(threads ? threads : 1), control_(control) {}
  bool cancelled() const { return __atomic_load_n(control_, __ATOMIC_RELAXED) != 0; }
  // What kernels poll in the middle of a long piece of work.
  const std::int32_t* stop() const { return control_; }
  void cancel() { __atomic_store_n(control_, 1, __ATOMIC_RELAXED); }
  void advance() {
    __atomic_fetch_add(control_ + 1, 1, __ATOMIC_RELAXED);
#ifdef __wasm__
    exolam_tick(control_);
#endif
  }
  void expect(std::size_t total) {
    __atomic_store_n(control_ + 2, static_cast<std::int32_t>(total), __ATOMIC_RELAXED);
  }

  const std::size_t threads;

 private:
  std::int32_t* control_;
};

}  // namespace exo

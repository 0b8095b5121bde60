// A few threads that go through short phases together, many thousand times a second: a step of training has
// four, and starting threads would take longer than most of them.
#pragma once
#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace exo {

class Team {
 public:
  explicit Team(std::size_t threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  std::size_t size() const { return others_.size() + 1; }

  // part(0) .. part(parts - 1), once each, on all threads; returns when all have ended. Memory that
  // a part did not get, and what else one throws, is thrown here: as bad_alloc, or a runtime_error of its
  // words.
  void run(std::size_t parts, const std::function<void(std::size_t)>& part);

 private:
  void work();
  void follow();
  void failed(bool out_of_memory, const char* why);

  std::vector<std::thread> others_;
  std::atomic<std::uint64_t> phase_{0};  // odd or even, whatever: another number is another phase
  std::atomic<std::size_t> next_{0}, busy_{0};
  std::atomic<bool> ended_{false};
  std::size_t parts_ = 0;
  const std::function<void(std::size_t)>* part_ = nullptr;
  // What a part threw; not an exception_ptr, which needs a libstdc++ of this year.
  std::mutex failure_;
  bool failed_ = false, out_of_memory_ = false;
  std::string why_;
};

}  // namespace exo

// The harness of the native tests: named checks, each a function with any number of expectations. A program
// runs those checks whose name contains the filter:  <program> [filter] [--seed n].  Exit 1 when one fails or
// none was run; the last line is "N passed, N failed".
#pragma once
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace exo::test {

class Checks {
 public:
  Checks(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
      if (std::strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
        seed_ = std::strtoull(argv[++i], nullptr, 10);
      else
        filter_ = argv[i];
    }
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed_));
  }

  std::uint64_t seed() const { return seed_; }

  // Runs body() unless the filter leaves it out.
  template <class Body>
  void run(const std::string& name, Body body) {
    if (name.find(filter_) == std::string::npos) return;
    expected_ = failed_here_ = 0;
    name_ = name;
    body();
    if (expected_ == 0) that(false, "nothing was expected");
    std::printf("%s %s (%ld expectations)\n", failed_here_ ? "FAIL" : "ok  ", name.c_str(), expected_);
    ++(failed_here_ ? failed_ : passed_);
  }

  // One expectation, described for the case that it fails. Returns it.
  __attribute__((format(printf, 3, 4))) bool that(bool holds, const char* format, ...) {
    ++expected_;
    if (holds) return true;
    if (++failed_here_ <= 5) {
      std::printf("     %s: ", name_.c_str());
      std::va_list arguments;
      va_start(arguments, format);
      std::vprintf(format, arguments);
      va_end(arguments);
      std::printf("\n");
    }
    return false;
  }

  // value <= limit; a NaN fails.
  bool below(double value, double limit, const std::string& what) {
    return that(value <= limit, "%s is %.3g, not at most %.3g", what.c_str(), value, limit);
  }

  int finish() const {
    if (passed_ + failed_ == 0) std::printf("no check matches '%s'\n", filter_.c_str());
    std::printf("%d passed, %d failed\n", passed_, failed_);
    return failed_ || passed_ == 0 ? 1 : 0;
  }

 private:
  std::uint64_t seed_ = 20240607;
  std::string filter_, name_;
  long expected_ = 0, failed_here_ = 0;
  int passed_ = 0, failed_ = 0;
};

// Uniform numbers in [-1, 1) that are the same on every platform (splitmix64).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t bits() {
    std::uint64_t x = state_ += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
  }
  double uniform() { return static_cast<double>(static_cast<std::int64_t>(bits()) >> 10) * 0x1p-53; }

 private:
  std::uint64_t state_;
};

}  // namespace exo::test

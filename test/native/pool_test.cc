// The threads that all stages share (core/pool.h): every task once, calls inside calls, calls beside calls,
// failures, cancellation.
#include "core/pool.h"

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include "check.h"

using namespace exo;
using exo::test::Checks;

namespace {

struct Control {
  std::int32_t numbers[3] = {0, 0, 0};
};

void every_task_once(Checks& checks) {
  for (const std::size_t threads : {1, 2, 5})
    for (const std::size_t tasks : {0, 1, 2, 3, 1000}) {
      Control control;
      Job job(control.numbers, threads);
      std::vector<std::atomic<int>> done(tasks);
      std::vector<std::atomic<int>> busy(threads);
      std::atomic<bool> shared{false};
      parallel_for(job, tasks, [&](std::size_t index, std::size_t worker) {
        // A worker's number is one thread's alone: scratch memory goes by it.
        if (worker >= threads || busy[worker].fetch_add(1) != 0) shared = true;
        ++done[index];
        busy[worker].fetch_sub(1);
      });
      bool once = true;
      for (const std::atomic<int>& count : done) once = once && count == 1;
      checks.that(once && !shared, "%zu tasks on %zu threads", tasks, threads);
      checks.that(control.numbers[1] == static_cast<std::int32_t>(tasks), "progress is %d",
                  control.numbers[1]);
    }
}

void calls_inside_calls(Checks& checks) {
  Control control;
  const Job job(control.numbers, 4);
  std::atomic<long> sum{0};
  in_parallel(job, 20, [&](std::size_t i, std::size_t) {
    in_parallel(job, 20, [&](std::size_t j, std::size_t) {
      in_parallel(job, 5,
                  [&](std::size_t l, std::size_t) { sum += static_cast<long>((i * 20 + j) * 5 + l); });
    });
  });
  checks.that(sum == 1999L * 2000 / 2, "the sum is %ld", sum.load());
}

void calls_beside_calls(Checks& checks) {
  std::vector<std::thread> callers;
  std::atomic<long> sum{0};
  for (int c = 0; c < 6; ++c)
    callers.emplace_back([&] {
      Control control;
      const Job job(control.numbers, 3);
      for (int round = 0; round < 200; ++round)
        in_parallel(job, 7, [&](std::size_t i, std::size_t) { sum += static_cast<long>(i); });
    });
  for (std::thread& t : callers) t.join();
  checks.that(sum == 6 * 200 * 21, "the sum is %ld", sum.load());
}

void failures(Checks& checks) {
  Control control;
  const Job job(control.numbers, 3);
  bool thrown = false;
  try {
    in_parallel(job, 100, [](std::size_t i, std::size_t) {
      if (i == 17) throw std::runtime_error("17");
    });
  } catch (const std::runtime_error& error) {
    thrown = std::string(error.what()) == "17";
  }
  checks.that(thrown, "a task's exception did not reach the caller");
  std::atomic<int> after{0};
  in_parallel(job, 50, [&](std::size_t, std::size_t) { ++after; });
  checks.that(after == 50, "after it, %d of 50 tasks", after.load());
}

void cancellation(Checks& checks) {
  Control control;
  Job job(control.numbers, 3);
  std::atomic<int> done{0};
  in_parallel(job, 100000, [&](std::size_t, std::size_t) {
    if (++done == 10) job.cancel();
  });
  checks.that(done >= 10 && done < 100, "%d tasks after it was cancelled at 10", done.load());
}

}  // namespace

int main(int argc, char** argv) {
  Checks checks(argc, argv);
  checks.run("every task once", [&] { every_task_once(checks); });
  checks.run("calls inside calls", [&] { calls_inside_calls(checks); });
  checks.run("calls beside calls", [&] { calls_beside_calls(checks); });
  checks.run("failures", [&] { failures(checks); });
  checks.run("cancellation", [&] { cancellation(checks); });
  return checks.finish();
}

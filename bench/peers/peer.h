// What the peers in C++ share: tasks in, lines of JSON out, as numpy_peer.py has them.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <functional>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

constexpr long FEW = 8;

struct Task {
  std::string name, kind;
  long n, m, items;
  std::vector<double> input;
};

// A line of tab-separated fields: case, kind, n, m, items, the file of its input.
inline bool next(Task& task) {
  std::string line;
  if (!std::getline(std::cin, line)) return false;
  std::istringstream in(line);
  std::string fields[6];
  for (std::string& field : fields) std::getline(in, field, '\t');
  task = {fields[0],          fields[1], atol(fields[2].c_str()), atol(fields[3].c_str()), atol(fields[4].c_str()),
          std::vector<double>()};
  std::ifstream file(fields[5], std::ios::binary | std::ios::ate);
  task.input.resize(static_cast<std::size_t>(file.tellg()) / sizeof(double));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(task.input.data()), task.input.size() * sizeof(double));
  return true;
}

inline void announce(const char* peer, const std::string& version) {
  printf("{\"peer\": \"%s\", \"version\": \"%s\"}\n", peer, version.c_str());
}

// run(k) does the first k items; figures() are those of the last run.
inline void measure(const Task& task, const char* peer, const char* detail, double seconds,
                    const std::function<void(long)>& run, const std::function<std::vector<double>()>& figures) {
  run(std::min(FEW, task.items));
  const std::vector<double> found = figures();
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point t) { return std::chrono::duration<double>(Clock::now() - t).count(); };
  const auto processor = [] {
    timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  };
  run(task.items);
  std::vector<double> cpu, wall;
  const Clock::time_point start = Clock::now();
  while (cpu.size() < 3 || since(start) < seconds) {
    const Clock::time_point clock = Clock::now();
    const double before = processor();
    run(task.items);
    cpu.push_back(processor() - before);
    wall.push_back(since(clock));
  }
  std::sort(cpu.begin(), cpu.end());
  std::sort(wall.begin(), wall.end());
  const double items = static_cast<double>(task.items);
  printf("{\"case\": \"%s\", \"peer\": \"%s\", \"detail\": \"%s\", \"seconds\": %.17g, \"wall\": %.17g, "
         "\"wallMedian\": %.17g, \"items\": %ld, \"samples\": %zu, \"figures\": [",
         task.name.c_str(), peer, detail, cpu[0] / items, wall[0] / items, wall[wall.size() / 2] / items, task.items,
         cpu.size());
  for (std::size_t i = 0; i < found.size(); ++i) printf(i ? ",%.17g" : "%.17g", found[i]);
  printf("]}\n");
  fflush(stdout);
}

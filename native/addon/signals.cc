#include "addon/signals.h"

#if defined(_WIN32) || defined(__wasm__)

namespace exo {
Napi::Value guard_signals(const Napi::CallbackInfo& call) { return call.Env().Undefined(); }
Napi::Value track_group(const Napi::CallbackInfo& call) { return call.Env().Undefined(); }
}  // namespace exo

#else

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>
#include <cerrno>

#include <atomic>
#include <thread>

namespace exo {
namespace {

constexpr int INTERRUPTED = 130;
constexpr char MESSAGE[] = "exolam: interrupted\n";

int pipe_ends[2] = {-1, -1};
struct sigaction previous[2];
constexpr int SIGNALS[2] = {SIGINT, SIGTERM};

// What JavaScript has to end by itself; below 0 as long as it needs, or until a second signal.
std::atomic<int> grace{0};

// Groups are few: each decoder is one.
std::atomic<pid_t> groups[64];

// Only what a signal handler may do: the handler that was there, and one byte for the thread that waits.
void on_signal(int signal) {
  const struct sigaction& before = previous[signal == SIGTERM ? 1 : 0];
  if (!(before.sa_flags & SA_SIGINFO) && before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN)
    before.sa_handler(signal);
  const char byte = 0;
  (void)!write(pipe_ends[1], &byte, 1);
}

[[noreturn]] void end() {
  for (std::atomic<pid_t>& group : groups) {
    const pid_t pid = group.load();
    if (pid > 0) kill(-pid, SIGKILL);
  }
  (void)!write(STDERR_FILENO, MESSAGE, sizeof MESSAGE - 1);
  _exit(INTERRUPTED);
}

bool next_byte() {
  char byte;
  ssize_t got;
  do got = read(pipe_ends[0], &byte, 1);
  while (got < 0 && errno == EINTR);
  return got == 1;
}

void watch() {
  if (!next_byte()) return;
  pollfd second{pipe_ends[0], POLLIN, 0};
  while (poll(&second, 1, grace.load()) < 0 && errno == EINTR) {
  }
  end();
}

}  // namespace

Napi::Value guard_signals(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  if (call.Length() != 1 || !call[0].IsNumber())
    throw Napi::TypeError::New(env, "guardSignals: expected milliseconds");
  grace.store(call[0].As<Napi::Number>().Int32Value());
  if (pipe_ends[0] >= 0) return env.Undefined();
  if (pipe(pipe_ends) != 0) throw Napi::Error::New(env, "guardSignals: no pipe");
  for (const int fd : pipe_ends) fcntl(fd, F_SETFD, FD_CLOEXEC);
  // A handler must not wait for a thread that has stopped reading.
  fcntl(pipe_ends[1], F_SETFL, O_NONBLOCK);
  std::thread(watch).detach();
  for (int s = 0; s < 2; ++s) {
    struct sigaction action{};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigfillset(&action.sa_mask);
    sigaction(SIGNALS[s], &action, &previous[s]);
  }
  return env.Undefined();
}

Napi::Value track_group(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  if (call.Length() != 2 || !call[0].IsNumber())
    throw Napi::TypeError::New(env, "trackGroup: expected a process and whether it runs");
  const auto pid = static_cast<pid_t>(call[0].As<Napi::Number>().Int32Value());
  const bool running = call[1].ToBoolean();
  if (pid > 1) {
    for (std::atomic<pid_t>& group : groups) {
      pid_t expected = running ? 0 : pid;
      if (group.compare_exchange_strong(expected, running ? pid : 0)) break;
    }
  }
  return env.Undefined();
}

}  // namespace exo

#endif

// What today's headers call of libstdc++ and what that of 2018 (GLIBCXX_3.4.25: Debian 10, RHEL 8) has not,
// so that a binary built here loads there: scripts/glibc.mjs looks. With older-glibc.h the only place that
// knows.
#if defined(__linux__)
#include <condition_variable>
#include <mutex>
#include <new>
#if defined(__GLIBCXX__) && __GLIBCXX__ >= 20210427  // GCC 11
#include <pthread.h>

namespace std {

void __throw_bad_array_new_length() { throw bad_array_new_length(); }

#if __GLIBCXX__ >= 20220506  // GCC 12
void condition_variable::wait(unique_lock<mutex>& lock) noexcept {
  pthread_cond_wait(native_handle(), lock.mutex()->native_handle());
}
#endif

}  // namespace std

// Whether counters of shared pointers may do without atomic operations: never. glibc has it from 2.32 on.
extern "C" {
__attribute__((visibility("hidden"))) char __libc_single_threaded = 0;
}
#endif
#endif

#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#ifdef _OPENMP
#include <omp.h>
#if __has_include(<unistd.h>)
#include <unistd.h>
#define LAZYGUMBEL_MAY_FORK 1
#endif
#endif

namespace lazygumbel {

namespace detail {

#ifdef LAZYGUMBEL_MAY_FORK
/// The process in which `parallel_for` first used threads; 0 before.
inline std::atomic<pid_t> threaded_process{0};
#endif

/// False in a child that fork made after `parallel_for` had used threads: OpenMP would wait there
/// for threads that only the parent has.
inline bool may_use_threads() noexcept {
#ifdef LAZYGUMBEL_MAY_FORK
  const pid_t process = threaded_process.load(std::memory_order_relaxed);
  return process == 0 || process == getpid();
#else
  return true;
#endif
}

}  // namespace detail

/// The threads that `parallel_for` uses for `threads` asked: 0 means all that OpenMP offers, never
/// more than there is work, nor more than 1,024 or all processors, whichever is more, since OpenMP
/// ends a program for which the system has no more threads; 1 without OpenMP, and in a child that
/// fork made after `parallel_for` had used threads.
inline std::size_t usable_threads(std::size_t threads, std::size_t work) noexcept {
#ifdef _OPENMP
  if (threads == 0) threads = static_cast<std::size_t>((std::max)(1, omp_get_max_threads()));
  threads = (std::min)(threads, static_cast<std::size_t>((std::max)(1024, omp_get_num_procs())));
#else
  threads = 1;
#endif
  threads = (std::max)(std::size_t{1}, (std::min)(threads, work));
  return threads > 1 && !detail::may_use_threads() ? 1 : threads;
}

/// Calls body(i) for i = 0 .. count-1, each once, in no stated order, on at most `threads` threads
/// (0: all), as many as `usable_threads` says. Eigen's products inside run on one thread each, so
/// nothing is oversubscribed. The first exception stops the remaining work and is rethrown here.
template <class Body>
void parallel_for(std::size_t count, std::size_t threads, Body&& body) {
  std::exception_ptr error;
  std::mutex error_guard;
  std::atomic<std::size_t> next{0};
  std::atomic<bool> failed{false};
  const auto work = [&]() noexcept {
    for (std::size_t i; !failed.load(std::memory_order_relaxed) &&
                        (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) {
      try {
        body(i);
      } catch (...) {
        const std::lock_guard lock(error_guard);
        if (!error) error = std::current_exception();
        failed.store(true, std::memory_order_relaxed);
      }
    }
  };
#ifdef _OPENMP
  // What Eigen reads before it splits a product is a setting of the task: of each thread of a team,
  // or of this one for the time being. One thread needs no team, for which OpenMP takes memory and
  // ends the program when it gets none.
  const int team = static_cast<int>(usable_threads(threads, count));
  if (team == 1) {
    const int before = omp_get_max_threads();
    omp_set_num_threads(1);
    work();
    omp_set_num_threads(before);
  } else {
#ifdef LAZYGUMBEL_MAY_FORK
    pid_t none = 0;
    detail::threaded_process.compare_exchange_strong(none, getpid(), std::memory_order_relaxed);
#endif
#pragma omp parallel num_threads(team)
    {
      omp_set_num_threads(1);
      work();
    }
  }
#else
  static_cast<void>(threads);
  work();
#endif
  if (error) std::rethrow_exception(error);
}

}  // namespace lazygumbel

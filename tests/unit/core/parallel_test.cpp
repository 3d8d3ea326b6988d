#include <gtest/gtest.h>

#include <Eigen/Core>
#include <atomic>
#include <lazygumbel/core/parallel.hpp>
#include <memory>
#include <message_of.hpp>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#if __has_include(<sys/wait.h>)
#include <sys/wait.h>
#include <unistd.h>
#endif

namespace lazygumbel::testing {
namespace {

TEST(ParallelFor, CallsEachIndexOnce) {
  for (const std::size_t threads : {0, 1, 2, 8})
    for (const std::size_t count : {1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> calls(count);
      parallel_for(count, threads, [&](std::size_t i) { ++calls.at(i); });
      for (std::size_t i = 0; i < count; ++i)
        ASSERT_EQ(calls[i], 1) << i << " of " << count << ", " << threads << " threads";
    }
}

TEST(ParallelFor, WithNothingToDoCallsNothing) {
  for (const std::size_t threads : {0, 1, 8})
    parallel_for(0, threads, [](std::size_t) { FAIL() << "called"; });
}

TEST(ParallelFor, OneThreadIsTheCallersAndInOrder) {
  std::vector<std::size_t> order;
  const auto caller = std::this_thread::get_id();
  parallel_for(100, 1, [&](std::size_t i) {
    order.push_back(i);
    EXPECT_EQ(std::this_thread::get_id(), caller);
  });
  ASSERT_EQ(order.size(), 100u);
  for (std::size_t i = 0; i < 100; ++i) EXPECT_EQ(order[i], i);
}

TEST(ParallelFor, NeverUsesMoreThreadsThanAsked) {
  std::mutex guard;
  std::set<std::thread::id> seen;
  parallel_for(200, 2, [&](std::size_t) {
    const std::lock_guard lock(guard);
    seen.insert(std::this_thread::get_id());
  });
  EXPECT_LE(seen.size(), 2u);
}

TEST(ParallelFor, RethrowsAnExceptionAndStopsTheRest) {
  for (const std::size_t threads : {1, 2, 8}) {
    std::atomic<std::size_t> calls{0};
    EXPECT_EQ(message_of<std::runtime_error>([&] {
                parallel_for(100000, threads, [&](std::size_t i) {
                  ++calls;
                  if (i == 10) throw std::runtime_error("at ten");
                  // Others are kept from racing through everything before number 10 throws.
                  if (i > 10) std::this_thread::yield();
                });
              }),
              "at ten");
    EXPECT_GE(calls, 1u);
    if (threads == 1) {
      EXPECT_EQ(calls, 11u);
    }
  }
}

TEST(ParallelFor, AllBodiesThrowingGivesOneException) {
  for (const std::size_t threads : {1, 2, 8})
    EXPECT_THROW(parallel_for(50, threads, [](std::size_t) { throw std::logic_error("each"); }),
                 std::logic_error);
}

TEST(ParallelFor, IsUsableAgainAfterAnException) {
  EXPECT_THROW(parallel_for(8, 8, [](std::size_t) { throw 1; }), int);
  std::atomic<int> calls{0};
  parallel_for(8, 8, [&](std::size_t) { ++calls; });
  EXPECT_EQ(calls, 8);
}

TEST(ParallelFor, MayBeNested) {
  std::atomic<int> calls{0};
  parallel_for(4, 2, [&](std::size_t) { parallel_for(5, 2, [&](std::size_t) { ++calls; }); });
  EXPECT_EQ(calls, 20);
}

TEST(ParallelFor, EigenUsesOneThreadInsideAndItsOwnNumberAgainAfterwards) {
  const int before = Eigen::nbThreads();
  std::atomic<int> most{0};
  parallel_for(8, 2, [&](std::size_t) {
    if (Eigen::nbThreads() > 1) most = Eigen::nbThreads();
  });
  EXPECT_EQ(most, 0);
  EXPECT_EQ(Eigen::nbThreads(), before);
}

TEST(ParallelFor, TakesABodyThatCannotBeCopied) {
  int sum = 0;
  parallel_for(3, 1, [&sum, step = std::make_unique<int>(2)](std::size_t) { sum += *step; });
  EXPECT_EQ(sum, 6);
}

TEST(UsableThreads, IsAtLeastOneAndAtMostTheWork) {
  for (const std::size_t threads : {0, 1, 2, 8})
    for (const std::size_t work : {0, 1, 5}) {
      EXPECT_GE(usable_threads(threads, work), 1u);
      EXPECT_LE(usable_threads(threads, work), work > 0 ? work : 1u);
    }
#ifdef _OPENMP
  EXPECT_EQ(usable_threads(3, 100), 3u);
  EXPECT_EQ(usable_threads(8, 2), 2u);
#else
  EXPECT_EQ(usable_threads(8, 100), 1u);
#endif
}

// More than the system has: OpenMP would end the program.
TEST(ParallelFor, TakesAnyNumberOfThreads) {
  constexpr std::size_t count = 200000;
  std::atomic<std::size_t> calls{0};
  for (const std::size_t threads : {count, ~std::size_t{0}}) {
    EXPECT_LT(usable_threads(threads, count), count);
    parallel_for(count, threads, [&](std::size_t) { ++calls; });
  }
  EXPECT_EQ(calls, 2 * count);
}

#if defined(_OPENMP) && __has_include(<sys/wait.h>)
#if defined(__SANITIZE_THREAD__)
constexpr bool may_fork = false;
#elif defined(__has_feature)
constexpr bool may_fork = !__has_feature(thread_sanitizer);
#else
constexpr bool may_fork = true;
#endif

/// The exit code of a child that calls body(), ended after ten seconds; -1 if it was.
template <class Body>
int exit_code_of_a_child(Body&& body) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(10);
    _exit(body());
  }
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status)
                                                                               : -1;
}

/// The sum 0 + .. + 99, by threads.
int threaded_sum() {
  std::atomic<int> sum{0};
  parallel_for(100, 2, [&](std::size_t i) { sum += static_cast<int>(i); });
  return sum;
}

TEST(ParallelFor, RunsInAChildOfAThreadedProcess) {
  if (!may_fork) GTEST_SKIP() << "ThreadSanitizer does not allow it";
  ASSERT_EQ(threaded_sum(), 4950);
  EXPECT_EQ(exit_code_of_a_child([] {
              const bool serial = usable_threads(2, 100) == 1 && usable_threads(0, 100) == 1;
              // A grandchild has no threads to wait for either.
              const int of_a_child = exit_code_of_a_child([] { return threaded_sum() / 100; });
              return serial && of_a_child == 49 ? threaded_sum() / 100 : 1;
            }),
            49);
  EXPECT_EQ(usable_threads(2, 100), 2u);
  EXPECT_EQ(threaded_sum(), 4950);
}
#endif

}  // namespace
}  // namespace lazygumbel::testing

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <lazygumbel/core/detail/pool.hpp>
#include <memory>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace lazygumbel::testing {
namespace {

using lazygumbel::detail::Pool;

/// Borrows an int from `pool`; `made` counts the calls of make.
int& borrow_number(const Pool<int>& pool, int& made) {
  return pool.borrow([&] { return ++made; }, [](int& number) -> int& { return number; });
}

TEST(Pool, MakesOnceAndReuses) {
  const Pool<int> pool;
  int made = 0;
  const int* const first = &borrow_number(pool, made);
  const int* const second = &borrow_number(pool, made);
  EXPECT_EQ(first, second);
  EXPECT_EQ(made, 1);
}

TEST(Pool, GivesBackWhatUseReturnsByValueAndVoid) {
  const Pool<int> pool;
  EXPECT_EQ(pool.borrow([] { return 4; }, [](int& number) { return number + 1; }), 5);
  static_assert(
      std::is_void_v<decltype(pool.borrow([] { return 4; }, [](int& number) { number = 6; }))>);
  pool.borrow([] { return 0; }, [](int& number) { number = 6; });
  EXPECT_EQ(pool.borrow([] { return 0; }, [](int& number) { return number; }), 6);
}

TEST(Pool, NestedBorrowersHaveObjectsOfTheirOwn) {
  const Pool<int> pool;
  int made = 0;
  const auto make = [&] { return ++made; };
  for (int round = 0; round < 2; ++round)
    pool.borrow(make, [&](int& outer) {
      pool.borrow(make, [&](int& inner) { EXPECT_NE(&outer, &inner); });
    });
  EXPECT_EQ(made, 2);
}

TEST(Pool, WhatIsAssignedToStartsEmpty) {
  Pool<int> pool;
  int made = 0;
  const auto make = [&] { return ++made; };
  const auto number = [](int& value) { return value; };
  EXPECT_EQ(pool.borrow(make, number), 1);
  pool = Pool<int>();
  EXPECT_EQ(pool.borrow(make, number), 2);
}

TEST(Pool, DropsAnObjectWhoseUseThrows) {
  const Pool<int> pool;
  int made = 0;
  const auto make = [&] { return ++made; };
  EXPECT_THROW(pool.borrow(make, [](int&) -> int { throw std::runtime_error("use"); }),
               std::runtime_error);
  EXPECT_EQ(pool.borrow(make, [](int& number) { return number; }), 2);
}

TEST(Pool, ThrowsWhatMakeThrows) {
  const Pool<int> pool;
  EXPECT_THROW(pool.borrow([]() -> int { throw std::runtime_error("make"); }, [](int&) {}),
               std::runtime_error);
}

TEST(Pool, KeepsAnObjectThatIsUsedWhileAnotherExceptionUnwinds) {
  const Pool<int> pool;
  int made = 0;
  struct BorrowsWhenDestroyed {
    const Pool<int>& pool;
    int& made;
    ~BorrowsWhenDestroyed() { borrow_number(pool, made); }
  };
  try {
    const BorrowsWhenDestroyed guard{pool, made};
    throw std::runtime_error("unwinding");
  } catch (const std::runtime_error&) {
  }
  borrow_number(pool, made);
  EXPECT_EQ(made, 1);
}

TEST(Pool, CopiesStartEmpty) {
  const Pool<int> pool;
  int made = 0;
  const int* const first = &borrow_number(pool, made);
  const Pool<int> copy(pool);
  Pool<int> assigned;
  assigned = pool;
  EXPECT_NE(&borrow_number(copy, made), first);
  EXPECT_NE(&borrow_number(assigned, made), first);
  EXPECT_EQ(made, 3);
  EXPECT_EQ(&borrow_number(pool, made), first);
  static_assert(std::is_copy_constructible_v<Pool<std::unique_ptr<int>>>);
}

TEST(Pool, NoTwoThreadsShareAnObject) {
  struct Counter {
    std::size_t count = 0;
    std::atomic<int> users = 0;
    Counter() = default;
    Counter(Counter&& other) noexcept : count(other.count) {}
  };
  const Pool<Counter> pool;
  std::atomic<int> made = 0, shared = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i)
        pool.borrow(
            [&] {
              ++made;
              return Counter();
            },
            [&](Counter& counter) {
              if (counter.users++ > 0) ++shared;
              ++counter.count;
              --counter.users;
            });
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(shared, 0);
  EXPECT_LE(made, 4);
  std::size_t total = 0;
  std::vector<const Counter*> seen;
  const int all = made;
  // All of them are idle now: nested borrows get every one.
  const auto visit = [&](auto&& self, int depth) -> void {
    if (depth == all) return;
    pool.borrow([] { return Counter(); },
                [&](Counter& counter) {
                  total += counter.count;
                  seen.push_back(&counter);
                  self(self, depth + 1);
                });
  };
  visit(visit, 0);
  EXPECT_EQ(total, 80'000u);
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(std::adjacent_find(seen.begin(), seen.end()), seen.end());
}

}  // namespace
}  // namespace lazygumbel::testing

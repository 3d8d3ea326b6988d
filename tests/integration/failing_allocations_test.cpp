// What memory that runs out leaves behind: each allocation by operator new fails in turn, and what
// was to change must be as it was. Eigen takes memory for matrices by malloc, which does not fail
// here.

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <lazygumbel/attention/cache/exact_kv_cache.hpp>
#include <lazygumbel/index/quantized/scalar_quantized_index.hpp>
#include <new>
#include <span>
#include <vector>

#include "laws.hpp"

namespace {

/// Allocations that succeed before one fails; negative: none does.
std::atomic<long> allowed{-1};

void* allocate(std::size_t size, std::size_t alignment) {
  if (allowed.load() >= 0 && allowed.fetch_sub(1) == 0) throw std::bad_alloc();
  void* const memory = std::aligned_alloc(alignment, (size / alignment + 1) * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

[[gnu::noinline]] void* operator new(std::size_t size) {
  return allocate(size, alignof(std::max_align_t));
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace lazygumbel::testing {
namespace {

/// Calls change() with ever more memory until it succeeds, unchanged() after each failure. Returns
/// the number of failures.
template <class Change, class Unchanged>
int fail_in_turn(Change&& change, Unchanged&& unchanged) {
  for (int failures = 0;; ++failures) {
    allowed = failures;
    try {
      change();
      allowed = -1;
      return failures;
    } catch (const std::bad_alloc&) {
      allowed = -1;
    }
    unchanged();
  }
}

TEST(FailingAllocations, AddingRowsToCodes) {
  const RowMatrix<float> rows = gaussian_rows<float>(300, 24, 1);
  const Vector<float> query = gaussian_query<float>(24, 2);
  for (const int bits : {4, 8})
    for (const std::size_t before : {64u, 100u}) {  // a full last tile, and one with padding
      const auto first = static_cast<Eigen::Index>(before);
      ScalarQuantizedIndex<float> index(RowMatrix<float>(rows.topRows(first)), {.bits = bits});
      const auto expect_bounds = [&](std::size_t size) {
        ASSERT_EQ(index.size(), size);
        std::vector<float> lower(size), upper(size);
        index.score_bounds(query, lower, upper);
        for (std::size_t i = 0; i < size; ++i) {
          const double score = index.score(query, static_cast<item_id>(i));
          EXPECT_LE(static_cast<double>(lower[i]), score) << i;
          EXPECT_GE(static_cast<double>(upper[i]), score) << i;
        }
        Retrieval found;
        index.search(query, 10, found);
        for (const item_id id : found.ids) EXPECT_LT(id, size);
      };
      const int failures = fail_in_turn([&] { index.add(rows.bottomRows(300 - first)); },
                                        [&] { expect_bounds(before); });
      EXPECT_GE(failures, 4);
      expect_bounds(300);
    }
}

TEST(FailingAllocations, AppendingTokens) {
  const RowMatrix<float> keys = gaussian_rows<float>(400, 8, 3),
                         values = gaussian_rows<float>(400, 4, 4);
  KeyValueCache<float> cache(1, 8, 4);
  const auto append = [&](Eigen::Index first, Eigen::Index count) {
    cache.append(HeadsView<float>(keys.middleRows(first, count), 1),
                 HeadsView<float>(values.middleRows(first, count), 1));
  };
  append(0, 100);
  const double norm = cache.largest_key_norm(0);
  const int failures = fail_in_turn([&] { append(100, 300); },
                                    [&] {
                                      EXPECT_EQ(cache.tokens_seen(), 100u);
                                      EXPECT_EQ(cache.largest_key_norm(0), norm);
                                    });
  EXPECT_GE(failures, 2);
  EXPECT_EQ(cache.tokens_seen(), 400u);
}

}  // namespace
}  // namespace lazygumbel::testing

#include <gtest/gtest.h>

#include <algorithm>
#include <lazygumbel/index/detail/top_k.hpp>
#include <lazygumbel/random/philox.hpp>
#include <utility>
#include <vector>

#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

using Pairs = std::vector<std::pair<double, item_id>>;

/// The k best by score, ties by the smaller id.
Pairs sorted(Pairs all, std::size_t k) {
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  all.resize(std::min(k, all.size()));
  return all;
}

/// n pairs with scores 0 .. distinct-1, ids in mixed order.
Pairs stream(std::size_t n, std::uint64_t distinct, std::uint64_t seed) {
  lazygumbel::PhiloxEngine engine(seed);
  Pairs all;
  for (item_id id = 0; id < n; ++id)
    all.emplace_back(static_cast<double>(engine() % distinct), (id * 7919) % n);
  return all;
}

TEST(TopK, AgreesWithSortingAlsoWithTies) {
  std::uint64_t seed = 0;
  for (const std::size_t n : {1, 2, 10, 503})
    for (const std::size_t k : {1, 2, 3, 10, 100, 503, 1000})
      for (const std::uint64_t distinct : {1, 2, 20, 1000000}) {
        const Pairs all = stream(n, distinct, ++seed);
        TopK<double> every(k), screened(k);
        for (const auto& [score, id] : all) {
          every.push(score, id);
          if (score >= screened.threshold()) screened.push(score, id);
        }
        EXPECT_EQ(every.finish(), sorted(all, k)) << n << " " << k << " " << distinct;
        EXPECT_EQ(screened.finish(), sorted(all, k)) << n << " " << k << " " << distinct;
      }
}

TEST(TopK, TakesInfinities) {
  TopK<double> best(3);
  EXPECT_EQ(best.threshold(), -infinity);
  best.push(-infinity, 4);
  best.push(-infinity, 1);
  best.push(0.0, 2);
  best.push(infinity, 3);
  EXPECT_EQ(best.finish(), (Pairs{{infinity, 3}, {0.0, 2}, {-infinity, 1}}));
}

TEST(TopK, ThresholdNeverPassesTheKthBest) {
  const Pairs all = stream(2000, 100000, 77);
  TopK<double> best(10);
  Pairs so_far;
  for (const auto& pair : all) {
    best.push(pair.first, pair.second);
    so_far.push_back(pair);
    if (so_far.size() >= 10) {
      EXPECT_LE(best.threshold(), sorted(so_far, 10).back().first);
    }
  }
  best.finish();
  EXPECT_EQ(best.threshold(), sorted(all, 10).back().first);
}

TEST(TopK, OfNothingAndOfZero) {
  TopK<float> none(5);
  EXPECT_TRUE(none.finish().empty());
  TopK<float> zero(0);
  for (item_id id = 0; id < 10; ++id) zero.push(1.0f, id);
  EXPECT_TRUE(zero.finish().empty());
}

}  // namespace
}  // namespace lazygumbel::testing

#include <gtest/gtest.h>

#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/sampling/exhaustive.hpp>

#include "laws.hpp"

namespace lazygumbel::testing {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
using Scores = std::vector<double>;

std::span<const double> view(const Scores& scores) { return scores; }

TEST(GumbelMax, OneItemIsAlwaysDrawn) {
  PhiloxEngine engine(1);
  const Draw draw = gumbel_max(view({-3.0}), engine);
  EXPECT_EQ(draw.id, 0U);
  EXPECT_EQ(draw.trace.head_size, 1U);
  EXPECT_EQ(draw.trace.guarantee, Guarantee::certified());
}

TEST(GumbelMax, SpansBlocksOfNoise) {  // 256 to a block: the best item in each position
  for (const std::size_t best : {0U, 255U, 256U, 511U, 512U, 599U}) {
    Scores scores(600, 0.0);
    scores[best] = 1e4;
    PhiloxEngine engine(best);
    EXPECT_EQ(gumbel_max(view(scores), engine).id, best);
  }
}

TEST(GumbelMax, SameEngineSameDraw) {
  const Scores scores(300, 0.5);
  PhiloxEngine a(7), b(7);
  const Draw x = gumbel_max(view(scores), a), y = gumbel_max(view(scores), b);
  EXPECT_EQ(x.id, y.id);
  EXPECT_EQ(x.perturbed, y.perturbed);
  EXPECT_TRUE(a == b);
}

TEST(GumbelMax, IsTheFirstOfTheRanking) {
  const Scores scores(300, 0.5);
  PhiloxEngine a(8), b(8);
  EXPECT_EQ(gumbel_max(view(scores), a).id, gumbel_top_k(view(scores), 5, b).ids.front());
}

TEST(GumbelMax, RefusesBadScores) {
  PhiloxEngine engine(1);
  expect_throws<std::invalid_argument>([&] { gumbel_max(view({}), engine); },
                                       {"scores.size()", "0"});
  expect_throws<std::invalid_argument>(
      [&] {
        gumbel_max(view({0.0, nan}), engine);
      },
      {"scores[1]", "nan"});
  expect_throws<std::invalid_argument>(
      [&] {
        gumbel_max(view({infinity, 0.0}), engine);
      },
      {"scores[0]", "inf"});
  expect_throws<std::invalid_argument>(
      [&] {
        gumbel_max(view({-infinity, -infinity}), engine);
      },
      {"scores", "masked"});
}

TEST(GumbelTopK, AllItemsInSortedOrderWhenFarApart) {
  const Scores scores = {0.0, 3e4, 1e4, -1e4, 2e4};
  PhiloxEngine engine(1);
  const RankedDraws answer = gumbel_top_k(view(scores), 5, engine);
  EXPECT_EQ(answer.ids, (std::vector<item_id>{1, 4, 2, 0, 3}));
  EXPECT_TRUE(std::is_sorted(answer.perturbed.rbegin(), answer.perturbed.rend()));
}

TEST(GumbelTopK, MaskedItemsAreNotCounted) {
  const Scores scores = {0.0, -infinity, 1.0, -infinity};
  PhiloxEngine engine(1);
  for (int i = 0; i < 100; ++i)
    for (const item_id id : gumbel_top_k(view(scores), 2, engine).ids) EXPECT_EQ(id % 2, 0U);
  expect_throws<std::invalid_argument>([&] { gumbel_top_k(view(scores), 3, engine); },
                                       {"K = 3", "only 2 items are unmasked"});
}

TEST(GumbelTopK, RefusesBadCounts) {
  PhiloxEngine engine(1);
  expect_throws<std::invalid_argument>(
      [&] {
        gumbel_top_k(view({1.0, 2.0}), 0, engine);
      },
      {"K = 0"});
  expect_throws<std::invalid_argument>(
      [&] {
        gumbel_top_k(view({1.0, 2.0}), 3, engine);
      },
      {"K = 3", "n = 2"});
  expect_throws<std::invalid_argument>(
      [&] {
        gumbel_top_k(view({1.0, nan}), 1, engine);
      },
      {"scores[1]", "nan"});
}

}  // namespace
}  // namespace lazygumbel::testing

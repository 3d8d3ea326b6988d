#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/index/retrieval.hpp>
#include <limits>
#include <message_of.hpp>
#include <string>

namespace lazygumbel::testing {
namespace {

TEST(Guarantee, KindsHaveNames) {
  EXPECT_STREQ(name_of(Guarantee::assumed()), "assumed");
  EXPECT_STREQ(name_of(Guarantee::calibrated(0.1)), "calibrated");
  EXPECT_STREQ(name_of(Guarantee::certified()), "certified");
}

TEST(Guarantee, IsAssumedUnlessSaidOtherwise) {
  EXPECT_EQ(Guarantee{}, Guarantee::assumed());
  EXPECT_EQ(Retrieval().guarantee, Guarantee::assumed());
  EXPECT_NE(Guarantee::assumed(), Guarantee::certified());
  EXPECT_NE(Guarantee::calibrated(0.1), Guarantee::calibrated(0.2));
}

TEST(Guarantee, CalibratedKeepsItsAlphaAndRefusesOthers) {
  static_assert(Guarantee::calibrated(0.25).alpha == 0.25);
  const auto refusal = [](double alpha) {
    return message_of<std::invalid_argument>([&] { Guarantee::calibrated(alpha); });
  };
  EXPECT_EQ(refusal(0.0), "lazygumbel: alpha = 0: must lie in (0, 1)");
  EXPECT_EQ(refusal(1.0), "lazygumbel: alpha = 1: must lie in (0, 1)");
  EXPECT_EQ(refusal(std::numeric_limits<double>::quiet_NaN()),
            "lazygumbel: alpha = nan: must lie in (0, 1)");
}

TEST(Retrieval, ClearForgetsTheAnswerAndKeepsTheMemory) {
  Retrieval found;
  EXPECT_TRUE(std::isnan(found.residual_bound));
  found.ids.assign(100, 7);
  found.scores.assign(100, 1.0);
  found.residual_bound = 0.5;
  found.guarantee = Guarantee::certified();
  found.clear();
  EXPECT_TRUE(found.ids.empty() && found.scores.empty());
  EXPECT_TRUE(std::isnan(found.residual_bound));
  EXPECT_EQ(found.guarantee, Guarantee::assumed());
  EXPECT_GE(found.ids.capacity(), 100u);
  EXPECT_GE(found.scores.capacity(), 100u);
}

}  // namespace
}  // namespace lazygumbel::testing

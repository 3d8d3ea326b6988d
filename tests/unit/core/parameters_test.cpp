#include <gtest/gtest.h>

#include <lazygumbel/core/parameters.hpp>
#include <message_of.hpp>

#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

TEST(Confidence, TakesTheOpenUnitInterval) {
  static_assert(Confidence(0.95).level() == 0.95);
  EXPECT_EQ(Confidence(5e-324).level(), 5e-324);
  EXPECT_EQ(Confidence(1.0 - 0x1p-53).level(), 1.0 - 0x1p-53);
}

TEST(Confidence, RefusesTheRestNamingIt) {
  EXPECT_EQ(refusal([] { Confidence(0.0); }), "lazygumbel: confidence = 0: must lie in (0, 1)");
  EXPECT_EQ(refusal([] { Confidence(1.0); }), "lazygumbel: confidence = 1: must lie in (0, 1)");
  EXPECT_EQ(refusal([] { Confidence(95.0); }), "lazygumbel: confidence = 95: must lie in (0, 1)");
  EXPECT_EQ(refusal([] { Confidence(-0.5); }), "lazygumbel: confidence = -0.5: must lie in (0, 1)");
  EXPECT_EQ(refusal([] { Confidence{nan}; }), "lazygumbel: confidence = nan: must lie in (0, 1)");
  EXPECT_EQ(refusal([] { Confidence{infinity}; }),
            "lazygumbel: confidence = inf: must lie in (0, 1)");
}

TEST(Accuracy, KeepsItsTarget) {
  constexpr Accuracy relative(0.01, 0.05);
  static_assert(relative.epsilon() == 0.01 && relative.delta() == 0.05);
  static_assert(relative.scale() == ErrorScale::relative);
  constexpr Accuracy absolute(3.0, 0.5, ErrorScale::absolute);
  static_assert(absolute.scale() == ErrorScale::absolute && absolute.epsilon() == 3.0);
}

TEST(Accuracy, RefusesABadEpsilonNamingIt) {
  const std::string rest = ": must be positive and finite";
  EXPECT_EQ(refusal([] { Accuracy(0.0, 0.1); }), "lazygumbel: epsilon = 0" + rest);
  EXPECT_EQ(refusal([] { Accuracy(-1.0, 0.1); }), "lazygumbel: epsilon = -1" + rest);
  EXPECT_EQ(refusal([] { Accuracy(infinity, 0.1); }), "lazygumbel: epsilon = inf" + rest);
  EXPECT_EQ(refusal([] { Accuracy(nan, 0.1); }), "lazygumbel: epsilon = nan" + rest);
}

TEST(Accuracy, RefusesABadDeltaNamingIt) {
  const std::string rest = ": must lie in (0, 1)";
  EXPECT_EQ(refusal([] { Accuracy(0.1, 0.0); }), "lazygumbel: delta = 0" + rest);
  EXPECT_EQ(refusal([] { Accuracy(0.1, 1.0); }), "lazygumbel: delta = 1" + rest);
  EXPECT_EQ(refusal([] { Accuracy(0.1, 1.5); }), "lazygumbel: delta = 1.5" + rest);
  EXPECT_EQ(refusal([] { Accuracy(0.1, nan); }), "lazygumbel: delta = nan" + rest);
}

}  // namespace
}  // namespace lazygumbel::testing

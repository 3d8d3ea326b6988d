#include <gtest/gtest.h>

#include <lazygumbel/index/gap.hpp>
#include <limits>
#include <message_of.hpp>

#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

TEST(Gap, IsAssumedWhenItIsJustANumber) {
  struct Options {
    Gap gap = 0.0;
  };
  const Options options{.gap = 1.5};
  EXPECT_EQ(options.gap.value, 1.5);
  EXPECT_EQ(options.gap.guarantee, Guarantee::assumed());
  EXPECT_EQ(Options().gap, Gap());
  EXPECT_EQ(Gap(), Gap(0.0));
  static_assert(Gap(2).value == 2.0);
}

TEST(Gap, KeepsItsGuarantee) {
  constexpr Gap gap(0.25, Guarantee::calibrated(0.01));
  EXPECT_EQ(gap.value, 0.25);
  EXPECT_EQ(gap.guarantee, Guarantee::calibrated(0.01));
  EXPECT_NE(gap, Gap(0.25));
}

TEST(Gap, RefusesWhatIsNoMargin) {
  const auto refusal = [](double value) {
    return message_of<std::invalid_argument>([&] { Gap gap(value); });
  };
  EXPECT_EQ(refusal(-1.0), "lazygumbel: gap = -1: must be finite and not negative");
  EXPECT_EQ(refusal(infinity), "lazygumbel: gap = inf: must be finite and not negative");
  EXPECT_EQ(refusal(std::numeric_limits<double>::quiet_NaN()),
            "lazygumbel: gap = nan: must be finite and not negative");
}

TEST(Gap, SumHasTheStrongerGuarantee) {
  const Guarantee assumed = Guarantee::assumed(), certified = Guarantee::certified(),
                  one_percent = Guarantee::calibrated(0.01), tenth = Guarantee::calibrated(0.1);
  EXPECT_EQ(guarantee_of_sum(assumed, 1.0), assumed);
  EXPECT_EQ(guarantee_of_sum(assumed, Gap(1.0, tenth)), tenth);
  EXPECT_EQ(guarantee_of_sum(tenth, 1.0), tenth);
  EXPECT_EQ(guarantee_of_sum(tenth, Gap(1.0, one_percent)), one_percent);
  EXPECT_EQ(guarantee_of_sum(one_percent, Gap(1.0, tenth)), one_percent);
  EXPECT_EQ(guarantee_of_sum(certified, Gap(1.0, tenth)), certified);
  EXPECT_EQ(guarantee_of_sum(certified, 1.0), certified);
  EXPECT_EQ(guarantee_of_sum(tenth, Gap(1.0, certified)), certified);
}

}  // namespace
}  // namespace lazygumbel::testing

#include <gtest/gtest.h>

#include <lazygumbel/estimation/sample_size.hpp>
#include <limits>

namespace lazygumbel {
namespace {

TEST(SampleSize, ThePilotMustCostLessThanTheSum) {
  EXPECT_TRUE(SampleSize(0).prefers_exhaustive());
  EXPECT_TRUE(SampleSize(4 * 256 - 1).prefers_exhaustive());
  EXPECT_FALSE(SampleSize(4 * 256).prefers_exhaustive());
}

TEST(SampleSize, GrowsByTheSquareOfTheRatioWithinLimits) {
  const SampleSize size(1'000'000);
  EXPECT_EQ(size.next(1000, 1.0001).value(), 1250U);  // at least a quarter
  EXPECT_EQ(size.next(1000, 1.5).value(), 2363U);     // 1.05 x 2.25, rounded up
  EXPECT_EQ(size.next(1000, 3.0).value(), 4000U);     // at most fourfold
}

TEST(SampleSize, GivesUpPastAQuarterOfTheTail) {
  const SampleSize size(40'000);
  EXPECT_EQ(size.next(256, 6.0).value(), 1024U);  // wants 9,677
  EXPECT_FALSE(size.next(256, 6.2).has_value());  // wants 10,333 > 10,000
  EXPECT_FALSE(size.next(256, std::numeric_limits<double>::infinity()).has_value());
  EXPECT_FALSE(size.next(256, std::numeric_limits<double>::quiet_NaN()).has_value());
}

}  // namespace
}  // namespace lazygumbel

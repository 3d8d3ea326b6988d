#include <gtest/gtest.h>

#include <lazygumbel/estimation/detail/sample_size.hpp>
#include <limits>

#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

TEST(SampleSize, ThePilotShowsTheHeaviestItems) {
  EXPECT_EQ(SampleSize::pilot(0.0, 0.01, 256), 256U);
  EXPECT_EQ(SampleSize::pilot(1.0, 0.01, 256), 256U);  // wants 100
  EXPECT_EQ(SampleSize::pilot(10.0, 0.01, 256), 1000U);
  EXPECT_GT(SampleSize::pilot(infinity, 0.01, 256), SampleSize(1'000'000'000, 1000, false).limit());
}

TEST(SampleSize, GrowsByTheSquareOfTheRatioWithinLimits) {
  const SampleSize size(1'000'000, 1000, false);
  EXPECT_EQ(size.next(1000, 1.0001, 0.0).value(), 1250U);  // at least a quarter
  EXPECT_EQ(size.next(1000, 1.5, 0.0).value(), 2363U);     // 1.05 x 2.25, rounded up
  EXPECT_EQ(size.next(1000, 3.0, 0.0).value(), 4000U);     // at most fourfold
  EXPECT_EQ(size.next(1000, 0.0, 1.5).value(), 1575U);     // 1.05 x 1.5: falls as 1 / rows
  EXPECT_EQ(size.next(1000, 0.5, 0.75).value(), 1392U);    // 1.05 ((.5 + sqrt(3.25)) / 2)^2
}

TEST(SampleSize, GivesUpPastAThirdOfTheTail) {
  const SampleSize size(30'100, 100, false);
  EXPECT_EQ(size.limit(), 10'000U);
  EXPECT_TRUE(size.next(4096, 1.5, 0.0).has_value());   // wants 9,677
  EXPECT_FALSE(size.next(4096, 1.6, 0.0).has_value());  // wants 11,010
  // A small sample's variance is not trusted that far.
  EXPECT_EQ(size.next(256, 12.0, 0.0).value(), 1024U);  // wants 38,707
  EXPECT_FALSE(size.next(256, 12.3, 0.0).has_value());  // wants 40,667
  EXPECT_FALSE(size.next(256, infinity, 0.0).has_value());
  EXPECT_FALSE(size.next(256, std::numeric_limits<double>::quiet_NaN(), 0.0).has_value());
}

TEST(SampleSize, OffersALargerHeadOnceWhereNIsLarge) {
  const SampleSize first(100'000, 16, false);
  EXPECT_EQ(first.larger_head(), 256U);
  EXPECT_EQ(first.limit(), 256U * 16U);
  EXPECT_EQ(SampleSize(100'000, 256, false).larger_head(), 0U);
  EXPECT_EQ(SampleSize(10'000, 16, false).larger_head(), 0U);
}

}  // namespace
}  // namespace lazygumbel::testing

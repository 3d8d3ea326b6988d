#include <gtest/gtest.h>

#include <lazygumbel/estimation/estimate.hpp>

namespace lazygumbel::testing {
namespace {

TEST(Estimate, DefaultsClaimNothing) {
  const Estimate estimate;
  EXPECT_EQ(estimate.value, 0.0);
  EXPECT_EQ(estimate.confidence, 0.0);
  EXPECT_EQ(estimate.trace.head_size, 0U);
  EXPECT_EQ(estimate.trace.samples, 0U);
  EXPECT_FALSE(estimate.trace.exhaustive);
  EXPECT_TRUE(estimate.trace.target_met);
  EXPECT_EQ(estimate.trace.guarantee, Guarantee::assumed());
  EXPECT_EQ(VectorEstimate{}.value.size(), 0);
}

TEST(EstimatorOptions, Defaults) {
  const EstimatorOptions options;
  EXPECT_EQ(options.k, 0U);
  EXPECT_EQ(options.confidence, 0.95);
  EXPECT_EQ(options.interval, Interval::normal);
}

}  // namespace
}  // namespace lazygumbel::testing

#include <gtest/gtest.h>

#include <lazygumbel/sampling/draw.hpp>

namespace lazygumbel::testing {
namespace {

TEST(Draw, DefaultsClaimNothing) {
  const Trace trace;
  EXPECT_EQ(trace.head_size, 0U);
  EXPECT_EQ(trace.proposals, 0U);
  EXPECT_EQ(trace.rows_scored, 0U);
  EXPECT_EQ(trace.violations, 0U);
  EXPECT_EQ(trace.exhaustive_scans, 0U);
  EXPECT_EQ(trace.residual_bound, -std::numeric_limits<double>::infinity());
  EXPECT_EQ(trace.guarantee, Guarantee::assumed());
  EXPECT_TRUE(Draws{}.ids.empty());
  EXPECT_TRUE(RankedDraws{}.perturbed.empty());
}

}  // namespace
}  // namespace lazygumbel::testing

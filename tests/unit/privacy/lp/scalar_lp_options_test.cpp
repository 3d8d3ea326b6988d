#include <gtest/gtest.h>

#include <lazygumbel/privacy/lp/scalar_lp_options.hpp>

// What is refused: scalar_lp_plan_test.cpp.

namespace lazygumbel::testing {
namespace {

TEST(ScalarLpOptions, NothingIsPrivateByAccident) {
  const ScalarLpOptions options;
  EXPECT_EQ(options.neighbours, LpNeighbours::bounds);
  EXPECT_EQ(options.sensitivity, 0.0) << "a sensitivity has to be stated";
  EXPECT_EQ(options.violation_share, 0.0);
  EXPECT_FALSE(options.not_private_truth);
}

}  // namespace
}  // namespace lazygumbel::testing

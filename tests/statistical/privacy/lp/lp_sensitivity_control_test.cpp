#include <gtest/gtest.h>

#include "lp_sensitivity.hpp"

// Mistakes in the dual that lp_sensitivity_test.cpp must see.

namespace lazygumbel::testing {
namespace {

using lazygumbel::detail::ConstraintDual;

// Weights that are overwritten by their projection depend on all constraints.
TEST(LpSensitivityControl, OverwrittenWeights) {
  const double worst_added =
      worst_of_random_pairs<OverwrittenDual>(Neighbours::add_remove, 20'000, 3);
  const double worst_replaced =
      worst_of_random_pairs<OverwrittenDual>(Neighbours::replace_one, 20'000, 4);
  RecordProperty("worst_ratio_added", std::to_string(worst_added));
  RecordProperty("worst_ratio_replaced", std::to_string(worst_replaced));
  EXPECT_GT(worst_added, 1.05);
  EXPECT_GT(worst_replaced, 1.05);
}

// A cap of 2 / s where 1 / s is charged for.
TEST(LpSensitivityControl, CapTwiceAsHigh) {
  EXPECT_GT(worst_of_random_pairs<ConstraintDual>(Neighbours::add_remove, 5'000, 5, 0.5), 1.5);
  EXPECT_GT(worst_of_random_pairs<ConstraintDual>(Neighbours::replace_one, 5'000, 6, 0.5), 1.5);
}

}  // namespace
}  // namespace lazygumbel::testing

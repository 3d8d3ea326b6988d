#include "lp_sensitivity.hpp"

#include <gtest/gtest.h>

// Scores of ConstraintPrivateLp as computed, on random neighbours that saw the same choices:
// |S_j - S'_j| never exceeds what is charged, 2 W / s and a little, and comes as near as it can.
// Mistakes that this must see: lp_sensitivity_control_test.cpp.

namespace lazygumbel::testing {
namespace {

using lazygumbel::detail::ConstraintDual;

TEST(LpSensitivity, OneConstraintAddedOrRemoved) {
  const double worst = worst_of_random_pairs<ConstraintDual>(Neighbours::add_remove, 60'000, 1);
  RecordProperty("worst_ratio", std::to_string(worst));
  EXPECT_LE(worst, 1.0);
  EXPECT_GT(worst, 0.95);
}

TEST(LpSensitivity, OneConstraintReplaced) {
  const double worst = worst_of_random_pairs<ConstraintDual>(Neighbours::replace_one, 60'000, 2);
  RecordProperty("worst_ratio", std::to_string(worst));
  EXPECT_LE(worst, 1.0);
  EXPECT_GT(worst, 0.95);
}

// From no constraint at all to one, and at s = 1, s = m, s above m.
TEST(LpSensitivity, Ends) {
  const TestLp none{.rows = {}, .bounds = {}, .d = 2};
  for (const double s : {1.0, 1.5, 2.0, 10.0}) {
    TestLp one = none;
    one.add({1.0, -1.0}, 0.0);
    EXPECT_LE(worst_ratio<ConstraintDual>(none, one, constraint_lp_sensitivity(s), s, 0.5,
                                          {0, 1, 1, 0, 0}),
              1.0);
    TestLp two = one, other = one;
    two.add({1.0, -1.0}, 0.0);
    other.add({-1.0, 1.0}, 0.0);
    EXPECT_LE(worst_ratio<ConstraintDual>(two, other, constraint_lp_sensitivity(s), s, 0.5,
                                          {0, 1, 1, 0, 0}),
              1.0);
  }
}

}  // namespace
}  // namespace lazygumbel::testing

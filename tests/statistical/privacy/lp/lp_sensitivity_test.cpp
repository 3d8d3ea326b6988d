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

// What rounding adds does not grow with the number of constraints.
TEST(LpSensitivity, ManyConstraints) {
  constexpr std::size_t m = 50'000;
  PhiloxEngine engine(3);
  TestLp lp{.rows = {}, .bounds = {}, .d = 2};
  for (std::size_t i = 0; i < m; ++i) lp.add(random_row(2, 0, engine), 0.0);
  TestLp with_replaced = lp, with_added = lp;
  with_replaced.rows[777] = {1.0, 1.0};
  with_added.add({1.0, -1.0}, 0.0);
  const std::vector<std::size_t> choices = {0, 1, 1, 0, 1, 0, 0, 0, 1, 0};
  for (const double s : {1.0, 300.5, 25'000.0, 49'999.5, 50'000.0})
    for (const TestLp& other : {with_replaced, with_added})
      EXPECT_LE(
          worst_ratio<ConstraintDual>(lp, other, constraint_lp_sensitivity(s), s, 0.7, choices),
          1.0)
          << s;

  const auto scores = scores_of(lp);
  ConstraintDual dual(m, 300.5, 0.7);
  for (const std::size_t j : choices) dual.add(scores.row(j));
  std::vector<double> all(2);
  scores.scores(dual.weights(), all);
  for (std::size_t j = 0; j < 2; ++j) {
    long double exact = 0.0L;
    for (std::size_t i = 0; i < m; ++i)
      exact -= static_cast<long double>(dual.weights()[i]) * scores.row(j)[i];
    EXPECT_LE(std::abs(static_cast<double>(all[j] - exact)), 0x1p-46);
    EXPECT_EQ(all[j], scores.score(dual.weights(), j));
  }
}

}  // namespace
}  // namespace lazygumbel::testing

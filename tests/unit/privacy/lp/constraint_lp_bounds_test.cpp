#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/privacy/lp/constraint_lp_bounds.hpp>
#include <stdexcept>
#include <string>

#include "message_of.hpp"
#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

TEST(ConstraintLpBounds, ByHand) {
  // 8 (2 / .5)^2 ln 1000 = 884.2
  EXPECT_EQ(constraint_lp_rounds(2.0, 0.5, 1000.0), 885U);
  // 8 * 2 / (.5 * .1) ln(100 * 885 / .05)
  EXPECT_NEAR(constraint_lp_density(2.0, 0.5, 0.1, 100, 885, 0.05),
              320.0 * std::log(100.0 * 885.0 / 0.05), 1e-8);
  EXPECT_NEAR(constraint_lp_learning_rate(1000.0, 50.0, 885),
              std::sqrt(2.0 * std::log(20.0) / 885.0), 1e-15);
  EXPECT_NEAR(constraint_lp_violation(2.0, 1000.0, 50.0, 0.1, 100, 885, 0.05),
              2.0 * std::sqrt(2.0 * std::log(20.0) / 885.0) +
                  8.0 / (50.0 * 0.1) * std::log(100.0 * 885.0 / 0.05),
              1e-5);
}

TEST(ConstraintLpBounds, ParametersOfAnAccuracyReachIt) {
  for (const double width : {1e-6, 1.0, 1e6})
    for (const double accuracy : {0.05, 0.3, 2.0})
      for (const double epsilon : {0.01, 1.0, 100.0}) {
        const double m = 1e9, alpha = accuracy * width;
        const std::size_t rounds = constraint_lp_rounds(width, alpha, m);
        const double s = constraint_lp_density(width, alpha, epsilon, 1000, rounds, 0.01);
        ASSERT_LT(s, m);
        EXPECT_LE(constraint_lp_violation(width, m, s, epsilon, 1000, rounds, 0.01),
                  alpha * (1.0 + 1e-4));
      }
}

TEST(ConstraintLpBounds, Ends) {
  EXPECT_EQ(constraint_lp_rounds(1.0, 0.1, 1.0), 1U);      // nothing to learn of one
  EXPECT_EQ(constraint_lp_rounds(1.0, 1e300, 100.0), 1U);  // a violation that nobody can miss
  EXPECT_EQ(constraint_lp_density(1.0, 1.0, 1e9, 1, 1, 0.5), 1.0);
  EXPECT_EQ(constraint_lp_learning_rate(7.0, 7.0, 10), 0.0);
  EXPECT_GT(constraint_lp_sensitivity(1.0), 2.0);
  EXPECT_LT(constraint_lp_sensitivity(1.0), 2.0 + 1e-10);
  EXPECT_GT(constraint_lp_sensitivity(1e300), 0.0);
}

TEST(ConstraintLpBounds, Refuses) {
  EXPECT_EQ(refusal([] { constraint_lp_rounds(0.0, 1.0, 10.0); }),
            "lazygumbel: width = 0: must lie in (0, 1e300]");
  EXPECT_EQ(refusal([] { constraint_lp_rounds(1.0, -1.0, 10.0); }),
            "lazygumbel: accuracy = -1: must lie in (0, 1e300]");
  EXPECT_EQ(refusal([] { constraint_lp_rounds(1.0, 1.0, 0.0); }),
            "lazygumbel: constraints = 0: must lie in [1, 2^53]");
  EXPECT_EQ(refusal([] { constraint_lp_rounds(1.0, 1e-4, 10.0); }),
            "lazygumbel: accuracy = 1e-04: takes more than 10^7 rounds at the width 1");
  EXPECT_EQ(refusal([] { constraint_lp_rounds(1e300, 1e-300, 10.0); }),
            "lazygumbel: accuracy = 1e-300: takes more than 10^7 rounds at the width 1e+300");
  EXPECT_EQ(refusal([] { constraint_lp_density(1.0, 1.0, 0.0, 1, 1, 0.5); }),
            "lazygumbel: epsilon = 0: must lie in (0, 1e300]");
  EXPECT_EQ(refusal([] { constraint_lp_density(1.0, 1.0, 1.0, 0, 1, 0.5); }),
            "lazygumbel: vertices = 0: must be at least 1");
  EXPECT_EQ(refusal([] { constraint_lp_density(1.0, 1.0, 1.0, 1, 0, 0.5); }),
            "lazygumbel: rounds = 0: must be at least 1");
  for (const double beta : {0.0, 1.0, -0.5, std::nan("")})
    EXPECT_NE(refusal([&] {
                constraint_lp_density(1.0, 1.0, 1.0, 1, 1, beta);
              }).find("failure_probability = "),
              std::string::npos);
  EXPECT_EQ(refusal([] { constraint_lp_learning_rate(10.0, 11.0, 1); }),
            "lazygumbel: density = 11: must lie in [1, m], m = 10 constraints");
  EXPECT_EQ(refusal([] { constraint_lp_learning_rate(10.0, 2.0, 0); }),
            "lazygumbel: rounds = 0: must be at least 1");
  for (const double s : {0.5, std::nan(""), infinity})
    EXPECT_NE(refusal([&] { constraint_lp_sensitivity(s); }).find("density = "), std::string::npos);
}

}  // namespace
}  // namespace lazygumbel::testing

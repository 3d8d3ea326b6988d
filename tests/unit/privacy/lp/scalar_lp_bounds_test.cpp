#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/privacy/lp/scalar_lp_bounds.hpp>
#include <limits>
#include <string>

#include "message_of.hpp"
#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

const ScalarLpSize bounded_program{
    .constraints = 100'000, .variables = 50, .width = 1.0, .sensitivity = 1e-4};

TEST(ScalarLpViolation, GoldenValues) {
  // sqrt(2 ln 50 / 100) + (2e-4 / .05) ln(1e5 * 100 / .05), by hand.
  EXPECT_NEAR(scalar_lp_violation(bounded_program, 100, 0.05),
              std::sqrt(0.02 * 3.912023005428146) + 0.004 * 19.113827924512312, 1e-12);
  ScalarLpSize one{.constraints = 1,
                   .variables = 1,
                   .width = 5.0,
                   .sensitivity = 1.0,
                   .failure_probability = 0.5};
  EXPECT_NEAR(scalar_lp_violation(one, 1, 2.0), std::log(2.0), 1e-15);
  one.rounding = 0.25;
  EXPECT_NEAR(scalar_lp_violation(one, 1, 2.0), std::log(2.0) + 0.25, 1e-15);
}

TEST(ScalarLpViolation, IsLinearInTheUnits) {
  for (const double unit : {1e-30, 1e30}) {
    ScalarLpSize scaled = bounded_program;
    scaled.width *= unit;
    scaled.sensitivity *= unit;
    EXPECT_NEAR(scalar_lp_violation(scaled, 7, 0.1) / unit,
                scalar_lp_violation(bounded_program, 7, 0.1), 1e-12);
  }
}

TEST(ScalarLpViolation, InfiniteWhereNoDoubleHoldsIt) {
  ScalarLpSize huge = bounded_program;
  huge.sensitivity = 1e300;
  EXPECT_EQ(scalar_lp_violation(huge, 1, 1e-300), std::numeric_limits<double>::infinity());
}

TEST(ScalarLpViolation, Refusals) {
  const auto with = [](auto&& change, std::size_t rounds = 1, double epsilon = 1.0) {
    ScalarLpSize size = bounded_program;
    change(size);
    return refusal([&] { scalar_lp_violation(size, rounds, epsilon); });
  };
  EXPECT_EQ(with([](auto& s) { s.constraints = 0; }),
            "lazygumbel: constraints = 0: must be at least 1");
  EXPECT_EQ(with([](auto& s) { s.variables = 0; }),
            "lazygumbel: variables = 0: must be at least 1");
  EXPECT_EQ(with([&](auto& s) { s.width = nan; }),
            "lazygumbel: width = nan: must lie in [0, 1e300]");
  EXPECT_EQ(with([](auto& s) { s.sensitivity = -1.0; }),
            "lazygumbel: sensitivity = -1: must lie in [0, 1e300]");
  EXPECT_EQ(with([](auto& s) { s.rounding = -1.0; }),
            "lazygumbel: rounding = -1: must lie in [0, 1e300]");
  EXPECT_EQ(with([](auto& s) { s.failure_probability = 1.0; }),
            "lazygumbel: failure_probability = 1: must lie in (0, 1)");
  EXPECT_EQ(with([](auto&) {}, 0), "lazygumbel: rounds = 0: must be at least 1");
  EXPECT_EQ(with([](auto&) {}, 1, 0.0), "lazygumbel: epsilon = 0: must lie in (0, 1e300]");
}

// No other T within the range promises noticeably less.
TEST(ScalarLpRounds, AreTheBest) {
  for (const Accountant accountant : {Accountant::pure, Accountant::zcdp})
    for (const double budget : {0.001, 0.02436, 1.0, 100.0})
      for (const double gap : {0.0, 1e-5}) {
        const auto promise = [&](std::size_t rounds) {
          const double share = budget / static_cast<double>(rounds);
          if (!(share > 1.1 * exponential_mechanism_cost(accountant, 1e-9, gap))) return HUGE_VAL;
          return scalar_lp_violation(bounded_program, rounds,
                                     exponential_mechanism_epsilon(accountant, share, gap));
        };
        const std::size_t chosen = scalar_lp_rounds(bounded_program, accountant, budget, gap);
        double best = HUGE_VAL;
        for (std::size_t rounds = 1; rounds <= 100'000; ++rounds)
          best = std::min(best, promise(rounds));
        EXPECT_LE(promise(chosen), best * 1.001) << name_of(accountant) << ' ' << budget;
      }
}

TEST(ScalarLpRounds, FollowTheStatedOrders) {
  // zCDP: T = W sqrt(rho ln d) / (D ln m), up to a small factor.
  const double rho = 0.02436;
  const double order = std::sqrt(rho * std::log(50.0)) / (1e-4 * std::log(1e5));
  const auto chosen = static_cast<double>(scalar_lp_rounds(bounded_program, Accountant::zcdp, rho));
  EXPECT_GT(chosen, order / 4.0);
  EXPECT_LT(chosen, order * 4.0);
  EXPECT_EQ(scalar_lp_rounds({.constraints = 9, .variables = 1, .width = 1.0, .sensitivity = 0.1},
                             Accountant::pure, 1.0),
            1U);  // one vertex: nothing to learn
}

TEST(ScalarLpRounds, Refusals) {
  const auto of = [](double budget, double gap) {
    return refusal([&] { scalar_lp_rounds(bounded_program, Accountant::pure, budget, gap); });
  };
  EXPECT_EQ(of(std::nan(""), 0.5), "lazygumbel: budget = nan: must lie in (0, 1e300]");
  EXPECT_EQ(of(0.0, 0.0), "lazygumbel: budget = 0: must lie in (0, 1e300]");
  EXPECT_EQ(of(1.0, -0.5), "lazygumbel: gap = -0.5: must lie in [0, 1e300]");
  EXPECT_EQ(of(0.9, 0.5), "lazygumbel: cost = 0.9: does not even pay for the gap of 0.5");
}

}  // namespace
}  // namespace lazygumbel::testing

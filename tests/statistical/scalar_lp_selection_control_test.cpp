#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "lp_selection.hpp"

// Wrong choices that the test of scalar_lp_selection_law_test.cpp must refuse (p < 1e-6) at its
// 150,000 draws, each of a law whose power is computed and above 0.999; the right one passes.

namespace lazygumbel::testing {
namespace {

using lazygumbel::detail::LpSelector;
constexpr std::size_t draws = 150'000;

struct Controlled : LpSelectionCase<float> {
  Controlled() : LpSelectionCase(60, 7, 6.0, 67) {}

  Counter chosen(const ConstraintScores<float>& by, double stated_sensitivity,
                 std::uint64_t seed) const {
    LpSelector<FullScan, float> selector(by, stated_sensitivity, {});
    return count_selections(selector, *this, seed, draws);
  }

  void expect_noticed(const Counter& counter, const std::vector<double>& wrong,
                      const std::string& what) const {
    EXPECT_GT(chi_square_power(static_cast<double>(draws), law(), wrong), 0.999) << what;
    expect_rejected(counter, law(), what);
    expect_law(counter, wrong, what + ", by its own law");
  }
};

TEST(ScalarLpSelectionControl, TheRightOnePasses) {
  const Controlled c;
  expect_law(c.chosen(c.scores, c.sensitivity, 1), c.law(), "right");
}

TEST(ScalarLpSelectionControl, WrongScale) {
  const Controlled c;
  for (const double factor : {2.0, 0.5, 1.05}) {  // of epsilon / (2 D): a forgotten 2, and 5%
    std::vector<double> wrong = c.exponents();
    for (double& y : wrong) y *= factor;
    c.expect_noticed(c.chosen(c.scores, c.sensitivity / factor, 2), softmax(wrong),
                     "scale times " + std::to_string(factor));
  }
}

TEST(ScalarLpSelectionControl, ForgottenBounds) {
  const Controlled c;
  const std::vector<double> zero(60, 0.0);
  const ConstraintScores<float> scores(c.rows, zero, 2.0);
  c.expect_noticed(c.chosen(scores, c.sensitivity, 3), softmax(c.exponents(0.0)), "no b");
}

TEST(ScalarLpSelectionControl, BoundsOfTheWrongSign) {
  const Controlled c;
  std::vector<double> negative = c.program.bounds;
  for (double& b : negative) b = -b;
  const ConstraintScores<float> scores(c.rows, negative, 2.0);
  c.expect_noticed(c.chosen(scores, c.sensitivity, 4), softmax(c.exponents(-1.0)), "plus b");
}

}  // namespace
}  // namespace lazygumbel::testing

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "lp_selection.hpp"

// The choice of a constraint against the exact law,
//   P(i) proportional to exp(epsilon (A_i x - b_i) / (2 D)),
// computed in long double from A, x and b themselves.
//   draws       150,000 a law over m = 60, 200 or 1,100 constraints (two blocks of the scan)
//   test        chi-square, refused at p < 1e-6: the false-alarm rate of a law; seeds fixed
//   power       >= 0.9 against a root mean square relative error of the probabilities of 3% (60
//               constraints), 3.4% (200) and 4.7% (1,100), asserted in SmallestDefect.
// Wrong laws: scalar_lp_selection_control_test.cpp.

namespace lazygumbel::testing {
namespace {

using lazygumbel::detail::LpSelector;
constexpr std::size_t draws = 150'000;

TEST(ScalarLpSelectionLaw, SmallestDefect) {
  EXPECT_LT(smallest_defect(60, draws), 0.03);
  EXPECT_LT(smallest_defect(200, draws), 0.034);
  EXPECT_LT(smallest_defect(1100, draws), 0.047);
}

struct Size {
  std::size_t m, d;
  double spread;
};
constexpr Size sizes[] = {{60, 1, 6.0}, {60, 7, 6.0}, {200, 20, 4.0}, {1100, 4, 3.0}};

template <class Scalar>
void expect_full_scan(const Size& size, std::uint64_t seed) {
  const std::string what =
      std::to_string(size.m) + " constraints of " + std::to_string(size.d) + " variables";
  const LpSelectionCase<Scalar> c(size.m, size.d, size.spread, size.m + size.d);
  LpSelector<FullScan, Scalar> selector(c.scores, c.sensitivity, {});
  const Counter first = count_selections(selector, c, seed, draws);
  expect_law(first, c.law(), what);
  // Other seeds, and another selector of the same scores, agree.
  LpSelector<FullScan, Scalar> other(c.scores, c.sensitivity, {});
  const Counter second = count_selections(other, c, seed + 1000, draws);
  EXPECT_GE(two_sample_p_value(first.counts(), second.counts()), law_threshold) << what;
  EXPECT_NE(first.counts(), second.counts()) << what << ": the seed changes nothing";
}

TEST(ScalarLpSelectionLaw, FullScanOfDoubles) {
  for (const Size& size : sizes) expect_full_scan<double>(size, 1);
}

TEST(ScalarLpSelectionLaw, FullScanOfFloats) {
  for (const Size& size : sizes) expect_full_scan<float>(size, 2);
}

// Bounds that are never met, never missed, or huge.
TEST(ScalarLpSelectionLaw, ClippedBounds) {
  LpSelectionCase<double> c(60, 7, 3.0, 5);
  c.program.bounds[4] = 1e300;
  c.program.bounds[5] = -1e300;
  c.program.bounds[6] = 17.0;
  const ConstraintScores<double> scores(c.rows, c.program.bounds, 1.0);
  for (double& b : c.program.bounds) b = std::max(-1.0, std::min(1.0, b));
  LpSelector<FullScan, double> selector(scores, c.sensitivity, {});
  expect_law(count_selections(selector, c, 3, draws), c.law(), "clipped");
}

}  // namespace
}  // namespace lazygumbel::testing

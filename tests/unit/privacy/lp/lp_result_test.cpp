#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/privacy/lp/lp_result.hpp>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "message_of.hpp"

// What a solve fills in: scalar_private_lp_test.cpp.

namespace lazygumbel::testing {
namespace {

TEST(LpResult, ClaimsNothingAndMovesOnly) {
  static_assert(std::is_move_constructible_v<LpResult>);
  static_assert(!std::is_copy_constructible_v<LpResult>);
  LpResult result{.budget = Budget::pure(1.0)};
  EXPECT_EQ(result.guarantee, Guarantee::assumed());
  EXPECT_FALSE(result.noisy_violation.has_value());
  EXPECT_FALSE(result.not_private_truth.has_value());
  EXPECT_EQ(result.bound.exceptions, 1U);
  EXPECT_EQ(std::move(result).budget.total(), 1.0);
}

RowMatrix<float> rows() {
  RowMatrix<float> a(3, 2);
  a << 1.0F, 2.0F, -1.0F, 0.0F, 0.0F, 4.0F;
  return a;
}

TEST(NotPrivateViolation, LargestAndCount) {
  const std::vector<double> x = {0.5, 0.25}, b = {0.5, 0.0, 0.75};  // excess .5, -.5, .25
  const LpViolation found = not_private_violation<float>(rows(), b, x);
  EXPECT_EQ(found.largest, 0.5);
  EXPECT_EQ(found.count, 2U);
  EXPECT_EQ(not_private_violation<float>(rows(), b, x, 0.25).count, 1U);  // strictly above
  EXPECT_EQ(not_private_violation<float>(rows(), b, x, 0.5).count, 0U);
  EXPECT_EQ(not_private_violation<float>(rows(), b, x, -1.0).count, 3U);
  const std::vector<double> room = {9.0, 9.0, 9.0};
  EXPECT_EQ(not_private_violation<float>(rows(), room, x).largest, -8.0);
}

TEST(NotPrivateViolation, HugeBoundsAndStridedViews) {
  RowMatrix<double> wide(3, 5);
  wide.setConstant(1e300);
  wide.leftCols(2) = rows().cast<double>();
  const std::vector<double> x = {0.5, 0.25}, b = {1e308, -1.7e308, 0.75};
  const auto found = not_private_violation<double>(wide.leftCols(2), b, x);
  EXPECT_EQ(found.largest, 1.7e308);
  EXPECT_EQ(found.count, 2U);
}

TEST(NotPrivateViolation, Refusals) {
  const std::vector<double> x = {0.5, 0.25}, b = {0.5, 0.0, 0.75};
  const auto of = [](std::vector<double> bounds, std::vector<double> point, double tolerance) {
    return message_of<std::invalid_argument>(
        [&] { not_private_violation<float>(rows(), bounds, point, tolerance); });
  };
  EXPECT_EQ(of({1.0}, x, 0.0),
            "lazygumbel: bounds.size() = 1: must equal the number of constraints, at least 1");
  EXPECT_EQ(of(b, {1.0}, 0.0), "lazygumbel: x.size() = 1: must equal the number of variables");
  EXPECT_EQ(of(b, x, std::nan("")), "lazygumbel: tolerance = nan: must be finite");
  EXPECT_EQ(of({0.5, std::nan(""), 1.0}, x, 0.0), "lazygumbel: bounds[1] = nan: must be finite");
  EXPECT_EQ(of(b, {std::numeric_limits<double>::infinity(), 1.0}, 0.0),
            "lazygumbel: x[0] = inf: must be finite");
  EXPECT_EQ(message_of<std::invalid_argument>([] {
              not_private_violation<float>(RowMatrix<float>(0, 2), {}, std::vector<double>(2));
            }),
            "lazygumbel: bounds.size() = 0: must equal the number of constraints, at least 1");
}

}  // namespace
}  // namespace lazygumbel::testing

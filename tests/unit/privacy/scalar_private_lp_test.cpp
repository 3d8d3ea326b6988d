#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <lazygumbel/privacy/scalar_private_lp.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "linear_programs.hpp"
#include "message_of.hpp"

// What the answers are worth: tests/statistical/scalar_lp_*_test.cpp.

namespace lazygumbel::testing {
namespace {

RowMatrix<double> two_rows() {
  RowMatrix<double> rows(2, 2);
  rows << 1.0, 0.5, -0.25, 1.0;
  return rows;
}

const ScaledSimplex standard = ScaledSimplex::of_total(2);

template <class Body>
std::string refusal(Body&& body) {
  return message_of<std::invalid_argument>(std::forward<Body>(body));
}

TEST(ScalarPrivateLp, APrivateMatrixOwnedAndViewed) {
  const ScalarLpOptions options{
      .neighbours = LpNeighbours::matrix, .sensitivity = 0.01, .width = 1.0, .rounds = 3};
  const ScalarPrivateLp<double> owned(two_rows(), standard, options);
  const RowMatrix<double> rows = two_rows();
  const auto viewed = ScalarPrivateLp<double>::over(
      RowPointer<double>(rows.data(), 2, 2, Eigen::OuterStride<>(2)), standard, options);
  EXPECT_EQ(owned.variables(), 2U);
  EXPECT_EQ(owned.region().dimension(), 2U);
  NotPrivateEngine engine(1), same(1);
  const std::vector<double> bounds = {0.5, 0.5};
  EXPECT_EQ(owned.solve(bounds, Budget::pure(1.0), engine).x,
            viewed.solve(bounds, Budget::pure(1.0), same).x);
}

}  // namespace
}  // namespace lazygumbel::testing

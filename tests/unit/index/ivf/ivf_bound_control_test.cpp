#include <gtest/gtest.h>

#include <ball_bounds.hpp>
#include <clustered_rows.hpp>
#include <lazygumbel/index/ivf/detail/ivf_build.hpp>

// Negative controls of ivf_index_test.cpp: the test of the lists' bounds must notice radii that are
// too small.

namespace lazygumbel::testing {
namespace {

TEST(IvfBoundControl, RightRadiiPass) {
  const auto lists =
      lazygumbel::detail::build_lists<double>(clustered_rows(2000, 8, 40, 0.3, 801), {});
  EXPECT_EQ(rows_above_their_bound(lists, 5.0), 0u);
}

TEST(IvfBoundControl, RadiiTwoPercentTooSmallFail) {
  const auto lists =
      lazygumbel::detail::build_lists<double>(clustered_rows(2000, 8, 40, 0.3, 801), {});
  EXPECT_GE(rows_above_their_bound(lists, 5.0, 0.98), lists.lists() / 2);
}

TEST(IvfBoundControl, RadiiAMillionthTooSmallFailInDouble) {
  const auto lists =
      lazygumbel::detail::build_lists<double>(clustered_rows(2000, 8, 40, 0.3, 801), {});
  EXPECT_GE(rows_above_their_bound(lists, 5.0, 1.0 - 1e-6), lists.lists() / 2);
}

}  // namespace
}  // namespace lazygumbel::testing

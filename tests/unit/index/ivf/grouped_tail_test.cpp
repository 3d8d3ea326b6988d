#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/index/ivf/detail/grouped_tail.hpp>
#include <statistics.hpp>
#include <vector>

#include "list_directories.hpp"
#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

TEST(GroupedTail, RateIsTheSumOverAllItems) {
  const auto directory = directory_of(10, 3);  // 4, 3 and 3 items
  GroupedTail tail;
  tail.assign(directory, Eigen::Array3d(1.5, -2.0, 0.25));
  EXPECT_NEAR(tail.log_rate(),
              std::log(4 * std::exp(1.5) + 3 * std::exp(-2.0) + 3 * std::exp(0.25)), 1e-12);
  tail.assign(directory, Eigen::Array3d(800.0, -infinity, 800.0));
  EXPECT_NEAR(tail.log_rate(), 800.0 + std::log(7.0), 1e-12);
  tail.assign(directory, Eigen::Array3d::Constant(-infinity));
  EXPECT_EQ(tail.log_rate(), -infinity);
}

TEST(GroupedTail, ProposesItemsWithTheirIntensities) {
  const auto directory = directory_of(40, 7);
  Eigen::ArrayXd bounds(7);
  bounds << 0.0, 1.0, -1.0, 2.0, -infinity, 0.5, -3.0;
  GroupedTail tail;
  tail.assign(directory, bounds);
  std::vector<std::uint64_t> counts(40);
  std::vector<double> expected;
  for (Eigen::Index i = 0; i < 40; ++i)
    expected.push_back(std::exp(bounds[i % 7] - tail.log_rate()));
  PhiloxEngine engine(601);
  for (int draw = 0; draw < 200'000; ++draw) {
    const Proposal proposal = tail.propose(engine);
    ASSERT_EQ(proposal.log_intensity, bounds[proposal.id % 7]);
    ++counts[proposal.id];
  }
  EXPECT_GE(chi_square_p_value(counts, expected), 1e-6);
}

TEST(GroupedTail, MayExceedIsTheBoundOfTheItemsList) {
  const auto directory = directory_of(10, 2);
  GroupedTail tail;
  tail.assign(directory, Eigen::Array2d(1.0, 3.0));
  EXPECT_TRUE(tail.may_exceed(4, 0.5));
  EXPECT_FALSE(tail.may_exceed(4, 1.0));
  EXPECT_TRUE(tail.may_exceed(5, 1.0));
  EXPECT_FALSE(tail.may_exceed(5, 3.5));
}

}  // namespace
}  // namespace lazygumbel::testing

#include <gtest/gtest.h>

#include <algorithm>
#include <forgetful_index.hpp>
#include <functional>
#include <gap_coverage.hpp>
#include <laws.hpp>

// Negative controls of gap_coverage_test.cpp: ranks that are off must fail its binomial test
// (10,000 repetitions, p < 1e-6), the right rank must pass. m = 19, alpha = 0.1, continuous gaps:
// the r-th smallest of 19 is missed with probability 1 - r / 20, the right r is 18.

namespace lazygumbel::testing {
namespace {

constexpr std::size_t gap_queries = 19, gap_k = 4;
constexpr double gap_alpha = 0.1;

Coverage coverage_of_rank(std::size_t rank) {
  const ForgetfulIndex index(gaussian_rows(40, 3, 1), 0.2, true);
  return gap_coverage(
      index, gap_queries, gap_k, 10'000,
      [](std::size_t count, std::uint64_t r) { return gaussian_rows(count, 3, 1'000 + r); },
      [&](const auto& queries) {
        std::vector<double> gaps;
        Retrieval found;
        std::vector<item_id> sorted;
        for (Eigen::Index j = 0; j < queries.rows(); ++j) {
          const auto query = queries.row(j).transpose();
          search_checked(index, query, gap_k, found, sorted);
          gaps.push_back(lazygumbel::detail::smallest_valid_gap(index, query, found, sorted));
        }
        std::sort(gaps.begin(), gaps.end());
        return gaps[rank - 1];
      },
      same_source);
}

bool passes(const Coverage& coverage) {
  return coverage.p_value_at_most(gap_alpha) >= law_threshold &&
         coverage.p_value_at_least(gap_alpha) >= law_threshold;
}

TEST(GapCoverageControl, RightRankPasses) { EXPECT_TRUE(passes(coverage_of_rank(18))); }

TEST(GapCoverageControl, WrongRanksFail) {
  EXPECT_FALSE(passes(coverage_of_rank(17)));  // floor(m (1 - alpha)): the plain quantile
  EXPECT_FALSE(passes(coverage_of_rank(16)));  // the same counted from 0
  EXPECT_FALSE(passes(coverage_of_rank(10)));  // the median
  EXPECT_FALSE(passes(coverage_of_rank(19)));  // the maximum: safe, but not what was asked for
}

}  // namespace
}  // namespace lazygumbel::testing

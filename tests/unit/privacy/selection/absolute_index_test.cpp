#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/index/checked_search.hpp>
#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/index/quantized/scalar_quantized_index.hpp>
#include <lazygumbel/privacy/selection/absolute_index.hpp>
#include <lazygumbel/privacy/workload/workload_index.hpp>
#include <limits>
#include <vector>

#include "indexes.hpp"
#include "message_of.hpp"
#include "score_index.hpp"
#include "workloads.hpp"

namespace lazygumbel::testing {
namespace {

using lazygumbel::detail::bound_of;
using lazygumbel::detail::merge_by_magnitude;
using lazygumbel::detail::weaker;

static_assert(MipsIndex<AbsoluteIndex<FlatIndex<float>>>);

/// Heads of all sizes hold each item once, best first, and no other exceeds the bound.
template <class Index>
void expect_bounded(const Index& signed_index, std::uint64_t seed) {
  using Scalar = typename Index::scalar_type;
  const AbsoluteIndex<Index> index(signed_index);
  const std::size_t n = index.size();
  const Vector<Scalar> query = gaussian_query<Scalar>(index.dimension(), seed) * Scalar{3};
  for (const std::size_t k : {std::size_t{1}, std::size_t{2}, std::size_t{7}, n}) {
    if (k > n) continue;
    Retrieval found;
    std::vector<item_id> sorted;
    search_checked(index, query, k, found, sorted);
    ASSERT_LE(found.ids.size(), k);
    for (std::size_t i = 0; i < found.ids.size(); ++i)
      EXPECT_NEAR(found.scores[i],
                  std::abs(static_cast<double>(signed_index.score(query, found.ids[i]))), 1e-5);
    for (item_id id = 0; id < n; ++id) {
      const bool in_head = std::binary_search(sorted.begin(), sorted.end(), id);
      EXPECT_TRUE(in_head || index.score(query, id) <= found.residual_bound) << k;
    }
  }
}

TEST(AbsoluteIndex, BoundsWhatItLeavesOut) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    RowMatrix<float> rows = gaussian_rows<float>(1 + 9 * seed, 4, seed);
    expect_bounded(FlatIndex<float>(rows), seed);
    expect_bounded(ScalarQuantizedIndex<float>(rows), seed);
    rows = rows.cwiseAbs();  // all of one sign: one of the two lists has nothing to say
    expect_bounded(FlatIndex<float>(rows), seed);
    const DenseWorkload<float> workload(rows);
    expect_bounded(WorkloadIndex(workload), seed);
  }
}

TEST(AbsoluteIndex, PassesOnTheClaim) {
  const RowMatrix<float> rows = gaussian_rows<float>(40, 4, 1);
  const DenseWorkload<float> workload(rows);
  const WorkloadIndex certified(workload);
  Retrieval found;
  AbsoluteIndex(certified).search(gaussian_query<double>(4, 2), 6, found);
  EXPECT_EQ(found.guarantee, Guarantee::certified());
}

Retrieval made(std::vector<item_id> ids, std::vector<double> scores, double bound,
               Guarantee guarantee = Guarantee::certified()) {
  return {std::move(ids), std::move(scores), bound, guarantee};
}

// What comes in by one list may be far below what the other left out.
TEST(MergeByMagnitude, BoundIsNotTheSmallestMagnitude) {
  Retrieval found;
  merge_by_magnitude(made({3, 1}, {9.0, 8.0}, 7.5), made({2, 4}, {0.5, -0.1}, -0.2), 4, found);
  EXPECT_EQ(found.ids, (std::vector<item_id>{3, 1, 2, 4}));
  EXPECT_EQ(found.scores, (std::vector<double>{9.0, 8.0, 0.5, 0.1}));
  EXPECT_EQ(found.residual_bound, 7.5);
  EXPECT_EQ(found.guarantee, Guarantee::certified());
}

TEST(MergeByMagnitude, DropsBeyondKAndCountsThemInTheBound) {
  Retrieval found;
  merge_by_magnitude(made({3, 1}, {9.0, 8.0}, 1.0), made({2, 4}, {8.5, 6.0}, 2.0), 3, found);
  EXPECT_EQ(found.ids, (std::vector<item_id>{3, 2, 1}));
  EXPECT_EQ(found.residual_bound, 6.0);
}

TEST(MergeByMagnitude, AnItemOfBothListsCountsOnce) {
  Retrieval found;
  merge_by_magnitude(made({5, 6}, {1.0, 0.5}, 0.5), made({6, 5}, {-0.5, -1.0}, -1.0), 3, found);
  EXPECT_EQ(found.ids, (std::vector<item_id>{5, 6}));
  EXPECT_EQ(found.residual_bound, 0.5);
}

TEST(MergeByMagnitude, WithoutABoundTheSmallestScoreStandsIn) {
  const double none = std::numeric_limits<double>::quiet_NaN();
  Retrieval found;
  merge_by_magnitude(made({0}, {4.0}, none, Guarantee::assumed()), made({1}, {3.0}, 2.0), 2, found);
  EXPECT_EQ(found.residual_bound, 4.0);
  EXPECT_EQ(found.guarantee, Guarantee::assumed());
  EXPECT_EQ(message_of<index_error>([&] { bound_of(made({}, {}, none)); }),
            "lazygumbel: search returned no items and no residual bound");
}

TEST(Weaker, OfTwoClaims) {
  const auto certified = Guarantee::certified(), assumed = Guarantee::assumed();
  const auto one = Guarantee::calibrated(0.01), five = Guarantee::calibrated(0.05);
  EXPECT_EQ(weaker(certified, assumed), assumed);
  EXPECT_EQ(weaker(assumed, five), assumed);
  EXPECT_EQ(weaker(certified, one), one);
  EXPECT_EQ(weaker(one, five), five);
  EXPECT_EQ(weaker(five, one), five);
  EXPECT_EQ(weaker(certified, certified), certified);
}

TEST(AbsoluteIndex, AnIndexThatReturnsTooLittleIsNoticed) {
  ScoreIndex index({1.0, 2.0, 3.0, 4.0});
  index.limit(1);
  Retrieval found;
  EXPECT_EQ(message_of<index_error>(
                [&] { AbsoluteIndex(index).search(Vector<double>::Ones(1), 4, found); }),
            "lazygumbel: search returned 1 of min(k, n) = 2 items and no residual bound");
}

TEST(AbsoluteIndex, Refusals) {
  const FlatIndex<float> flat(gaussian_rows<float>(3, 2, 1));
  const AbsoluteIndex index(flat);
  Retrieval found;
  EXPECT_EQ(message_of<std::invalid_argument>(
                [&] { index.search(gaussian_query<float>(2, 1), 0, found); }),
            "lazygumbel: k = 0: must be at least 1");
  EXPECT_EQ(&index.signed_index(), &flat);
}

}  // namespace
}  // namespace lazygumbel::testing

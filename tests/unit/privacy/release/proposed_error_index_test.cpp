#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/index/checked_search.hpp>
#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/index/quantized/scalar_quantized_index.hpp>
#include <lazygumbel/privacy/release/detail/proposed_error_index.hpp>
#include <vector>

#include "lying_index.hpp"
#include "message_of.hpp"
#include "workloads.hpp"

namespace lazygumbel::testing {
namespace {

using ProposedErrors = ProposedErrorIndex<DenseWorkload<float>, FlatIndex<float>>;
static_assert(MipsIndex<ProposedErrors>);

/// The largest excess of an item outside the head over the bound; 0 or less for an honest bound.
template <class Proposer>
double excess_of_errors(const Proposer& proposer, const DenseWorkload<float>& workload,
                        const Histogram& table, const std::vector<double>& weights, std::size_t k) {
  const ErrorScores scores(workload, table);
  const ProposedErrorIndex index(scores, proposer);
  const Vector<double> theta = theta_of(weights, 0.25);
  Retrieval found;
  std::vector<item_id> sorted;
  search_checked(index, theta, k, found, sorted);
  EXPECT_LE(found.ids.size(), k);
  for (std::size_t i = 0; i < found.ids.size(); ++i)
    EXPECT_EQ(found.scores[i], scores.score(theta, found.ids[i]));
  double most = -HUGE_VAL;
  for (item_id j = 0; j < scores.size(); ++j)
    if (!std::binary_search(sorted.begin(), sorted.end(), j))
      most = std::max(most, scores.score(theta, j) - found.residual_bound);
  return most;
}

TEST(ProposedErrorIndex, BoundHoldsWithAnExactProposer) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const auto rows = random_queries<float>(60, 8, -1, 1, seed);
    const DenseWorkload<float> workload(rows);
    const FlatIndex<float> flat(rows);
    const Histogram table = line_table(random_counts(8, 1e4, seed));
    for (const std::size_t k : {1U, 2U, 5U, 20U, 59U})
      EXPECT_LE(excess_of_errors(flat, workload, table, random_weights(8, 1e4, 2.0, seed), k),
                1e-2);
  }
}

// Answers of 2^30 records and more are clipped, of which a proposer knows nothing.
TEST(ProposedErrorIndex, ScansWhereAnswersMayBeClipped) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const auto rows = random_queries<float>(60, 8, -1, 1, seed);
    const DenseWorkload<float> workload(rows);
    const Histogram table = line_table(random_counts(8, 0x1p40, seed));
    for (const std::size_t k : {1U, 5U, 20U, 59U})
      EXPECT_LE(excess_of_errors(FlatIndex<float>(rows), workload, table,
                                 random_weights(8, 1e9, 2.0, seed), k),
                0.0);
  }
}

// A proposer that returns other items than the best, and says so by its bound: the bound is heeded.
TEST(ProposedErrorIndex, HeedsTheBoundOfTheProposer) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const auto rows = random_queries<float>(300, 40, -1, 1, seed);
    const DenseWorkload<float> workload(rows);
    const ScalarQuantizedIndex<float> coded(rows);
    const Histogram table = line_table(random_counts(40, 1e4, seed));
    for (const std::size_t k : {1U, 2U, 5U, 20U})
      EXPECT_LE(excess_of_errors(coded, workload, table, random_weights(40, 1e4, 2.0, seed), k),
                1e-2);
  }
}

TEST(ProposedErrorIndex, ClaimsNothing) {
  const auto rows = random_queries<float>(10, 3, 0, 1, 1);
  const DenseWorkload<float> workload(rows);
  const FlatIndex<float> flat(rows);
  const ErrorScores scores(workload, line_table({1, 2, 3}));
  Retrieval found;
  ProposedErrors(scores, flat).search(theta_of(std::vector<double>{2, 2, 2}, 1.0), 4, found);
  EXPECT_EQ(found.guarantee, Guarantee::assumed());
}

TEST(ProposedErrorIndex, DegenerateShapes) {
  const RowMatrix<float> rows = RowMatrix<float>::Zero(5, 1);
  const DenseWorkload<float> workload(rows);
  const FlatIndex<float> flat(rows);
  EXPECT_LE(excess_of_errors(flat, workload, line_table({0}), {1.0}, 2), 0.0);
  const RowMatrix<float> one = RowMatrix<float>::Ones(1, 1);
  const DenseWorkload<float> single(one);
  EXPECT_EQ(excess_of_errors(FlatIndex<float>(one), single, line_table({4}), {1.0}, 1), -HUGE_VAL);
}

TEST(ProposedErrorIndex, ABrokenProposerIsNoticed) {
  const DenseWorkload<float> workload(random_queries<float>(10, 3, 0, 1, 1));
  const ErrorScores scores(workload, line_table({1, 2, 3}));
  const auto refusal = [&](const LyingIndex& proposer) {
    Retrieval found;
    return message_of<index_error>([&] {
      const ProposedErrorIndex index(scores, proposer);
      index.search(theta_of(std::vector<double>{2, 2, 2}, 1.0), 4, found);
    });
  };
  EXPECT_EQ(refusal({4'000'000'000, 1}),
            "lazygumbel: search returned id 4000000000, the index has 10 items");
  EXPECT_EQ(refusal({3, 2}), "lazygumbel: search returned id 3 twice");
  EXPECT_EQ(refusal({3, 1}),
            "lazygumbel: search returned 1 of min(k, n) = 2 items and no residual bound");
}

TEST(ProposedErrorIndex, Refusals) {
  const auto rows = random_queries<float>(10, 3, 0, 1, 1);
  const DenseWorkload<float> workload(rows);
  const ErrorScores scores(workload, line_table({1, 2, 3}));
  const auto refusal = [](auto&& body) { return message_of<std::invalid_argument>(body); };
  const FlatIndex<float> fewer(random_queries<float>(9, 3, 0, 1, 1));
  EXPECT_EQ(refusal([&] { ProposedErrors(scores, fewer); }),
            "lazygumbel: proposer.size() = 9: must equal the number of queries 10");
  const FlatIndex<float> wider(random_queries<float>(10, 4, 0, 1, 1));
  EXPECT_EQ(refusal([&] { ProposedErrors(scores, wider); }),
            "lazygumbel: proposer.dimension() = 4: must equal the number of cells");
  const FlatIndex<float> flat(rows);
  Retrieval found;
  EXPECT_EQ(
      refusal([&] {
        ProposedErrors(scores, flat).search(theta_of(std::vector<double>{2, 2, 2}, 1.0), 0, found);
      }),
      "lazygumbel: k = 0: must be at least 1");
}

}  // namespace
}  // namespace lazygumbel::testing

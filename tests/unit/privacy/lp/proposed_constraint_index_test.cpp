#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <lazygumbel/index/checked_search.hpp>
#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/index/quantized/scalar_quantized_index.hpp>
#include <lazygumbel/privacy/lp/detail/proposed_constraint_index.hpp>
#include <string>
#include <type_traits>
#include <vector>

#include "lying_index.hpp"
#include "message_of.hpp"
#include "sampled_clipping.hpp"
#include "scalars.hpp"

// What ProposedConstraintIndex states when its proposer misses nothing must bound all scores as
// computed, without a gap; what it returns must be the proposer's items with the scores of
// ConstraintScores. The law of draws by it:
// tests/statistical/privacy/lp/proposed_constraints_law_test.cpp.

namespace lazygumbel::testing {
namespace {

using ProposedByFlat = ProposedConstraintIndex<float, FlatIndex<float>>;
static_assert(MipsIndex<ProposedByFlat>);
static_assert(
    !std::is_constructible_v<ProposedByFlat, ConstraintScores<float>&&, const FlatIndex<float>&>);
static_assert(
    !std::is_constructible_v<ProposedByFlat, const ConstraintScores<float>&, FlatIndex<float>&&>);

/// Rows (A_i, b_i), or A_i alone.
template <class Scalar>
RowMatrix<float> proposed_rows(const RowMatrix<Scalar>& rows, const std::vector<double>& bounds,
                               bool with_bounds) {
  RowMatrix<float> all(rows.rows(), rows.cols() + (with_bounds ? 1 : 0));
  all.leftCols(rows.cols()) = rows.template cast<float>();
  for (Eigen::Index i = 0; with_bounds && i < rows.rows(); ++i)
    all(i, rows.cols()) = static_cast<float>(bounds[static_cast<std::size_t>(i)]);
  return all;
}

/// The largest excess of an item outside the head over the bound; 0 or less for an honest bound.
template <class Scalar, class Proposer>
double excess_of_constraints(const ConstraintScores<Scalar>& scores, const Proposer& proposer,
                             const Vector<double>& theta, std::size_t k) {
  const ProposedConstraintIndex<Scalar, Proposer> index(scores, proposer);
  Retrieval found;
  std::vector<item_id> sorted;
  search_checked(index, theta, k, found, sorted);
  EXPECT_LE(found.ids.size(), k);
  EXPECT_EQ(found.guarantee,
            found.ids.size() == index.size() ? Guarantee::certified() : Guarantee::assumed());
  for (std::size_t i = 0; i < found.ids.size(); ++i)
    EXPECT_EQ(found.scores[i], scores.score(theta, found.ids[i]));
  double most = -HUGE_VAL;
  for (item_id i = 0; i < scores.size(); ++i)
    if (!std::binary_search(sorted.begin(), sorted.end(), i))
      most = std::max(most, scores.score(theta, i) - found.residual_bound);
  return most;
}

template <class Scalar>
class ProposedConstraints : public ::testing::Test {};
TYPED_TEST_SUITE(ProposedConstraints, Scalars);

// Roundings of the proposer's floats are the index's to add, not the caller's.
TYPED_TEST(ProposedConstraints, BoundHoldsWithAnExactProposer) {
  for (const bool with_bounds : {true, false})
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      const RowMatrix<TypeParam> matrix = uniform_rows<TypeParam>(200, 6, seed);
      const auto bounds = uniform_bounds(200, -1e-3, 1e-3, seed);
      const RowStore<TypeParam> rows{RowMatrix<TypeParam>(matrix)};
      const ConstraintScores<TypeParam> scores(rows, bounds, 1.0);
      const FlatIndex<float> flat(proposed_rows(matrix, bounds, with_bounds));
      const ScalarQuantizedIndex<float> coded(proposed_rows(matrix, bounds, with_bounds));
      for (const auto& x : simplex_walk(6, 4, 1.0, seed))
        for (const double scale : {0.1, 30.0, 1e6})
          for (const std::size_t k : {1U, 2U, 15U, 199U, 200U}) {
            EXPECT_LE(excess_of_constraints(scores, flat, lp_theta(x, scale), k), 0.0);
            EXPECT_LE(excess_of_constraints(scores, coded, lp_theta(x, scale), k), 0.0);
          }
    }
}

// Ties, of which the proposer returns some: nothing but the index's own rounding separates the
// others from the bound.
TYPED_TEST(ProposedConstraints, BoundHoldsForTies) {
  for (const bool with_bounds : {true, false})
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
      RowMatrix<TypeParam> matrix = uniform_rows<TypeParam>(20, 7, seed);
      for (Eigen::Index i = 1; i < matrix.rows(); ++i) matrix.row(i) = matrix.row(0);
      for (Eigen::Index j = 0; j < 7; ++j)
        matrix(3, j) = std::nextafter(matrix(3, j), TypeParam(2));
      const std::vector<double> bounds(20, uniform_bounds(1, -0.3, 0.3, seed)[0]);
      const RowStore<TypeParam> rows{RowMatrix<TypeParam>(matrix)};
      const ConstraintScores<TypeParam> scores(rows, bounds, 1.0);
      const FlatIndex<float> flat(proposed_rows(matrix, bounds, with_bounds));
      for (const double scale : {0.1, 30.0, 1e6})
        EXPECT_LE(excess_of_constraints(scores, flat,
                                        lp_theta(simplex_walk(7, 2, 1.0, seed)[1], scale), 2),
                  0.0);
    }
}

// A right-hand side beyond the limit is clipped in the scores, not in the proposer's rows: the
// score of such an item is above what the proposer thinks of it.
TYPED_TEST(ProposedConstraints, BoundHoldsWhereRightHandSidesAreClipped) {
  for (const double far : {1.5, 10.0, 1e6, -1.5, -10.0, -1e6})
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      const RowMatrix<TypeParam> matrix = uniform_rows<TypeParam>(100, 6, seed);
      auto bounds = uniform_bounds(100, -0.2, 0.3, seed);
      for (std::size_t i = 0; i < bounds.size(); i += 2) bounds[i] = far;
      const RowStore<TypeParam> rows{RowMatrix<TypeParam>(matrix)};
      const ConstraintScores<TypeParam> scores(rows, bounds, 1.0);
      for (const bool with_bounds : {true, false}) {
        const FlatIndex<float> flat(proposed_rows(matrix, bounds, with_bounds));
        for (const auto& x : simplex_walk(6, 3, 1.0, seed))
          for (const std::size_t k : {1U, 49U, 50U, 51U, 70U, 99U})
            EXPECT_LE(excess_of_constraints(scores, flat, lp_theta(x, 40.0), k), 0.0)
                << far << ", k = " << k;
      }
    }
}

// Limits that no b exceeds leave the bound as tight as the proposer makes it.
TEST(ProposedConstraintIndex, TheBoundIsTight) {
  const RowMatrix<float> matrix = uniform_rows<float>(100, 6, 1);
  auto bounds = uniform_bounds(100, 0.2, 0.3, 1);
  bounds[3] = 1.0;
  bounds[4] = -1.0;
  const RowStore<float> rows{RowMatrix<float>(matrix)};
  const ConstraintScores<float> scores(rows, bounds, 1.0);
  const FlatIndex<float> flat(proposed_rows(matrix, bounds, true));
  for (const std::size_t k : {5U, 10U, 60U})
    EXPECT_GT(excess_of_constraints(scores, flat, lp_theta(simplex_walk(6, 2, 1.0, 1)[1], 10.0), k),
              -1.0);
}

TEST(ProposedConstraintIndex, ABrokenProposerIsNoticed) {
  const RowStore<float> rows(uniform_rows<float>(10, 2, 1));
  const ConstraintScores<float> scores(rows, std::vector<double>(10, 0.0), 1.0);
  const auto refusal = [&](const LyingIndex& proposer) {
    Retrieval found;
    return message_of<index_error>([&] {
      const ProposedConstraintIndex index(scores, proposer);
      index.search(lp_theta(std::vector{0.5, 0.5}, 1.0), 4, found);
    });
  };
  EXPECT_EQ(refusal({4'000'000'000, 1}),
            "lazygumbel: search returned id 4000000000, the index has 10 items");
  EXPECT_EQ(refusal({3, 2}), "lazygumbel: search returned id 3 twice");
  EXPECT_EQ(refusal({3, 1}),
            "lazygumbel: search returned 1 of min(k, n) = 4 items and no residual bound");
}

TEST(ProposedConstraintIndex, Refusals) {
  const RowStore<float> rows(uniform_rows<float>(10, 2, 1));
  const ConstraintScores<float> scores(rows, std::vector<double>(10, 0.0), 1.0);
  const auto refusal = [&](const LyingIndex& proposer) {
    return message_of<std::invalid_argument>([&] { ProposedConstraintIndex(scores, proposer); });
  };
  EXPECT_EQ(refusal({0, 1, 3, 9}),
            "lazygumbel: proposer.size() = 9: must equal the number of constraints 10");
  for (const std::size_t d : {1U, 4U})
    EXPECT_EQ(refusal({0, 1, d}), "lazygumbel: proposer.dimension() = " + std::to_string(d) +
                                      ": must be the number of variables, or one more");
  const FlatIndex<float> flat(uniform_rows<float>(10, 3, 1));
  const ProposedByFlat index(scores, flat);
  Retrieval found;
  EXPECT_NE(message_of<std::invalid_argument>([&] {
              index.search(Vector<double>{{0.5, 0.5, 0.0}}, 1, found);
            }).find("theta's last entry"),
            std::string::npos);
  EXPECT_EQ(message_of<std::invalid_argument>([&] {
              index.search(lp_theta(std::vector{0.5, 0.5}, 1.0), 0, found);
            }),
            "lazygumbel: k = 0: must be at least 1");
}

}  // namespace
}  // namespace lazygumbel::testing

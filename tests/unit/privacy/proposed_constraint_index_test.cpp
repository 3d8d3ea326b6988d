#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/privacy/proposed_constraint_index.hpp>
#include <string>
#include <vector>

#include "indexes.hpp"
#include "linear_programs.hpp"
#include "message_of.hpp"

namespace lazygumbel::testing {
namespace {

static_assert(MipsIndex<ProposedConstraintIndex<float, FlatIndex<float>>>);

struct Fixture {
  Fixture()
      : program(feasible_program<double>(50, ScaledSimplex::of_total(4), 0.2, 1, 1)),
        rows(RowMatrix<double>(program.rows)),
        scores(rows, program.bounds, 2.0),
        theta(5) {
    with_bounds.resize(50, 5);
    with_bounds.leftCols(4) = program.rows;
    for (Eigen::Index i = 0; i < 50; ++i)
      with_bounds(i, 4) = program.bounds[static_cast<std::size_t>(i)];
    theta << 0.9, 1.2, 0.3, 0.6, -3.0;  // s = 3
  }

  /// Of a search through exact proposals: nothing that was left out lies above the bound.
  void expect_promise(const RowMatrix<double>& proposed) const {
    const FlatIndex<double> flat(proposed);
    const ProposedConstraintIndex<double, FlatIndex<double>> index(scores, flat);
    EXPECT_EQ(index.size(), 50U);
    EXPECT_EQ(index.dimension(), 5U);
    for (const std::size_t k : {1U, 7U, 50U}) {
      Retrieval found;
      index.search(theta, k, found);
      EXPECT_EQ(found.ids.size(), k);
      EXPECT_EQ(found.guarantee, Guarantee::assumed());
      EXPECT_TRUE(std::is_sorted(found.scores.rbegin(), found.scores.rend()));
      for (std::size_t i = 0; i < k; ++i)
        EXPECT_EQ(found.scores[i], scores.score(theta, found.ids[i]));
      for (item_id id = 0; id < 50; ++id)
        if (std::find(found.ids.begin(), found.ids.end(), id) == found.ids.end()) {
          EXPECT_LE(index.score(theta, id), found.residual_bound + 1e-12);
        }
    }
  }

  LinearProgram<double> program;
  RowStore<double> rows;
  ConstraintScores<double> scores;
  RowMatrix<double> with_bounds;
  Vector<double> theta;
};

TEST(ProposedConstraintIndex, RowsWithAndWithoutBounds) {
  const Fixture f;
  f.expect_promise(f.program.rows);
  f.expect_promise(f.with_bounds);
}

TEST(ProposedConstraintIndex, Refusals) {
  const Fixture f;
  const auto refusal = [&](const RowMatrix<double>& rows) {
    const FlatIndex<double> flat(rows);
    return message_of<std::invalid_argument>(
        [&] { ProposedConstraintIndex<double, FlatIndex<double>>(f.scores, flat); });
  };
  EXPECT_EQ(refusal(f.program.rows.topRows(49)),
            "lazygumbel: proposer.size() = 49: must equal the number of constraints 50");
  EXPECT_EQ(refusal(f.program.rows.leftCols(3)),
            "lazygumbel: proposer.dimension() = 3: must be the number of variables, or one more");
  const FlatIndex<double> flat(f.program.rows);
  const ProposedConstraintIndex<double, FlatIndex<double>> index(f.scores, flat);
  Retrieval found;
  Vector<double> nan = f.theta;
  nan[1] = std::nan("");
  EXPECT_EQ(message_of<std::invalid_argument>([&] { index.search(nan, 1, found); }),
            "lazygumbel: theta(1) = nan: must be finite");
}

}  // namespace
}  // namespace lazygumbel::testing

#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/privacy/release/mwem_result.hpp>
#include <type_traits>

#include "workloads.hpp"

// What a run fills in: mwem_test.cpp.

namespace lazygumbel::testing {
namespace {

TEST(MwemResult, CanBeMovedButNotCopied) {  // it holds a budget
  static_assert(std::is_move_constructible_v<MwemResult>);
  static_assert(!std::is_copy_constructible_v<MwemResult>);
  MwemResult result{.table = SyntheticTable(line_table({1}).domain(), {2.0}),
                    .selection = "full scan",
                    .noise_deviation = 3.0,
                    .budget = Budget::pure(1.0)};
  EXPECT_EQ(result.guarantee, Guarantee::assumed());  // nothing is claimed until it is
  const MwemResult moved = std::move(result);
  EXPECT_EQ(moved.table.weights()[0], 2.0);
  EXPECT_EQ(moved.budget.total(), 1.0);
  EXPECT_EQ(moved.noise_deviation, 3.0);
}

TEST(MwemRound, StartsEmpty) {
  const MwemRound round;
  EXPECT_EQ(round.round, 0U);
  EXPECT_EQ(round.scans.exact + round.scans.coded, 0U);
  EXPECT_EQ(round.trace.proposals, 0U);
}

}  // namespace
}  // namespace lazygumbel::testing

#include <gtest/gtest.h>

#include <lazygumbel/core/errors.hpp>

#include "lp_selection.hpp"

// Bounds that are not raised as the weights move: the law test must see it, unless a draw meets the
// broken bound first and says so.

namespace lazygumbel::testing {
namespace {

bool is_seen(double far, bool accumulated) {
  const StaleCase c(40, far, 3);
  try {
    return c.counts(100'000, 5, accumulated).p_value(c.law()) < 1e-6;
  } catch (const index_error&) {
    return true;
  }
}

TEST(LpSelectionControl, PathNotAccumulated) {
  EXPECT_TRUE(is_seen(0.5, false));
  EXPECT_TRUE(is_seen(3.0, false));
}

TEST(LpSelectionControl, TheRightIndexPasses) {
  EXPECT_FALSE(is_seen(0.5, true));
  EXPECT_FALSE(is_seen(3.0, true));
}

}  // namespace
}  // namespace lazygumbel::testing

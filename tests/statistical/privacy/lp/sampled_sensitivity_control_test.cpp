#include <gtest/gtest.h>

#include <algorithm>

#include "sampled_clipping.hpp"

// Rules of clipping that sampled_sensitivity_test.cpp must find out: what may move by more than s D
// when b moves by D. The plain loops with the right rule are tested there.

namespace lazygumbel::testing {
namespace {

template <SampledClipping Clipping>
double most_change(NeighbouringBounds::Change change) {
  constexpr double sensitivity = 0.02;
  double most = 0.0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    const auto pair = NeighbouringBounds::make(60, change, sensitivity, seed);
    const RowStore<double> rows(uniform_rows<double>(60, 4, seed));
    const ConstraintScores<double> scores(rows, pair.before, 1.0), other(rows, pair.after, 1.0);
    const SampledConstraintOptions options{.sample = 2, .margin = 0.0, .seed = seed};
    PlainSampledIndex<double, Clipping> a(scores, options), b(other, options);
    most = std::max(most, largest_change(a, b, simplex_walk(4, 12, 2.0, seed), 30.0, sensitivity));
  }
  return most;
}

using Change = NeighbouringBounds::Change;

// Whether the scan listed a constraint depends on b: its clip jumps from y(t0) to the level.
TEST(SampledSensitivityControl, AClipByMembershipInTheList) {
  for (const Change change : {Change::mixed, Change::sparse})
    EXPECT_GT(most_change<SampledClipping::listed_only>(change), 2.0);
}

// When to scan depends on b: clips are those of different steps.
TEST(SampledSensitivityControl, ASchedulePrivateDataDecide) {
  for (const Change change : {Change::mixed, Change::sparse})
    EXPECT_GT(most_change<SampledClipping::schedule_from_scores>(change), 2.0);
}

}  // namespace
}  // namespace lazygumbel::testing

#include <gtest/gtest.h>

#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/privacy/selection/selection_modes.hpp>

#include "indexes.hpp"

// What the modes do: mwem_selectors_test.cpp and lp_selectors_test.cpp.

namespace lazygumbel::testing {
namespace {

using lazygumbel::detail::uncovered_gap_of;

TEST(SelectionModes, OnlyAProposerIsChargedForAGap) {
  const FlatIndex<double> flat(gaussian_rows(3, 2, 1));
  EXPECT_EQ(uncovered_gap_of(FullScan{}), 0.0);
  EXPECT_EQ(uncovered_gap_of(LazyCertified{}), 0.0);
  EXPECT_EQ(uncovered_gap_of(LazyProposed<FlatIndex<double>>{flat}), 0.0);
  // What widening covers costs time, not privacy.
  EXPECT_EQ(uncovered_gap_of(LazyProposed<FlatIndex<double>>{flat, 0, Gap(0.5)}), 0.0);
  EXPECT_EQ(uncovered_gap_of(LazyProposed<FlatIndex<double>>{flat, 0, Gap(0.5), 0.25}), 0.25);
}

TEST(SelectionModes, Defaults) {
  const LazyCertified lazy;
  EXPECT_EQ(lazy.k, 0U);
  EXPECT_EQ(lazy.index.code_bits, CertifiedScanOptions::chosen_bits);
  EXPECT_EQ(lazy.index.proposal_budget, 0.0);
}

}  // namespace
}  // namespace lazygumbel::testing

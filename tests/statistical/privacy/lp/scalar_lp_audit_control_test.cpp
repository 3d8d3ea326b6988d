#include <gtest/gtest.h>

#include <lazygumbel/privacy/accounting/zcdp.hpp>

#include "scalar_lp_audit.hpp"

// Wrong solves that the audit of scalar_lp_audit_test.cpp must catch: the sensitivity is stated as
// a third (of rows, a fifth) of what it is, for private bounds, a private matrix (scores and rows)
// and the noisy violation.

namespace lazygumbel::testing {
namespace {

constexpr double sensitivity_of_a_third = ScalarAuditPair::distance / 3.0;

TEST(ScalarLpAuditControl, BoundsThatMoveThreeTimesAsFar) {
  const ScalarAuditPair pair = ScalarAuditPair::of_bounds();
  EXPECT_GT(
      lp_audit(pair, {.sensitivity = sensitivity_of_a_third, .seed = 1}, FullScan{}).epsilon(),
      1.0);
  EXPECT_GT(
      lp_audit(pair, {.rounds = 2, .sensitivity = sensitivity_of_a_third, .seed = 2}, FullScan{})
          .epsilon(),
      1.0);
  EXPECT_GT(lp_audit(ScalarAuditPair::of_more_bounds(),
                     {.sensitivity = sensitivity_of_a_third, .seed = 3}, FullScan{})
                .epsilon(),
            1.0);
  const PrivacyAudit zcdp = lp_audit(
      pair,
      {.rounds = 2, .zcdp = true, .amount = 0.1, .sensitivity = sensitivity_of_a_third, .seed = 4},
      FullScan{});
  EXPECT_GT(zcdp.delta(1.0), zcdp_delta(0.1, 1.0));
}

TEST(ScalarLpAuditControl, AMatrixThatMovesThreeTimesAsFar) {
  ScalarAuditPair pair = ScalarAuditPair::of_matrix();
  pair.answers = {0.45, 0.5, 0.55};
  EXPECT_GT(
      lp_audit(
          pair,
          {.rounds = 2, .sensitivity = sensitivity_of_a_third, .selection_share = 0.9, .seed = 5},
          FullScan{})
          .epsilon(),
      1.0);
  ScalarAuditPair row = ScalarAuditPair::of_row();
  row.answers = {0.45, 0.5, 0.55};
  // Of the rows of two rounds only one is in the answer: here the distance is five times as far.
  EXPECT_GT(lp_audit(row,
                     {.rounds = 2,
                      .sensitivity = 0.6 * sensitivity_of_a_third,
                      .selection_share = 0.1,
                      .seed = 8},
                     FullScan{})
                .epsilon(),
            1.0);
  const PrivacyAudit zcdp = lp_audit(
      pair,
      {.rounds = 2, .zcdp = true, .amount = 0.1, .sensitivity = sensitivity_of_a_third, .seed = 6},
      FullScan{});
  EXPECT_GT(zcdp.delta(1.0), zcdp_delta(0.1, 1.0));
}

TEST(ScalarLpAuditControl, AViolationThatMovesThreeTimesAsFar) {
  ScalarAuditPair pair = ScalarAuditPair::of_bounds();
  pair.violations = {-0.2, 0.0, 0.05, 0.1, 0.3};
  EXPECT_GT(
      lp_audit(pair, {.violation_share = 0.9, .sensitivity = sensitivity_of_a_third, .seed = 7},
               FullScan{})
          .epsilon(),
      1.0);
}

}  // namespace
}  // namespace lazygumbel::testing

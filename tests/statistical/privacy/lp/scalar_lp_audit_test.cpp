#include "scalar_lp_audit.hpp"

#include <gtest/gtest.h>

#include <lazygumbel/privacy/accounting/zcdp.hpp>
#include <string>

// Whole solves of neighbouring linear programs: what the outcomes (constraints chosen, where the
// answer and its noisy violation lie) prove of the privacy loss must not exceed what the budget
// states. 200,000 runs a side; every bound is wrong with probability below 1e-6, the false-alarm
// rate of a check. Power: the share of the stated loss that is proved is asserted, so that a solve
// which spent its inverse too much would be found. Wrong solves: scalar_lp_audit_control_test.cpp.

namespace lazygumbel::testing {
namespace {

template <class Mode>
void expect_pure_scalar_lp(const ScalarAuditPair& pair, LpAuditOptions options, double least_share,
                           const Mode& mode, const std::string& what) {
  options.amount = 1.5;
  const double proved = lp_audit(pair, options, mode).epsilon();
  EXPECT_LE(proved, options.amount) << what;
  EXPECT_GE(proved, least_share * options.amount) << what << ": too little is seen";
}

template <class Mode>
void expect_zcdp_scalar_lp(const ScalarAuditPair& pair, LpAuditOptions options, double least_delta,
                           const Mode& mode, const std::string& what) {
  options.zcdp = true;
  options.amount = 0.3;
  const PrivacyAudit seen = lp_audit(pair, options, mode);
  for (const double epsilon : {0.1, 0.5, 1.0, 2.0, 3.0})
    EXPECT_LE(seen.delta(epsilon), zcdp_delta(options.amount, epsilon))
        << what << ", epsilon " << epsilon;
  EXPECT_GE(seen.delta(0.1), least_delta) << what << ": too little is seen";
}

TEST(ScalarLpAudit, PrivateBoundsPure) {
  const ScalarAuditPair pair = ScalarAuditPair::of_bounds(),
                        more = ScalarAuditPair::of_more_bounds();
  expect_pure_scalar_lp(pair, {.rounds = 1, .seed = 1}, 0.8, FullScan{}, "one round");
  expect_pure_scalar_lp(pair, {.rounds = 2, .seed = 2}, 0.6, FullScan{}, "two rounds");
  expect_pure_scalar_lp(pair, {.rounds = 3, .seed = 3}, 0.4, FullScan{}, "three rounds");
  expect_pure_scalar_lp(more, {.rounds = 1, .seed = 4}, 0.8, FullScan{}, "four constraints");
  expect_pure_scalar_lp(more, {.rounds = 2, .seed = 5}, 0.3, FullScan{},
                        "four constraints, two rounds");
}

TEST(ScalarLpAudit, PrivateBoundsZcdp) {
  const ScalarAuditPair pair = ScalarAuditPair::of_bounds();
  expect_zcdp_scalar_lp(pair, {.rounds = 1, .seed = 11}, 0.05, FullScan{}, "one round");
  expect_zcdp_scalar_lp(pair, {.rounds = 3, .seed = 12}, 0.05, FullScan{}, "three rounds");
}

TEST(ScalarLpAudit, TheNoisyViolation) {
  ScalarAuditPair pair = ScalarAuditPair::of_bounds();
  pair.violations = {-0.2, 0.0, 0.05, 0.1, 0.3};
  expect_pure_scalar_lp(pair, {.rounds = 1, .violation_share = 0.9, .seed = 21}, 0.6, FullScan{},
                        "pure");
  expect_zcdp_scalar_lp(pair, {.rounds = 1, .violation_share = 0.9, .seed = 22}, 0.05, FullScan{},
                        "zCDP");
}

TEST(ScalarLpAudit, PrivateMatrixPure) {
  ScalarAuditPair pair = ScalarAuditPair::of_matrix();
  pair.answers = {0.45, 0.5, 0.55};
  expect_pure_scalar_lp(pair, {.rounds = 1, .selection_share = 0.9, .seed = 31}, 0.7, FullScan{},
                        "one round");
  expect_pure_scalar_lp(pair, {.rounds = 2, .selection_share = 0.9, .seed = 32}, 0.4, FullScan{},
                        "two rounds");
  ScalarAuditPair row = ScalarAuditPair::of_row();
  row.answers = {0.45, 0.5, 0.55};
  expect_pure_scalar_lp(row, {.rounds = 2, .selection_share = 0.1, .seed = 33}, 0.15, FullScan{},
                        "a row");
}

TEST(ScalarLpAudit, PrivateMatrixZcdp) {
  ScalarAuditPair pair = ScalarAuditPair::of_matrix();
  pair.answers = {0.45, 0.5, 0.55};
  expect_zcdp_scalar_lp(pair, {.rounds = 2, .selection_share = 0.9, .seed = 41}, 0.05, FullScan{},
                        "two rounds");
  ScalarAuditPair row = ScalarAuditPair::of_row();
  row.answers = {0.45, 0.5, 0.55};
  expect_zcdp_scalar_lp(row, {.rounds = 2, .selection_share = 0.1, .seed = 42}, 0.02, FullScan{},
                        "a row");
}

TEST(ScalarLpAudit, ByCertifiedBounds) {
  const LazyCertified mode{{}, 1};
  ScalarAuditPair pair = ScalarAuditPair::of_bounds();
  expect_pure_scalar_lp(pair, {.rounds = 1, .seed = 51}, 0.8, mode, "one round");
  expect_pure_scalar_lp(pair, {.rounds = 2, .seed = 52}, 0.6, mode, "two rounds");
  expect_zcdp_scalar_lp(pair, {.rounds = 3, .seed = 53}, 0.05, mode, "three rounds");
  ScalarAuditPair matrix = ScalarAuditPair::of_matrix();
  matrix.answers = {0.45, 0.5, 0.55};
  expect_pure_scalar_lp(matrix, {.rounds = 2, .selection_share = 0.9, .seed = 54}, 0.4, mode,
                        "a matrix");
}

// Scores clipped at a level that one or two constraints set: as private as exact ones.
TEST(ScalarLpAudit, ByALevelOfASample) {
  const ScalarAuditPair pair = ScalarAuditPair::of_bounds();
  for (const LazySampled& mode : {LazySampled{}, LazySampled{{.sample = 1, .margin = 0.0}}}) {
    expect_pure_scalar_lp(pair, {.rounds = 2, .seed = 61}, 0.5, mode, "two rounds");
    expect_pure_scalar_lp(pair, {.rounds = 3, .seed = 62}, 0.3, mode, "three rounds");
  }
  ScalarAuditPair matrix = ScalarAuditPair::of_matrix();
  matrix.answers = {0.45, 0.5, 0.55};
  expect_pure_scalar_lp(matrix, {.rounds = 3, .selection_share = 0.9, .seed = 63}, 0.2,
                        LazySampled{{.sample = 1, .margin = 0.0}}, "a matrix");
}

}  // namespace
}  // namespace lazygumbel::testing

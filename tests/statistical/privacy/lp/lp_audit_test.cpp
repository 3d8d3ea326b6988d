#include "lp_audit.hpp"

#include <gtest/gtest.h>

#include <lazygumbel/privacy/accounting/zcdp.hpp>
#include <lazygumbel/privacy/lp/constraint_private_lp.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <string>
#include <type_traits>

#include "lp_transcripts.hpp"
#include "privacy_audit.hpp"

// Whole runs of ConstraintPrivateLp on neighbouring LPs: what the choices prove of the privacy loss
// must not exceed what the budget states. 400,000 runs a side by full scans, 150,000 by lazy ones;
// every bound is wrong with probability below 1e-6, the false-alarm rate of a check. Power: of the
// pure runs of one round at least .85 (full scans) or .75 of the stated loss must be proved where a
// constraint is replaced, .7 or .6 where the 7th is added, which gets 1/7 of the weight and not
// 1/6. Wrong ones: lp_audit_control_test.cpp.

namespace lazygumbel::testing {
namespace {

template <class Mode>
PrivacyAudit audit_lp(const ConstraintAuditPair& pair, std::size_t rounds, const Mode& mode,
                      bool zcdp, double amount, std::uint64_t seed) {
  const ConstraintPrivateLp solver(
      ScaledSimplex::of_total(2),
      {.neighbours = pair.neighbours,
       .width = 1.0,
       .rounds = rounds,
       .density = pair.density,
       .constraints = pair.neighbours == Neighbours::add_remove ? std::size_t{12} : 0});
  NotPrivateEngine engine(seed);
  const auto release_of = [&](const TestLp& lp) {
    return [&, matrix = lp.matrix()] {
      return transcript_of(
          solver.solve(matrix, lp.bounds, zcdp ? Budget::zcdp(amount) : Budget::pure(amount),
                       engine, mode),
          2);
    };
  };
  return PrivacyAudit(std::is_same_v<Mode, FullScan> ? 400'000 : 150'000, release_of(pair.before),
                      release_of(pair.after));
}

template <class Mode>
void expect_pure_lp(const ConstraintAuditPair& pair, const Mode& mode, double least_share,
                    const std::string& what) {
  const double epsilon = 1.5;
  const double once = audit_lp(pair, 1, mode, false, epsilon, 1).epsilon();
  EXPECT_LE(once, epsilon) << what;
  EXPECT_GE(once, least_share * epsilon) << what << ": too little is seen";
  ::testing::Test::RecordProperty("once", std::to_string(once / epsilon));
  for (const double density : {pair.density, 2.0, 1.0})
    EXPECT_LE(audit_lp(pair.with_density(density), 3, mode, false, epsilon, 2).epsilon(), epsilon)
        << what << ", s = " << density;
}

template <class Mode>
void expect_zcdp_lp(const ConstraintAuditPair& pair, const Mode& mode, const std::string& what) {
  const double rho = 0.4;
  for (const std::size_t rounds : {1U, 3U}) {
    const PrivacyAudit seen = audit_lp(pair, rounds, mode, true, rho, 10 + rounds);
    for (const double epsilon : {0.1, 0.5, 1.0, 2.0, 3.0})
      EXPECT_LE(seen.delta(epsilon), zcdp_delta(rho, epsilon)) << what << ", epsilon " << epsilon;
  }
}

TEST(LpAudit, ReplacedByFullScan) {
  expect_pure_lp(ConstraintAuditPair::replaced(), FullScan{}, 0.85, "full scan");
  expect_zcdp_lp(ConstraintAuditPair::replaced(), FullScan{}, "full scan");
}

TEST(LpAudit, ReplacedByCertifiedBounds) {
  expect_pure_lp(ConstraintAuditPair::replaced(), LazyCertified{{}, 1}, 0.75, "lazy");
  expect_zcdp_lp(ConstraintAuditPair::replaced(), LazyCertified{{}, 1}, "lazy");
}

TEST(LpAudit, AddedByFullScan) {
  expect_pure_lp(ConstraintAuditPair::added(), FullScan{}, 0.7, "full scan");
  expect_zcdp_lp(ConstraintAuditPair::added(), FullScan{}, "full scan");
}

TEST(LpAudit, AddedByCertifiedBounds) {
  expect_pure_lp(ConstraintAuditPair::added(), LazyCertified{{}, 1}, 0.6, "lazy");
  expect_zcdp_lp(ConstraintAuditPair::added(), LazyCertified{{}, 1}, "lazy");
}

}  // namespace
}  // namespace lazygumbel::testing

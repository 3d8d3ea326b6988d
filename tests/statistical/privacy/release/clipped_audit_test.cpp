#include <gtest/gtest.h>

#include <lazygumbel/privacy/accounting/zcdp.hpp>
#include <lazygumbel/privacy/release/mwem.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <string>

#include "mwem_audit.hpp"

// Whole runs of MWEM with LazyClipped on neighbouring tables, as in mwem_audit_test.cpp: what the
// outcomes prove of the privacy loss must not exceed what the budget states. Three rounds, a sample
// of one query, a margin of 1 and drifts so small that rounds 2 and 3 sometimes scan and sometimes
// do not (asserted). 100,000 runs a side; every bound is wrong with probability below 1e-6, the
// false-alarm rate of a check. Power: the loss that is proved is asserted to be at least the stated
// share of the budget, .5 of epsilon under replace_one. Wrong releases that are found out:
// mwem_audit_control_test.cpp; wrong allowances and schedules:
// tests/unit/privacy/release/clipped_error_index_control_test.cpp.

namespace lazygumbel::testing {
namespace {

constexpr std::size_t clipped_audit_runs = 100'000;

/// In how many of rounds 2 and 3 there was a scan, of all runs.
struct Scans {
  std::size_t made = 0, skipped = 0;
};

template <Workload W>
PrivacyAudit audit_clipped(const AuditPair& pair, const W& workload, const LazyClipped& mode,
                           bool zcdp, double amount, std::uint64_t seed, Scans& scans) {
  const Mwem mechanism(workload, {.neighbours = pair.neighbours, .rounds = 3, .replay_passes = 1});
  NotPrivateEngine engine(seed);
  const auto release_of = [&](const std::vector<std::int64_t>& counts) {
    return [&, table = line_table(counts)] {
      const MwemResult result =
          mechanism.run(table, zcdp ? Budget::zcdp(amount) : Budget::pure(amount), engine, mode);
      std::uint64_t outcome = 0;
      std::size_t before = 0;
      for (const MwemRound& round : result.history) {
        outcome = 4 * outcome + pair.outcome(round.query, round.answer);
        const std::size_t now = round.scans.exact + round.scans.coded;
        if (round.round > 1) ++(now != before ? scans.made : scans.skipped);
        before = now;
      }
      return 2 * outcome + (result.total > 40.0 ? 1 : 0);
    };
  };
  return PrivacyAudit(clipped_audit_runs, release_of(pair.before), release_of(pair.after));
}

LazyClipped mode_of(double largest_drift, int bits) {
  return {{.code_bits = bits, .largest_drift = largest_drift, .sample = 1, .margin = 1.0}, 1};
}

void expect_both(const Scans& scans, const std::string& what) {
  EXPECT_GT(scans.skipped, clipped_audit_runs / 20) << what << ": no scan was skipped";
  EXPECT_GT(scans.made, clipped_audit_runs / 20) << what << ": no scan was made";
}

template <Workload W>
void expect_pure_clipped(const AuditPair& pair, const W& workload, const LazyClipped& mode,
                         const std::string& what, double least_share) {
  const double epsilon = 3.0;
  Scans scans;
  const double proved = audit_clipped(pair, workload, mode, false, epsilon, 1, scans).epsilon();
  EXPECT_LE(proved, epsilon) << what;
  EXPECT_GE(proved, least_share * epsilon) << what << ": too little is seen";
  expect_both(scans, what);
}

template <Workload W>
void expect_zcdp_clipped(const AuditPair& pair, const W& workload, const LazyClipped& mode,
                         const std::string& what) {
  const double rho = 0.5;
  Scans scans;
  const PrivacyAudit seen = audit_clipped(pair, workload, mode, true, rho, 2, scans);
  for (const double epsilon : {0.1, 0.5, 1.0, 2.0, 3.0})
    EXPECT_LE(seen.delta(epsilon), zcdp_delta(rho, epsilon)) << what << ", epsilon " << epsilon;
  EXPECT_GT(seen.delta(0.1), 0.1) << what << ": too little is seen";
  expect_both(scans, what);
}

TEST(ClippedAudit, ReplaceOne) {
  const AuditPair pair = AuditPair::replaced();
  expect_pure_clipped(pair, pair.integers(), mode_of(0.1, 0), "integers", 0.5);
  expect_zcdp_clipped(pair, pair.integers(), mode_of(0.1, 0), "integers");
}

TEST(ClippedAudit, ReplaceOneByCodes) {
  const AuditPair pair = AuditPair::replaced();
  expect_pure_clipped(pair, pair.dense(), mode_of(0.1, 8), "floats", 0.5);
  expect_zcdp_clipped(pair, pair.dense(), mode_of(0.1, 8), "floats");
}

TEST(ClippedAudit, Parities) {
  const AuditPair pair = AuditPair::parities();
  expect_pure_clipped(pair, pair.integers(), mode_of(0.1, 0), "parities", 0.5);
}

// Less of the loss is seen: the number of records blurs the scores.
TEST(ClippedAudit, AddRemove) {
  const AuditPair pair = AuditPair::added();
  expect_pure_clipped(pair, pair.integers(), mode_of(0.1, 0), "integers", 0.3);
  expect_zcdp_clipped(pair, pair.dense(), mode_of(0.1, 8), "floats");
}

}  // namespace
}  // namespace lazygumbel::testing

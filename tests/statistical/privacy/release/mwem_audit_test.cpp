#include "mwem_audit.hpp"

#include <gtest/gtest.h>

#include <lazygumbel/privacy/accounting/zcdp.hpp>
#include <lazygumbel/privacy/release/mwem.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <string>
#include <type_traits>
#include <utility>

// Whole runs of MWEM on neighbouring tables: what the outcomes (queries chosen, answers, the noisy
// number of records) prove of the privacy loss must not exceed what the budget states. 300,000 runs
// a side by full scans, 100,000 by lazy ones; every bound is wrong with probability below 1e-6, the
// false-alarm rate of a check. Power: the proved loss of the pure runs of one round is asserted to
// be at least .85 of the stated one, so that a release which spent a fifth too much would be found.
// Wrong releases: mwem_audit_control_test.cpp.

namespace lazygumbel::testing {
namespace {

template <Workload W, class Mode>
PrivacyAudit audit_mwem(const AuditPair& pair, const W& workload, std::size_t rounds,
                        const Mode& mode, bool zcdp, double amount, std::uint64_t seed) {
  const Mwem mechanism(workload,
                       {.neighbours = pair.neighbours, .rounds = rounds, .replay_passes = 1});
  NotPrivateEngine engine(seed);
  const auto release_of = [&](const std::vector<std::int64_t>& counts) {
    return [&, table = line_table(counts)] {
      const MwemResult result =
          mechanism.run(table, zcdp ? Budget::zcdp(amount) : Budget::pure(amount), engine, mode);
      std::uint64_t outcome = 0;
      for (const MwemRound& round : result.history)
        outcome = 4 * outcome + pair.outcome(round.query, round.answer);
      return 2 * outcome + (result.total > 40.0 ? 1 : 0);
    };
  };
  const std::size_t runs = std::is_same_v<Mode, FullScan> ? 300'000 : 100'000;
  return PrivacyAudit(runs, release_of(pair.before), release_of(pair.after));
}

template <Workload W, class Mode>
void expect_pure(const AuditPair& pair, const W& workload, const Mode& mode,
                 const std::string& what,
                 double least_share = std::is_same_v<Mode, FullScan> ? 0.8 : 0.7) {
  const double mwem_audit_epsilon = 1.5;
  const double one_round =
      audit_mwem(pair, workload, 1, mode, false, mwem_audit_epsilon, 1).epsilon();
  EXPECT_LE(one_round, mwem_audit_epsilon) << what;
  EXPECT_GE(one_round, least_share * mwem_audit_epsilon) << what << ": too little is seen";
  EXPECT_LE(audit_mwem(pair, workload, 2, mode, false, mwem_audit_epsilon, 2).epsilon(),
            mwem_audit_epsilon)
      << what;
}

template <Workload W, class Mode>
void expect_zcdp_mwem(const AuditPair& pair, const W& workload, const Mode& mode,
                      const std::string& what) {
  const double rho = 0.5;
  for (const std::size_t rounds : {1U, 2U}) {
    const PrivacyAudit seen = audit_mwem(pair, workload, rounds, mode, true, rho, 10 + rounds);
    for (const double mwem_audit_epsilon : {0.1, 0.5, 1.0, 2.0, 3.0})
      EXPECT_LE(seen.delta(mwem_audit_epsilon), zcdp_delta(rho, mwem_audit_epsilon))
          << what << ", epsilon " << mwem_audit_epsilon;
    EXPECT_GT(seen.delta(0.1), 0.1) << what << ": too little is seen";
  }
}

TEST(MwemAudit, ReplaceOneByFullScan) {
  const AuditPair pair = AuditPair::replaced();
  expect_pure(pair, pair.integers(), FullScan{}, "integers");
  expect_pure(pair, pair.dense(), FullScan{}, "floats");
  expect_zcdp_mwem(pair, pair.integers(), FullScan{}, "integers");
}

TEST(MwemAudit, ReplaceOneByCertifiedBounds) {
  const AuditPair pair = AuditPair::replaced();
  expect_pure(pair, pair.integers(), LazyCertified{{}, 1}, "integers");
  expect_pure(pair, pair.dense(), LazyCertified{{}, 1}, "floats");
  expect_zcdp_mwem(pair, pair.dense(), LazyCertified{{}, 1}, "floats");
}

TEST(MwemAudit, ParitiesUnderReplaceOne) {
  const AuditPair pair = AuditPair::parities();
  expect_pure(pair, pair.integers(), FullScan{}, "full scan");
  expect_pure(pair, pair.integers(), LazyCertified{{}, 1}, "lazy");
}

// Less of the loss is seen: the number of records blurs the scores.
TEST(MwemAudit, AddRemove) {
  const AuditPair pair = AuditPair::added();
  expect_pure(pair, pair.integers(), FullScan{}, "full scan", 0.5);
  expect_pure(pair, pair.dense(), LazyCertified{{}, 1}, "lazy", 0.4);
  expect_zcdp_mwem(pair, pair.integers(), LazyCertified{{}, 1}, "lazy");
}

}  // namespace
}  // namespace lazygumbel::testing

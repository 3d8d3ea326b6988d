#include "sampled_lp_audit.hpp"

#include <gtest/gtest.h>

#include <lazygumbel/privacy/accounting/zcdp.hpp>

// Whole solves of tiny programs by LazySampled for neighbouring right-hand sides: what the choices
// of three rounds (two with a scan, one without) prove of the privacy loss must not exceed what the
// budget states. 150,000 runs a side; every bound is wrong with probability below 1e-6, the
// false-alarm rate of a check. Power: the loss that is proved is asserted to be at least the stated
// share of the budget. Wrong releases that are found out: sampled_lp_audit_control_test.cpp.

namespace lazygumbel::testing {
namespace {

constexpr std::size_t sampled_audit_runs = 150'000;

TEST(SampledLpAudit, Pure) {
  const double epsilon = 3.0;
  const SampledAuditPair moving = SampledAuditPair::moving(), listed = SampledAuditPair::listed();
  const double proved =
      moving.audit(LazySampled{moving.options()}, Budget::pure, epsilon, sampled_audit_runs, 1)
          .epsilon();
  EXPECT_LE(proved, epsilon);
  EXPECT_GE(proved, 0.6 * epsilon) << "too little is seen";
  const double other =
      listed.audit(LazySampled{listed.options()}, Budget::pure, epsilon, sampled_audit_runs, 2)
          .epsilon();
  EXPECT_LE(other, epsilon);
  EXPECT_GE(other, 0.25 * epsilon) << "too little is seen";
}

TEST(SampledLpAudit, Zcdp) {
  const double rho = 0.5;
  const SampledAuditPair pair = SampledAuditPair::moving();
  const PrivacyAudit seen =
      pair.audit(LazySampled{pair.options()}, Budget::zcdp, rho, sampled_audit_runs, 3);
  for (const double epsilon : {0.1, 0.5, 1.0, 2.0, 3.0})
    EXPECT_LE(seen.delta(epsilon), zcdp_delta(rho, epsilon)) << epsilon;
  EXPECT_GT(seen.delta(0.1), 0.1) << "too little is seen";
}

}  // namespace
}  // namespace lazygumbel::testing

#include <gtest/gtest.h>

#include <lazygumbel/privacy/lp/detail/vertex_selectors.hpp>
#include <lazygumbel/random/not_private_engine.hpp>

#include "lp_audit.hpp"
#include "privacy_audit.hpp"

// Wrong releases that the audit of lp_audit_test.cpp must catch: one round, made of the same parts,
// with a mistake. The right one must pass. 300,000 runs a side.

namespace lazygumbel::testing {
namespace {

constexpr double lp_audit_epsilon = 1.5;

/// What is proved of one choice; `charged`: times the sensitivity.
double proved(const ConstraintAuditPair& pair, double charged, std::uint64_t seed) {
  NotPrivateEngine engine(seed);
  const double sensitivity = charged * constraint_lp_sensitivity(pair.density);
  const auto release_of = [&](const TestLp& lp) {
    return [&, scores = scores_of(lp),
            dual = lazygumbel::detail::ConstraintDual(lp.rows.size(), pair.density, 0.1)] {
      lazygumbel::detail::VertexSelector<FullScan> selector(scores, sensitivity, {});
      Budget budget = Budget::pure(lp_audit_epsilon);
      selector.moved(dual.weights(), 0.0);
      return std::uint64_t{selector.select(lp_audit_epsilon, budget, engine).id};
    };
  };
  return PrivacyAudit(300'000, release_of(pair.before), release_of(pair.after)).epsilon();
}

TEST(LpAuditControl, TheRightReleasePasses) {
  EXPECT_LE(proved(ConstraintAuditPair::replaced(), 1.0, 1), lp_audit_epsilon);
  EXPECT_LE(proved(ConstraintAuditPair::added(), 1.0, 2), lp_audit_epsilon);
}

// As if a row changed by its own term alone, or by half of it.
TEST(LpAuditControl, SensitivityTooSmall) {
  for (const double charged : {0.5, 0.75}) {
    EXPECT_GT(proved(ConstraintAuditPair::replaced(), charged, 3), lp_audit_epsilon) << charged;
  }
  EXPECT_GT(proved(ConstraintAuditPair::added(), 0.5, 4), lp_audit_epsilon);
}

}  // namespace
}  // namespace lazygumbel::testing

#include <gtest/gtest.h>

#include <lazygumbel/privacy/noise/noisy_answer.hpp>
#include <lazygumbel/privacy/release/detail/mwem_selectors.hpp>
#include <lazygumbel/privacy/release/multiplicative_weights.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <vector>

#include "mwem_audit.hpp"

// Wrong releases that the audit of mwem_audit_test.cpp must catch: one round of MWEM, made of the
// same parts, with one mistake. The right one must pass. 200,000 runs a side.

namespace lazygumbel::testing {
namespace {

struct MwemMistake {
  double selection = 1.0;    ///< times the epsilon of the choice
  double noise = 1.0;        ///< times the scale of the noise
  double sensitivity = 1.0;  ///< times the sensitivity of both
};

constexpr double mwem_audit_epsilon = 1.5;

/// What is proved of one round at epsilon / 2 + epsilon / 2.
PrivacyAudit audit_of(const AuditPair& pair, const MwemMistake& mistake, std::uint64_t seed) {
  const IntegerWorkload workload = pair.integers();
  const double sensitivity =
      lazygumbel::sensitivity(pair.range, pair.neighbours) * mistake.sensitivity;
  const GridNoise noise = GridNoise::laplace(
      Grid(0x1p-4), sensitivity, 0.5 * mwem_audit_epsilon / mistake.noise, Answers::on_grid);
  NotPrivateEngine engine(seed);
  const auto release_of = [&](const std::vector<std::int64_t>& counts) {
    return [&, table = line_table(counts)] {
      const ErrorScores scores(workload, table);
      Budget budget = Budget::pure(100.0);
      lazygumbel::detail::MwemSelector<FullScan, IntegerWorkload> selector(scores, sensitivity, {});
      const MultiplicativeWeights uniform(4, scores.total());
      const Selection selection = selector.select(
          uniform.weights(), 0.5 * mwem_audit_epsilon * mistake.selection, budget, engine);
      return pair.outcome(selection.id,
                          noise.answer(scores.private_answers()[selection.id], engine));
    };
  };
  return PrivacyAudit(200'000, release_of(pair.before), release_of(pair.after));
}

TEST(MwemAuditControl, TheRightReleasePasses) {
  EXPECT_LE(audit_of(AuditPair::replaced(), {}, 1).epsilon(), mwem_audit_epsilon);
  EXPECT_LE(audit_of(AuditPair::parities(), {}, 2).epsilon(), mwem_audit_epsilon);
}

TEST(MwemAuditControl, HalfTheNoise) {
  EXPECT_GT(audit_of(AuditPair::replaced(), {.noise = 0.5}, 3).epsilon(), mwem_audit_epsilon);
  EXPECT_GT(audit_of(AuditPair::parities(), {.noise = 0.5}, 4).epsilon(), mwem_audit_epsilon);
}

TEST(MwemAuditControl, SelectionAtTwiceTheEpsilon) {
  EXPECT_GT(audit_of(AuditPair::replaced(), {.selection = 2.0}, 5).epsilon(), mwem_audit_epsilon);
  EXPECT_GT(audit_of(AuditPair::parities(), {.selection = 2.0}, 6).epsilon(), mwem_audit_epsilon);
}

TEST(MwemAuditControl, UnitSensitivityForQueriesOfBothSigns) {
  EXPECT_GT(audit_of(AuditPair::parities(), {.sensitivity = 0.5}, 7).epsilon(), mwem_audit_epsilon);
}

}  // namespace
}  // namespace lazygumbel::testing

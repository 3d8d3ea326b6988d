#include <gtest/gtest.h>

#include "sampled_lp_audit.hpp"

// Wrong releases that the audit of sampled_lp_audit_test.cpp must catch: the right one told a third
// of the sensitivity, and the plain loops with clips that depend on what a scan listed. The plain
// loops with the right rule must pass. 100,000 runs a side.

namespace lazygumbel::testing {

/// A mode that selects by plain loops.
template <SampledClipping Clipping>
struct PlainSampled {
  SampledConstraintOptions index{};
};

}  // namespace lazygumbel::testing

namespace lazygumbel::detail {

template <testing::SampledClipping Clipping, class Scalar>
class LpSelector<testing::PlainSampled<Clipping>, Scalar>
    : public LazyLpSelector<testing::PlainSampledIndex<Scalar, Clipping>> {
 public:
  LpSelector(const ConstraintScores<Scalar>& scores, double sensitivity,
             const testing::PlainSampled<Clipping>& mode)
      : LazyLpSelector<testing::PlainSampledIndex<Scalar, Clipping>>(sensitivity, {.k = 1}, scores,
                                                                     mode.index) {}
  static constexpr const char* name() noexcept { return "plain loops"; }
};

}  // namespace lazygumbel::detail

namespace lazygumbel::testing {
namespace {

constexpr std::size_t sampled_audit_runs = 100'000;
constexpr double sampled_audit_epsilon = 3.0;

template <SampledClipping Clipping>
double proved_by(const SampledAuditPair& pair, std::uint64_t seed) {
  return pair
      .audit(PlainSampled<Clipping>{pair.options()}, Budget::pure, sampled_audit_epsilon,
             sampled_audit_runs, seed)
      .epsilon();
}

TEST(SampledLpAuditControl, TheRightRulePasses) {
  EXPECT_LE(proved_by<SampledClipping::right>(SampledAuditPair::listed(), 1),
            sampled_audit_epsilon);
  EXPECT_LE(proved_by<SampledClipping::right>(SampledAuditPair::moving(), 2),
            sampled_audit_epsilon);
}

TEST(SampledLpAuditControl, AClipByMembershipInTheList) {
  EXPECT_GT(proved_by<SampledClipping::listed_only>(SampledAuditPair::listed(), 3),
            sampled_audit_epsilon);
}

TEST(SampledLpAuditControl, AThirdOfTheSensitivity) {
  const SampledAuditPair pair = SampledAuditPair::moving();
  EXPECT_GT(pair.audit(LazySampled{pair.options()}, Budget::pure, sampled_audit_epsilon,
                       sampled_audit_runs, 4, 1.0 / 3.0)
                .epsilon(),
            sampled_audit_epsilon);
}

}  // namespace
}  // namespace lazygumbel::testing

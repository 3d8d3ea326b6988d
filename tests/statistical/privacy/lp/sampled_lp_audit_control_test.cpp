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

constexpr std::size_t runs = 100'000;
constexpr double epsilon = 3.0;

template <SampledClipping Clipping>
double proved_by(const LpAuditPair& pair, std::uint64_t seed) {
  return pair.audit(PlainSampled<Clipping>{pair.options()}, Budget::pure, epsilon, runs, seed)
      .epsilon();
}

TEST(SampledLpAuditControl, TheRightRulePasses) {
  EXPECT_LE(proved_by<SampledClipping::right>(LpAuditPair::listed(), 1), epsilon);
  EXPECT_LE(proved_by<SampledClipping::right>(LpAuditPair::moving(), 2), epsilon);
}

TEST(SampledLpAuditControl, AClipByMembershipInTheList) {
  EXPECT_GT(proved_by<SampledClipping::listed_only>(LpAuditPair::listed(), 3), epsilon);
}

TEST(SampledLpAuditControl, AThirdOfTheSensitivity) {
  const LpAuditPair pair = LpAuditPair::moving();
  EXPECT_GT(
      pair.audit(LazySampled{pair.options()}, Budget::pure, epsilon, runs, 4, 1.0 / 3.0).epsilon(),
      epsilon);
}

}  // namespace
}  // namespace lazygumbel::testing

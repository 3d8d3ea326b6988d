#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <lazygumbel/privacy/release/identity.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <numeric>
#include <span>
#include <vector>

#include "likelihood_audit.hpp"

/// \file
/// Wrong identities that the audit of identity_audit_test.cpp must refuse.

namespace lazygumbel::testing {
namespace {

using Counts = std::vector<std::int64_t>;
using Weights = std::vector<double>;

/// A release with the noise of `noise` and whatever total total_of(counts, noisy) says.
template <class Total>
double audit(const Counts& counts, const Counts& other, const GridNoise& noise, double epsilon,
             std::uint64_t seed, Total&& total_of) {
  NotPrivateEngine engine(seed);
  const auto release_of = [&](const Counts& values) {
    return [&, values] {
      Weights weights(values.begin(), values.end());
      noise.answers(weights, weights, engine);
      project_to_simplex(weights, total_of(values, weights));
      return weights;
    };
  };
  return likelihood_audit(400000, epsilon, release_of(counts), release_of(other));
}

double count_of(const Counts& counts, const Weights&) {
  return static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}));
}
double noisy_sum(const Counts&, const Weights& noisy) {
  return std::max(1.0, std::accumulate(noisy.begin(), noisy.end(), 0.0));
}

TEST(IdentityAuditControl, NoiseOfAddRemoveIsTooSmallForReplaceOne) {
  const GridNoise noise = identity_noise(2, Neighbours::add_remove, Accountant::pure, 1.0);
  EXPECT_LT(audit({3, 5}, {4, 4}, noise, 1.0, 1, count_of), 1e-6);
}

TEST(IdentityAuditControl, ATotalThatIsNotPublicGivesPeopleAway) {
  const GridNoise noise = identity_noise(1, Neighbours::add_remove, Accountant::pure, 1.0);
  EXPECT_LT(audit({3}, {4}, noise, 1.0, 2, count_of), 1e-6);
}

TEST(IdentityAuditControl, ALittleTooLittleNoise) {
  const GridNoise noise = identity_noise(1, Neighbours::add_remove, Accountant::pure, 1.05);
  EXPECT_LT(audit({3}, {4}, noise, 1.0, 3, noisy_sum), 1e-6);
}

// The audit itself: noise of the right size passes where the wrong ones above did not.
TEST(IdentityAuditControl, TheRightNoisePasses) {
  const GridNoise noise = identity_noise(1, Neighbours::add_remove, Accountant::pure, 1.0);
  EXPECT_GE(audit({3}, {4}, noise, 1.0, 4, noisy_sum), 1e-6);
}

}  // namespace
}  // namespace lazygumbel::testing

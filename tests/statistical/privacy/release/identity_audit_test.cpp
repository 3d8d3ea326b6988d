#include <gtest/gtest.h>

#include <cstdint>
#include <lazygumbel/privacy/release/identity.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <utility>
#include <vector>

#include "likelihood_audit.hpp"

/// \file
/// Pairs of neighbours on tiny domains through the whole release. 400,000 runs a side, refused at p
/// < 1e-6, the false-alarm rate of a pair. In one cell under add_remove, where every outcome has
/// the largest ratio, an epsilon 3% above the stated one is found with probability .9; with more
/// cells it takes more. Wrong releases: identity_audit_control_test.cpp.

namespace lazygumbel::testing {
namespace {

using Counts = std::vector<std::int64_t>;

double audit_identity(const Counts& counts, const Counts& other, Neighbours neighbours,
                      double epsilon, std::uint64_t seed) {
  NotPrivateEngine engine(seed);
  const auto release_of = [&](const Counts& values) {
    return [&engine, neighbours, epsilon,
            h = Histogram(
                Domain({Attribute::integers("a", 0, static_cast<std::int64_t>(values.size()) - 1)}),
                values)] {
      Budget budget = Budget::pure(epsilon);
      const SyntheticTable table = release_identity(h, neighbours, budget, engine);
      return std::vector<double>(table.weights().begin(), table.weights().end());
    };
  };
  return likelihood_audit(400000, epsilon, release_of(counts), release_of(other));
}

TEST(IdentityAudit, ReplaceOne) {
  EXPECT_GE(audit_identity({3, 5}, {4, 4}, Neighbours::replace_one, 1.0, 1), 1e-6);
  EXPECT_GE(audit_identity({8, 0}, {7, 1}, Neighbours::replace_one, 1.0, 2), 1e-6);
  EXPECT_GE(audit_identity({2, 0, 1}, {1, 1, 1}, Neighbours::replace_one, 2.0, 3), 1e-6);
}

TEST(IdentityAudit, AddRemove) {
  EXPECT_GE(audit_identity({3}, {4}, Neighbours::add_remove, 1.0, 4), 1e-6);
  EXPECT_GE(audit_identity({0, 0}, {1, 0}, Neighbours::add_remove, 1.0, 5), 1e-6);
  EXPECT_GE(audit_identity({2, 1}, {2, 2}, Neighbours::add_remove, 2.0, 6), 1e-6);
}

}  // namespace
}  // namespace lazygumbel::testing

#include <gtest/gtest.h>

#include <lazygumbel/index/hnsw/hnsw_parameters.hpp>
#include <limits>
#include <message_of.hpp>
#include <string>

namespace lazygumbel::testing {
namespace {

std::string parameters_refusal(const HnswParameters& parameters) {
  return message_of<std::invalid_argument>(
      [&] { lazygumbel::detail::require_parameters(parameters); });
}

const std::string is_accepted = "(nothing was thrown)";

TEST(HnswParameters, DefaultsAreTheDocumentedOnes) {
  const HnswParameters p;
  EXPECT_EQ(p.M, 24u);
  EXPECT_EQ(p.ef_construction, 300u);
  EXPECT_EQ(p.ef, 64u);
  EXPECT_EQ(p.seed, 1u);
  EXPECT_EQ(p.geometry, HnswGeometry::automatic);
  EXPECT_EQ(p.norm_bound, 0.0);
  EXPECT_EQ(p.threads, 1u);
  EXPECT_EQ(parameters_refusal(p), is_accepted);
}

TEST(HnswParameters, AreRefusedOutOfRangeByName) {
  EXPECT_EQ(parameters_refusal({.M = 0}), "lazygumbel: M = 0: must lie in 2 .. 10000");
  EXPECT_EQ(parameters_refusal({.M = 1}), "lazygumbel: M = 1: must lie in 2 .. 10000");
  EXPECT_EQ(parameters_refusal({.M = 10001}), "lazygumbel: M = 10001: must lie in 2 .. 10000");
  EXPECT_EQ(parameters_refusal({.M = 2}), is_accepted);
  EXPECT_EQ(parameters_refusal({.M = 10000}), is_accepted);
  EXPECT_EQ(parameters_refusal({.ef_construction = 0}),
            "lazygumbel: ef_construction = 0: must be at least 1");
  EXPECT_EQ(parameters_refusal({.ef_construction = 1}), is_accepted);
  EXPECT_EQ(parameters_refusal({.ef = 0}), "lazygumbel: ef = 0: must be at least 1");
  EXPECT_EQ(parameters_refusal({.ef = 1}), is_accepted);
}

TEST(HnswParameters, NormBoundMustBeFinite) {
  const std::string rest = ": must be finite and not negative";
  const auto with_bound = [](double bound) {
    HnswParameters p;
    p.norm_bound = bound;
    return parameters_refusal(p);
  };
  EXPECT_EQ(with_bound(-0.5), "lazygumbel: norm_bound = -0.5" + rest);
  EXPECT_EQ(with_bound(std::numeric_limits<double>::infinity()),
            "lazygumbel: norm_bound = inf" + rest);
  EXPECT_EQ(with_bound(std::numeric_limits<double>::quiet_NaN()),
            "lazygumbel: norm_bound = nan" + rest);
  EXPECT_EQ(with_bound(1e300), is_accepted);
}

}  // namespace
}  // namespace lazygumbel::testing

#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/privacy/lp/scaled_simplex.hpp>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "message_of.hpp"

namespace lazygumbel::testing {
namespace {

TEST(ScaledSimplex, OfAnObjective) {
  const std::vector<double> c = {2.0, 0.5, 8.0};
  const ScaledSimplex region = ScaledSimplex::of_objective(c, 4.0);
  EXPECT_EQ(region.dimension(), 3U);
  EXPECT_EQ(std::vector<double>(region.vertices().begin(), region.vertices().end()),
            (std::vector<double>{2.0, 8.0, 0.5}));
  EXPECT_EQ(region.vertex(1), 8.0);
  EXPECT_EQ(region.radius(), 8.0);
  const std::vector<double> weights = {0.25, 0.5, 0.25};
  std::vector<double> x(3);
  region.point(weights, x);
  EXPECT_EQ(x, (std::vector<double>{0.5, 4.0, 0.125}));
  EXPECT_EQ(std::inner_product(c.begin(), c.end(), x.begin(), 0.0), 4.0);
  std::vector<double> same = weights;
  region.point(same, same);
  EXPECT_EQ(same, x);
}

TEST(ScaledSimplex, OfATotal) {
  const ScaledSimplex region = ScaledSimplex::of_total(2);
  EXPECT_EQ(region.radius(), 1.0);
  EXPECT_EQ(ScaledSimplex::of_total(1, 1e-30).vertex(0), 1e-30);
  EXPECT_EQ(ScaledSimplex::of_total(1, 1e300).radius(), 1e300);
}

TEST(ScaledSimplex, Refusals) {
  const std::vector<double> good = {1.0, 2.0}, none, zero = {1.0, 0.0}, negative = {-1.0},
                            not_a_number = {std::nan("")}, tiny = {1.0, 1e-300},
                            large = {1.0, 1e300};
  const auto of = [](const std::vector<double>& c, double value) {
    return refusal([&] { ScaledSimplex::of_objective(c, value); });
  };
  EXPECT_EQ(of(none, 1.0), "lazygumbel: dimension = 0: must be at least 1");
  EXPECT_EQ(of(zero, 1.0), "lazygumbel: objective[1] = 0: must lie in (0, 1e300]");
  EXPECT_EQ(of(negative, 1.0), "lazygumbel: objective[0] = -1: must lie in (0, 1e300]");
  EXPECT_EQ(of(not_a_number, 1.0), "lazygumbel: objective[0] = nan: must lie in (0, 1e300]");
  EXPECT_EQ(of(good, 0.0), "lazygumbel: value = 0: must lie in (0, 1e300]");
  EXPECT_EQ(of(good, -1.0), "lazygumbel: value = -1: must lie in (0, 1e300]");
  EXPECT_EQ(of(good, std::numeric_limits<double>::infinity()),
            "lazygumbel: value = inf: must lie in (0, 1e300]");
  EXPECT_EQ(of(tiny, 1e300), "lazygumbel: value / objective[1] = inf: must lie in (0, 1e300]");
  EXPECT_EQ(of(large, 1e-300), "lazygumbel: value / objective[1] = 0: must lie in (0, 1e300]");
  EXPECT_EQ(refusal([] { ScaledSimplex::of_total(0); }),
            "lazygumbel: dimension = 0: must be at least 1");
  EXPECT_EQ(refusal([] { ScaledSimplex::of_total(2, std::nan("")); }),
            "lazygumbel: total = nan: must lie in (0, 1e300]");
}

}  // namespace
}  // namespace lazygumbel::testing

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <lazygumbel/random/gumbel.hpp>
#include <lazygumbel/random/philox.hpp>
#include <message_of.hpp>
#include <numbers>
#include <scripted_engine.hpp>
#include <statistics.hpp>
#include <vector>

#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

template <class Draw>
std::vector<double> draws(std::size_t n, std::uint64_t seed, Draw&& draw) {
  PhiloxEngine engine(seed);
  std::vector<double> sample(n);
  for (double& x : sample) x = draw(engine);
  return sample;
}

// The two ends of the range; log and log1p may differ by an ulp between libraries.
TEST(Gumbel, GoldenValuesAtTheEnds) {
  const auto exponential = [](std::uint64_t bits) {
    ScriptedEngine<std::uint64_t> engine{bits};
    return standard_exponential(engine);
  };
  const auto gumbel_of = [](std::uint64_t bits) {
    ScriptedEngine<std::uint64_t> engine{bits};
    return gumbel(engine);
  };
  EXPECT_DOUBLE_EQ(exponential(1), 0x1p-64);
  EXPECT_DOUBLE_EQ(exponential(std::uint64_t{1} << 63), std::numbers::ln2);
  EXPECT_DOUBLE_EQ(exponential(all_ones), 53 * std::numbers::ln2);
  EXPECT_DOUBLE_EQ(gumbel_of(1), 64 * std::numbers::ln2);
  EXPECT_DOUBLE_EQ(gumbel_of(all_ones), -std::log(53 * std::numbers::ln2));
  EXPECT_LE(exponential(all_ones), 36.8);
  EXPECT_GE(gumbel_of(all_ones), -3.61);
  EXPECT_LE(gumbel_of(1), 44.4);
}

// n = 1e6 draws each; refused at p < 1e-6 (the false-alarm rate); a cdf that is off by 0.0033
// anywhere shows with probability 0.9.
TEST(Gumbel, FollowsItsLaw) {
  const auto sample = draws(1000000, 11, [](auto& engine) { return gumbel(engine); });
  EXPECT_GE(kolmogorov_smirnov_p_value(sample, gumbel_cdf), 1e-6);
}

TEST(Exponential, FollowsItsLaw) {
  const auto sample = draws(1000000, 12, [](auto& engine) { return standard_exponential(engine); });
  EXPECT_GE(kolmogorov_smirnov_p_value(sample, [](double x) { return -std::expm1(-x); }), 1e-6);
}

// The upper tail decides races. Of n = 1e6 draws, how many exceed 8 is Binomial(n, 3.4e-4); refused
// when either side has p < 1e-6; twice or half the tail mass shows with probability above 0.99.
TEST(Gumbel, HasTheRightUpperTail) {
  std::uint64_t above = 0;
  for (const double x : draws(1000000, 13, [](auto& engine) { return gumbel(engine); }))
    above += x > 8.0;
  const double p = gumbel_survival(8.0);
  EXPECT_GE(binomial_at_least(above, 1000000, p), 1e-6);
  EXPECT_GE(binomial_at_most(above, 1000000, p), 1e-6);
}

TEST(GumbelCdf, AgreesWithLongDouble) {
  for (double x = -6.0; x <= 40.0; x += 0.125) {
    const long double t = std::exp(-static_cast<long double>(x));
    const auto cdf = static_cast<double>(std::exp(-t));
    const auto survival = static_cast<double>(-std::expm1(-t));
    EXPECT_NEAR(gumbel_cdf(x), cdf, 1e-13 * cdf) << x;
    EXPECT_NEAR(gumbel_survival(x), survival, 1e-15 * survival) << x;
  }
}

TEST(GumbelCdf, HasTheRightLimits) {
  EXPECT_EQ(gumbel_cdf(-infinity), 0.0);
  EXPECT_EQ(gumbel_cdf(infinity), 1.0);
  EXPECT_EQ(gumbel_survival(-infinity), 1.0);
  EXPECT_EQ(gumbel_survival(infinity), 0.0);
  EXPECT_DOUBLE_EQ(gumbel_cdf(0.0), 1.0 / std::numbers::e);
  EXPECT_DOUBLE_EQ(gumbel_survival(700.0), std::exp(-700.0)) << "far where 1 - cdf is 0";
}

// p = exp(-t) loses about t ulps to the rounding of the quantile, t <= 690: 1e-12 is their sum.
TEST(GumbelQuantile, InvertsTheCdfInTheLowerTail) {
  for (double exponent = -300.0; exponent <= -0.05; exponent += 0.25) {
    const double p = std::pow(10.0, exponent);
    EXPECT_NEAR(gumbel_cdf(gumbel_quantile(p)), p, 1e-12 * p) << p;
  }
}

TEST(GumbelQuantile, InvertsTheSurvivalInTheUpperTail) {
  for (double exponent = -300.0; exponent <= -0.05; exponent += 0.25) {
    const double q = std::pow(10.0, exponent);
    EXPECT_NEAR(gumbel_survival(gumbel_upper_quantile(q)), q, 1e-12 * q) << q;
  }
}

TEST(GumbelQuantile, IsInvertedByTheCdf) {
  for (double x = -3.0; x <= 2.0; x += 0.0625)
    EXPECT_NEAR(gumbel_quantile(gumbel_cdf(x)), x, 1e-13) << x;
  for (double x = -1.0; x <= 700.0; x += 0.5)
    EXPECT_NEAR(gumbel_upper_quantile(gumbel_survival(x)), x, 1e-12) << x;
}

TEST(GumbelQuantile, TakesTheClosedUnitIntervalOnly) {
  EXPECT_EQ(gumbel_quantile(0.0), -infinity);
  EXPECT_EQ(gumbel_quantile(1.0), infinity);
  EXPECT_EQ(gumbel_upper_quantile(0.0), infinity);
  EXPECT_EQ(gumbel_upper_quantile(1.0), -infinity);
  EXPECT_NEAR(gumbel_upper_quantile(5e-324), 744.4400719213812, 1e-9);
  const auto lower = [](double p) {
    return message_of<std::invalid_argument>([&] { gumbel_quantile(p); });
  };
  const auto upper = [](double q) {
    return message_of<std::invalid_argument>([&] { gumbel_upper_quantile(q); });
  };
  EXPECT_EQ(lower(-0.25), "lazygumbel: p = -0.25: must lie in [0, 1]");
  EXPECT_EQ(lower(1.5), "lazygumbel: p = 1.5: must lie in [0, 1]");
  EXPECT_EQ(lower(nan), "lazygumbel: p = nan: must lie in [0, 1]");
  EXPECT_EQ(upper(-0.25), "lazygumbel: q = -0.25: must lie in [0, 1]");
  EXPECT_EQ(upper(2.0), "lazygumbel: q = 2: must lie in [0, 1]");
  EXPECT_EQ(upper(nan), "lazygumbel: q = nan: must lie in [0, 1]");
}

// n = 2e5 draws a bound; refused at p < 1e-6 (the false-alarm rate a bound); a cdf that is off by
// 0.0075 anywhere shows with probability 0.9. The bounds lie on both sides of the switch at 38.
TEST(GumbelAbove, FollowsTheConditionedLaw) {
  for (const double bound :
       {-infinity, -800.0, -5.0, -1.0, 0.0, 3.0, 30.0, 37.9, 38.1, 50.0, 800.0}) {
    const auto sample =
        draws(200000, 14, [&](auto& engine) { return gumbel_above(bound, engine); });
    const auto cdf = [&](double x) {
      if (bound > 700.0) return -std::expm1(bound - x);  // survival(bound) underflows
      return 1.0 - gumbel_survival(x) / gumbel_survival(bound);
    };
    std::uint64_t below = 0;
    for (const double x : sample) below += !(x >= bound && x < infinity);
    EXPECT_EQ(below, 0u) << bound;
    EXPECT_GE(kolmogorov_smirnov_p_value(sample, cdf), 1e-6) << bound;
  }
}

TEST(GumbelAbove, NeverFallsBelowTheBoundOrReachesInfinity) {
  for (double bound = -4.0; bound < 60.0; bound += 0.0078125)
    for (const std::uint64_t bits : {std::uint64_t{1}, all_ones, all_ones - 4096}) {
      ScriptedEngine<std::uint64_t> engine{bits};
      const double x = gumbel_above(bound, engine);
      ASSERT_GE(x, bound);
      ASSERT_LT(x, infinity);
    }
}

TEST(GumbelAbove, IsContinuousWhereTheFormulaChanges) {
  for (std::uint64_t bits = 1; bits < all_ones / 3; bits *= 3) {
    ScriptedEngine<std::uint64_t> below{bits}, above{bits};
    EXPECT_NEAR(gumbel_above(38.0, below), gumbel_above(std::nextafter(38.0, 39.0), above), 1e-13);
  }
}

TEST(GumbelAbove, OfMinusInfinityIsAPlainDraw) {
  PhiloxEngine engine(15);
  EXPECT_LT(gumbel_above(-infinity, engine), 45.0);
}

TEST(GumbelAbove, RefusesNaNAndPlusInfinity) {
  PhiloxEngine engine(16);
  const auto refusal = [&](double bound) {
    return message_of<std::invalid_argument>([&] { gumbel_above(bound, engine); });
  };
  EXPECT_EQ(refusal(nan), "lazygumbel: bound = nan: must be below +infinity");
  EXPECT_EQ(refusal(infinity), "lazygumbel: bound = inf: must be below +infinity");
  EXPECT_EQ(engine, PhiloxEngine(16)) << "no bits are used up";
}

}  // namespace
}  // namespace lazygumbel::testing

#include <gtest/gtest.h>

#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <lazygumbel/estimation/normal_quantile.hpp>

#include "laws.hpp"

namespace lazygumbel::testing {
namespace {

double reference(double p) {
  return boost::math::quantile(boost::math::normal_distribution<double>(), p);
}

void expect_close(double p) {
  const double exact = reference(p), x = normal_quantile(p);
  EXPECT_LE(std::abs(x - exact), 1e-12 * std::abs(exact)) << "p = " << p << ": " << x;
}

TEST(NormalQuantile, AgreesWithBoostInTheLowerTail) {
  for (int exponent = -300; exponent <= -1; ++exponent)
    for (const double mantissa : {1.0, 2.3, 4.9}) expect_close(mantissa * std::pow(10.0, exponent));
}

TEST(NormalQuantile, AgreesWithBoostInTheMiddle) {
  for (int i = 1; i < 1000; ++i) expect_close(i / 1000.0);
}

TEST(NormalQuantile, AgreesWithBoostNearOneHalf) {
  for (int exponent = -1; exponent >= -15; --exponent) {
    expect_close(0.5 - 0.3 * std::pow(10.0, exponent));
    expect_close(0.5 + 0.3 * std::pow(10.0, exponent));
  }
  EXPECT_EQ(normal_quantile(0.5), 0.0);
}

TEST(NormalQuantile, AgreesWithBoostInTheUpperTail) {
  for (int exponent = -1; exponent >= -15; --exponent) {
    const double p = 1.0 - std::pow(10.0, exponent);
    // The reference from the complement, which is exact: 1 - p of the double p.
    const double exact = boost::math::quantile(
        boost::math::complement(boost::math::normal_distribution<double>(), 1.0 - p));
    EXPECT_LE(std::abs(normal_quantile(p) - exact), 1e-12 * exact) << p;
  }
  EXPECT_NEAR(normal_quantile(1.0 - 1e-16), 8.2095, 1e-3);
}

TEST(NormalQuantile, IsOddAboutOneHalf) {
  for (const double p : {0.25, 0.125, 0.375, 0x1p-30})
    EXPECT_EQ(normal_quantile(p), -normal_quantile(1.0 - p));
}

TEST(NormalQuantile, RefusesWhatIsNoProbability) {
  for (const double p : {0.0, 1.0, -0.1, 1.1, std::nan("")})
    expect_throws<std::invalid_argument>([&] { normal_quantile(p); }, {"p = ", "(0, 1)"});
}

}  // namespace
}  // namespace lazygumbel::testing

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/random/ratio.hpp>
#include <lazygumbel/random/uniform.hpp>
#include <limits>
#include <message_of.hpp>

namespace lazygumbel::testing {
namespace {

TEST(Ratio, HoldsItsParts) {
  constexpr Ratio third(1, 3), seven = 7;
  EXPECT_EQ(third.numerator(), 1u);
  EXPECT_EQ(third.denominator(), 3u);
  EXPECT_EQ(third.value(), 1.0 / 3.0);
  EXPECT_EQ(seven, Ratio(7, 1));
  EXPECT_NE(Ratio(1, 2), Ratio(2, 4)) << "not reduced";
  EXPECT_EQ(message_of<std::invalid_argument>([] { Ratio(1, 0); }),
            "lazygumbel: denominator = 0: must be at least 1");
}

TEST(RatioAtLeast, GoldenValues) {
  EXPECT_EQ(ratio_at_least(1.0), Ratio(1));
  EXPECT_EQ(ratio_at_least(0.5), Ratio(1, 2));
  EXPECT_EQ(ratio_at_least(2.75), Ratio(11, 4));
  EXPECT_EQ(ratio_at_least(1.0 / 3.0), Ratio(174763, 1 << 19)) << "rounded up, then reduced";
  EXPECT_EQ(ratio_at_least(1.0, 0), Ratio(1));
  EXPECT_EQ(ratio_at_least(1.0 + 0x1p-52, 0), Ratio(2));
  EXPECT_EQ(ratio_at_least(1.0 + 0x1p-52, 1), Ratio(3, 2));
  EXPECT_EQ(ratio_at_least(0x1p62), Ratio(std::uint64_t{1} << 62));
  EXPECT_EQ(ratio_at_least(0x1p40 + 0x1p-12), Ratio((std::uint64_t{1} << 52) + 1, 1 << 12))
      << "a large number needs fewer bits and is exact";
  EXPECT_EQ(ratio_at_least(std::numeric_limits<double>::denorm_min()), Ratio(1, 1 << 20));
  EXPECT_EQ(ratio_at_least(1e-300, 32), Ratio(1, std::uint64_t{1} << 32));
}

TEST(RatioAtLeast, IsNeverBelowAndLessThanOneUnitAbove) {
  lazygumbel::PhiloxEngine engine(1);
  for (int i = 0; i < 200000; ++i) {
    const double x = std::exp2(-40.0 + 102.0 * lazygumbel::open_uniform(engine));
    const int bits = static_cast<int>(lazygumbel::uniform_index(33, engine));
    if (x > 0x1p62) continue;
    const Ratio ratio = ratio_at_least(x, bits);
    // The numerator is at most 2^53 or the double itself, the denominator a power of two: exact.
    const double value = ratio.value();
    ASSERT_GE(value, x);
    ASSERT_LT(value - x, std::ldexp(1.0, -bits)) << x << " " << bits;
    ASSERT_TRUE(ratio.numerator() % 2 == 1 || ratio.denominator() == 1);
    ASSERT_LE(ratio.denominator(), std::uint64_t{1} << bits);
  }
}

TEST(RatioAtLeast, RefusesWhatHasNoRatio) {
  const auto refused = [](double x, int bits = 20) {
    return message_of<std::invalid_argument>([&] { ratio_at_least(x, bits); });
  };
  EXPECT_EQ(refused(0.0), "lazygumbel: x = 0: must lie in (0, 2^62]");
  EXPECT_EQ(refused(-1.0), "lazygumbel: x = -1: must lie in (0, 2^62]");
  EXPECT_EQ(refused(std::nan("")), "lazygumbel: x = nan: must lie in (0, 2^62]");
  EXPECT_EQ(refused(INFINITY), "lazygumbel: x = inf: must lie in (0, 2^62]");
  EXPECT_EQ(refused(0x1p63), "lazygumbel: x = 9223372036854775808: must lie in (0, 2^62]");
  EXPECT_EQ(refused(1.0, -1), "lazygumbel: denominator_bits = -1: must lie in 0 .. 32");
  EXPECT_EQ(refused(1.0, 33), "lazygumbel: denominator_bits = 33: must lie in 0 .. 32");
}

}  // namespace
}  // namespace lazygumbel::testing

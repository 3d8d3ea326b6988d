#include <gtest/gtest.h>

#include <cstdint>
#include <lazygumbel/privacy/noise/discrete_noise.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <message_of.hpp>
#include <vector>

// The laws are tested in tests/statistical/privacy/noise/discrete_noise_law_test.cpp.

namespace lazygumbel::testing {
namespace {

constexpr std::uint64_t two_to(int power) { return std::uint64_t{1} << power; }

// Golden values: they may change only with the algorithm, which changes every private release that
// a test has pinned down. To regenerate, print what NotPrivateEngine(1) gives.
TEST(DiscreteNoise, IsAFunctionOfTheSeed) {
  NotPrivateEngine engine(1), twin(1);
  std::vector<std::int64_t> laplace, gaussian;
  for (int i = 0; i < 8; ++i) laplace.push_back(discrete_laplace({7, 3}, engine));
  for (int i = 0; i < 8; ++i) gaussian.push_back(discrete_gaussian({100, 3}, engine));
  EXPECT_EQ(laplace, (std::vector<std::int64_t>{2, -2, 16, -2, 2, -4, 1, 4}));
  EXPECT_EQ(gaussian, (std::vector<std::int64_t>{-2, 8, 0, 5, 3, 7, -11, -8}));
  for (const std::int64_t z : laplace) EXPECT_EQ(discrete_laplace({7, 3}, twin), z);
  for (const std::int64_t z : gaussian) EXPECT_EQ(discrete_gaussian({100, 3}, twin), z);
}

TEST(DiscreteNoise, ScalesAreRatiosOfAnyTerms) {
  NotPrivateEngine engine(2);
  // Scales of 2^-32 and below 1e-6: exp(-10^6) is never seen.
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(discrete_laplace({1, two_to(32)}, engine), 0);
    EXPECT_EQ(discrete_gaussian({1, two_to(32)}, engine), 0);
    EXPECT_EQ(discrete_laplace(lazygumbel::ratio_at_least(1e-6), engine), 0);
  }
  // The largest: spread over the range, both signs, no overflow.
  std::int64_t low = 0, high = 0, low_normal = 0, high_normal = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::int64_t z = discrete_laplace({two_to(52), 1}, engine);
    const std::int64_t x = discrete_gaussian({two_to(62), 1}, engine);
    const std::int64_t y = discrete_gaussian({two_to(62), two_to(32)}, engine);
    low = std::min(low, z), high = std::max(high, z);
    low_normal = std::min(low_normal, x), high_normal = std::max(high_normal, x);
    EXPECT_LT(std::abs(y), 20 * std::int64_t(two_to(15)));
  }
  EXPECT_LT(low, -std::int64_t(two_to(53)));
  EXPECT_GT(high, std::int64_t(two_to(53)));
  EXPECT_GT(low, -std::int64_t(two_to(57)));
  EXPECT_LT(high, std::int64_t(two_to(57)));
  EXPECT_LT(low_normal, -std::int64_t(two_to(32)));
  EXPECT_GT(high_normal, std::int64_t(two_to(32)));
  EXPECT_GT(low_normal, -std::int64_t(two_to(34)));
  EXPECT_LT(high_normal, std::int64_t(two_to(34)));
}

TEST(DiscreteNoise, WorksWithTheSystemsEngine) {
  lazygumbel::SystemEngine engine;
  EXPECT_EQ(discrete_laplace({1, 100}, engine), 0) << "but for one run in e^100";
  EXPECT_EQ(discrete_gaussian({1, 1000}, engine), 0) << "but for one run in e^500";
}

TEST(DiscreteNoise, RefusesOtherParameters) {
  NotPrivateEngine engine(3);
  const auto message = [](auto&& body) { return message_of<std::invalid_argument>(body); };
  EXPECT_EQ(message([&] { discrete_laplace(0, engine); }),
            "lazygumbel: scale.numerator() = 0: must lie in 1 .. 2^52");
  EXPECT_EQ(message([&] { discrete_laplace(two_to(52) + 1, engine); }),
            "lazygumbel: scale.numerator() = 4503599627370497: must lie in 1 .. 2^52");
  EXPECT_EQ(message([&] {
              discrete_laplace({1, two_to(32) + 1}, engine);
            }),
            "lazygumbel: scale.denominator() = 4294967297: must lie in 1 .. 2^32");
  EXPECT_EQ(message([&] { discrete_gaussian(0, engine); }),
            "lazygumbel: sigma_squared.numerator() = 0: must lie in 1 .. 2^62");
  EXPECT_EQ(message([&] { discrete_gaussian(two_to(62) + 1, engine); }),
            "lazygumbel: sigma_squared.numerator() = 4611686018427387905: must lie in 1 .. 2^62");
  EXPECT_EQ(message([&] {
              discrete_gaussian({1, two_to(33)}, engine);
            }),
            "lazygumbel: sigma_squared.denominator() = 8589934592: must lie in 1 .. 2^32");
  EXPECT_EQ(engine, NotPrivateEngine(3)) << "nothing was drawn";
}

}  // namespace
}  // namespace lazygumbel::testing

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <lazygumbel/core/log_sum_exp.hpp>
#include <limits>
#include <message_of.hpp>
#include <numeric>
#include <random>
#include <span>
#include <vector>

#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

double of(const std::vector<double>& scores) {
  return log_sum_exp(std::span<const double>(scores));
}

/// The same in long double (64-bit significand), smallest terms first.
double reference(std::vector<double> scores) {
  std::sort(scores.begin(), scores.end());
  const long double high = scores.back();
  long double sum = 0.0L;
  for (const double y : scores) sum += std::exp(static_cast<long double>(y) - high);
  return static_cast<double>(high + std::log(sum));
}

/// n numbers of [low, high); mt19937_64 is the same everywhere, its distributions are not.
std::vector<double> uniform_numbers(std::size_t n, double low, double high, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::vector<double> numbers(n);
  for (double& x : numbers)
    x = low + (high - low) * (static_cast<double>(engine() >> 11) * 0x1p-53);
  return numbers;
}

TEST(LogSumExp, AgreesWithLongDouble) {
  for (const std::size_t n : {1, 2, 3, 10, 1000, 100000})
    for (const double width : {1e-3, 1.0, 50.0, 2e4}) {
      const auto scores = uniform_numbers(n, -width / 2, width / 2, n);
      const double expected = reference(scores);
      // The sum has relative error n u at most (in fact far less), the sum's log an absolute one.
      const double tolerance = static_cast<double>(n) * 0x1p-53 + 4 * 0x1p-53 * std::abs(expected);
      EXPECT_NEAR(of(scores), expected, std::max(tolerance, 1e-15)) << n << " of width " << width;
    }
}

TEST(LogSumExp, ScoresFarApartNeitherOverflowNorVanish) {
  EXPECT_EQ(of({10000.0, 0.0}), 10000.0);
  EXPECT_EQ(of({0.0, 10000.0, -10000.0}), 10000.0);
  EXPECT_EQ(of({-10000.0, -20000.0}), -10000.0);
  EXPECT_NEAR(of({-10000.0, -10000.0}), -10000.0 + std::log(2.0), 1e-11);
  EXPECT_EQ(of({1e308, -1e308}), 1e308);
  EXPECT_EQ(of({-1e308}), -1e308);
}

TEST(LogSumExp, EqualScoresAddTheLogarithmOfTheirNumber) {
  for (const double y : {-700.0, 0.0, 1.0, 5000.0})
    EXPECT_NEAR(of(std::vector<double>(1000, y)), y + std::log(1000.0), 1e-15 * (10 + std::abs(y)));
}

TEST(LogSumExp, MinusInfinityCountsForNothing) {
  EXPECT_EQ(of({-infinity, 3.0, -infinity}), 3.0);
  EXPECT_EQ(of({3.0, -infinity}), 3.0);
  EXPECT_EQ(of({-infinity, -infinity}), -infinity);
  EXPECT_EQ(of({}), -infinity);
}

TEST(LogSumExp, FloatScoresAreSummedInDouble) {
  const std::vector<float> scores(1 << 20, 1.0f);
  EXPECT_NEAR(log_sum_exp(std::span<const float>(scores)), 1.0 + 20 * std::log(2.0), 1e-13);
}

TEST(LogSumExp, RefusesNaNAndPlusInfinityNamingTheEntry) {
  EXPECT_EQ(message_of<std::invalid_argument>([] {
              of({0.0, nan});
            }),
            "lazygumbel: scores[1] = nan: must be finite or -infinity");
  EXPECT_EQ(message_of<std::invalid_argument>([] {
              of({infinity, 0.0});
            }),
            "lazygumbel: scores[0] = inf: must be finite or -infinity");
  const std::vector<float> scores = {0.0f, 0.0f, std::numeric_limits<float>::infinity()};
  EXPECT_EQ(message_of<std::invalid_argument>([&] { log_sum_exp(std::span<const float>(scores)); }),
            "lazygumbel: scores[2] = inf: must be finite or -infinity");
}

TEST(LogSumExp, StreamingAndMergingInAnyOrderAgree) {
  auto scores = uniform_numbers(3000, -40.0, 40.0, 9);
  scores[5] = scores[2999] = -infinity;
  const double expected = of(scores);
  std::mt19937_64 shuffler(10);
  for (int round = 0; round < 20; ++round) {
    for (std::size_t i = scores.size() - 1; i > 0; --i)  // Fisher-Yates
      std::swap(scores[i], scores[shuffler() % (i + 1)]);
    LogSumExp one_by_one, in_blocks, merged[3];
    for (const double y : scores) one_by_one.add(y);
    for (std::size_t at = 0; at < scores.size(); at += 300)
      in_blocks.add(std::span<const double>(scores).subspan(at, 300));
    for (std::size_t i = 0; i < scores.size(); ++i) merged[i % 3].add(scores[i]);
    merged[2].merge(merged[0]);
    merged[2].merge(merged[1]);
    EXPECT_NEAR(one_by_one.value(), expected, 1e-12);
    EXPECT_NEAR(in_blocks.value(), expected, 1e-12);
    EXPECT_NEAR(merged[2].value(), expected, 1e-12);
  }
}

TEST(LogSumExp, StreamingHandlesTheEdges) {
  LogSumExp sum;
  EXPECT_EQ(sum.value(), -infinity);
  sum.add(-infinity);
  sum.merge(LogSumExp());
  sum.add(std::span<const double>());
  EXPECT_EQ(sum.value(), -infinity);
  sum.add(-20000.0);
  EXPECT_EQ(sum.value(), -20000.0);
  LogSumExp empty;
  empty.merge(sum);
  EXPECT_EQ(empty.value(), -20000.0);
  sum.add(10000.0);
  EXPECT_EQ(sum.value(), 10000.0);
  sum.merge(empty);
  EXPECT_EQ(sum.value(), 10000.0);
}

TEST(LogAddExp, IsSymmetricAndHasANeutralElement) {
  EXPECT_DOUBLE_EQ(log_add_exp(0.0, 0.0), std::log(2.0));
  EXPECT_DOUBLE_EQ(log_add_exp(1.0, 3.0), std::log(std::exp(1.0) + std::exp(3.0)));
  EXPECT_EQ(log_add_exp(1.0, 3.0), log_add_exp(3.0, 1.0));
  EXPECT_EQ(log_add_exp(-infinity, 7.0), 7.0);
  EXPECT_EQ(log_add_exp(7.0, -infinity), 7.0);
  EXPECT_EQ(log_add_exp(-infinity, -infinity), -infinity);
  EXPECT_EQ(log_add_exp(1e4, -1e4), 1e4);
  EXPECT_DOUBLE_EQ(log_add_exp(0.0, -40.0), std::exp(-40.0)) << "the small term is kept";
}

}  // namespace
}  // namespace lazygumbel::testing

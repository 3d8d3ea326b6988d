#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <lazygumbel/core/log_sum_exp.hpp>
#include <lazygumbel/privacy/release/detail/error_bounds.hpp>
#include <numeric>
#include <vector>

#include "laws.hpp"
#include "workloads.hpp"

namespace lazygumbel::testing {
namespace {

/// max |<q, after - before>| over all q with values in the range, in long double: each q(x) is at
/// one end, as the sign of the difference says.
double largest_move(const QueryRange& range, const std::vector<double>& before,
                    const std::vector<long double>& after) {
  long double most = 0.0L, least = 0.0L;
  for (std::size_t x = 0; x < before.size(); ++x) {
    const long double move = after[x] - static_cast<long double>(before[x]);
    const long double up = move > 0 ? range.upper : range.lower;
    const long double down = move > 0 ? range.lower : range.upper;
    most += up * move;
    least += down * move;
  }
  return static_cast<double>(std::max(std::abs(most), std::abs(least)));
}

void expect_drift(const QueryRange& range, const std::vector<double>& before,
                  const std::vector<double>& theta, double scale) {
  const ErrorBounds bounds(before, scale, range, {1.0, 2.0});
  std::vector<long double> after;
  double l1 = 0.0;
  for (const double t : theta) {
    after.push_back(static_cast<long double>(t) / -static_cast<long double>(scale));
    l1 += std::abs(static_cast<double>(after.back()));
  }
  for (const double b : before) l1 += std::abs(b);
  const double move = largest_move(range, before, after), drift = bounds.drift(theta);
  const double largest = std::max(std::abs(range.lower), std::abs(range.upper));
  EXPECT_GE(drift, move);
  EXPECT_LE(drift, move * (1.0 + 1e-9) + 1e-9 * largest * l1);  // and not by much
}

TEST(ErrorBounds, DriftBoundsEveryQueryInRange) {
  const QueryRange ranges[] = {{0, 1},       {-1, 1},        {2, 5},      {-5, -2},
                               {0.25, 0.75}, {0, 0},         {1, 1},      {-1e-9, 1e-9},
                               {0, 1e9},     {1e6, 1e6 + 1}, {-1e12, 1.0}};
  for (const QueryRange& range : ranges)
    for (const double scale : {1e-9, 1.0 / 3.0, 1e3})
      for (const std::size_t cells : {1U, 2U, 37U, 3000U}) {
        const auto before = random_weights(cells, 1e6, 3.0, cells);
        auto theta = before;  // no move but for the rounding of s A
        for (double& t : theta) t *= -scale;
        expect_drift(range, before, theta, scale);
        for (std::size_t x = 0; x < cells; x += 2) theta[x] *= 1.0 + 1e-7;  // small
        expect_drift(range, before, theta, scale);
        for (std::size_t x = 0; x < cells; x += 3) theta[x] *= -20.0;  // large, of other signs
        expect_drift(range, before, theta, scale);
        expect_drift(range, before, std::vector<double>(cells, 0.0), scale);
        expect_drift(range, std::vector<double>(cells, 0.0), theta, scale);
      }
}

TEST(ErrorBounds, DriftOfBinaryQueriesIsHalfTheDistance) {
  const ErrorBounds bounds({3.0, 1.0, 1.0}, 2.0, {0, 1}, {1.0});
  EXPECT_NEAR(bounds.drift(std::vector<double>{-2.0, -4.0, -4.0}), 2.0, 1e-12);  // 1, 2, 2
  EXPECT_NEAR(bounds.drift(std::vector<double>{-8.0, -2.0, -2.0}), 1.0, 1e-12);
}

TEST(ErrorBounds, HeadHoldsTheLargest) {
  for (const std::size_t m : {1U, 2U, 64U, 65U, 66U, 5000U}) {
    const auto values = random_weights(m, 100.0, 2.0, m);
    const ErrorBounds bounds({0.0}, 1.5, {0, 1}, values);
    std::vector<double> sorted(values);
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    ASSERT_EQ(bounds.head().size(), std::min<std::size_t>(m, ErrorBounds::head_capacity + 1));
    for (std::size_t i = 0; i < bounds.head().size(); ++i)
      EXPECT_EQ(values[bounds.head()[i]], sorted[i]);
    std::vector<double> scaled(values);
    for (double& v : scaled) v *= 1.5;
    EXPECT_NEAR(bounds.log_sum(), log_sum_exp(std::span<const double>(scaled)), 1e-12);
    EXPECT_EQ(bounds.bound(0), values[0]);
    EXPECT_NEAR(bounds.log_intensity(0), 1.5 * values[0], 1e-12 * 150.0);
  }
}

TEST(ErrorBounds, IntensitiesNeverFallBelowTheBounds) {
  const ErrorBounds bounds({0.0}, 10.0, {0, 1}, {1e6, 0.0, 1e6 - 60.0, 5e5});
  for (item_id j = 0; j < 4; ++j) EXPECT_GE(bounds.log_intensity(j), 10.0 * bounds.bound(j));
  EXPECT_NEAR(bounds.log_intensity(1), 1e7 - 700.0, 1e-6);
  EXPECT_NEAR(bounds.log_sum(), 1e7, 1e-6);
}

// 200,000 draws: an rms relative error of the probabilities of 2.5% is detected.
TEST(ErrorBounds, ProposesInProportion) {
  EXPECT_LT(smallest_defect(50, 200'000), 0.025);
  const auto values = random_weights(50, 100.0, 1.0, 7);
  const ErrorBounds bounds({0.0}, 0.8, {0, 1}, values);
  std::vector<double> intensities;
  for (item_id j = 0; j < 50; ++j) intensities.push_back(bounds.log_intensity(j));
  PhiloxEngine engine(8);
  expect_law(count_draws(50, 200'000, [&] { return bounds.propose(engine); }), softmax(intensities),
             "proposals");
}

TEST(ErrorBounds, OneItemIsAlwaysProposed) {
  const ErrorBounds bounds({0.0}, 1.0, {0, 1}, {0.0});
  PhiloxEngine engine(9);
  EXPECT_EQ(bounds.propose(engine), 0U);
  EXPECT_EQ(bounds.log_sum(), 0.0);
}

}  // namespace
}  // namespace lazygumbel::testing

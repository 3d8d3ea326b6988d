#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <lazygumbel/privacy/lp/detail/capped_projection.hpp>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/random/uniform.hpp>
#include <limits>
#include <numbers>
#include <stdexcept>
#include <string>
#include <vector>

#include "capped_reference.hpp"
#include "message_of.hpp"
#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

std::vector<double> capped_projection(const std::vector<double>& log_weights, double s) {
  std::vector<double> y(log_weights.size());
  project_to_capped_simplex(log_weights, s, y);
  return y;
}

/// Each y_i within 1e-12 of itself, and 1e-15.
void expect_near(const std::vector<double>& y, const std::vector<double>& wanted,
                 const std::string& what) {
  ASSERT_EQ(y.size(), wanted.size());
  for (std::size_t i = 0; i < y.size(); ++i)
    ASSERT_NEAR(y[i], wanted[i], 1e-12 * wanted[i] + 1e-15) << what << ", weight " << i;
}

void expect_capped_by_sorting(const std::vector<double>& log_weights, double s,
                              const std::string& what) {
  const std::vector<double> y = capped_projection(log_weights, s);
  expect_near(y, capped_by_sorting(log_weights, s), what);
  double sum = 0.0;
  for (const double value : y) {
    EXPECT_GE(value, 0.0);
    EXPECT_LE(value, 1.0 / s);
    sum += value;
  }
  const auto positive = static_cast<double>(std::count_if(log_weights.begin(), log_weights.end(),
                                                          [](double x) { return x > -infinity; }));
  EXPECT_NEAR(sum, std::min(1.0, positive / s), 1e-12) << what;
}

double normal(PhiloxEngine& engine) {
  return std::sqrt(-2.0 * std::log(open_uniform(engine))) *
         std::cos(2.0 * std::numbers::pi * open_uniform(engine));
}

TEST(CappedProjection, ByHand) {
  // Weights 4, 2, 1, 1: 1/s = .4 caps the first, the others share .6 as 2 : 1 : 1.
  const std::vector<double> logs = {std::log(4.0), std::log(2.0), 0.0, 0.0};
  expect_near(capped_projection(logs, 2.5), {0.4, 0.3, 0.15, 0.15}, "s = 2.5");
  expect_near(capped_projection(logs, 1.0), {0.5, 0.25, 0.125, 0.125}, "s = 1");
  expect_near(capped_projection(logs, 2.0), {0.5, 0.25, 0.125, 0.125},
              "s = 2, the cap just reached");
  expect_near(capped_projection(logs, 4.0), {0.25, 0.25, 0.25, 0.25}, "s = m");
  expect_near(capped_projection(logs, 8.0), {0.125, 0.125, 0.125, 0.125}, "s > m: half of a law");
}

TEST(CappedProjection, AgainstSorting) {
  PhiloxEngine engine(1);
  for (int round = 0; round < 3000; ++round) {
    const std::size_t m = 1 + uniform_index(round % 50 == 0 ? 5000u : 60u, engine);
    const double spread = std::pow(10.0, 5.0 * open_uniform(engine) - 2.0);
    const double offset = round % 3 == 0 ? 0.0 : 100.0 * spread * normal(engine);
    std::vector<double> logs(m);
    for (double& x : logs) x = offset + spread * normal(engine);
    const double s = 1.0 + open_uniform(engine) * (static_cast<double>(m) - 1.0);
    for (const double density : {s, std::floor(s), 1.0, static_cast<double>(m)})
      expect_capped_by_sorting(
          logs, density, "round " + std::to_string(round) + ", s = " + std::to_string(density));
  }
}

TEST(CappedProjection, TiesAndZeros) {
  PhiloxEngine engine(2);
  for (int round = 0; round < 2000; ++round) {
    const std::size_t m = 1 + uniform_index(40, engine);
    std::vector<double> logs(m);
    for (double& x : logs) {
      x = static_cast<double>(uniform_index(4, engine));
      if (uniform_index(3, engine) == 0) x = -infinity;
    }
    for (std::size_t s = 1; s <= m; ++s)
      expect_capped_by_sorting(logs, static_cast<double>(s), "round " + std::to_string(round));
  }
  expect_near(capped_projection({-infinity, -infinity}, 1.0), {0.0, 0.0}, "nothing positive");
  expect_near(capped_projection({-infinity, 3.0}, 1.5), {0.0, 1.0 / 1.5},
              "one positive, s above 1");
  expect_near(capped_projection({0.0, 0.0, 0.0}, 1.0), {1.0 / 3, 1.0 / 3, 1.0 / 3}, "equal");
}

TEST(CappedProjection, AnyScale) {
  PhiloxEngine engine(3);
  for (const double scale : {5e-324, 1e-310, 1e-100, 1e3, 1e9, 1e100, 1e307})
    for (int round = 0; round < 100; ++round) {
      std::vector<double> logs(20);
      for (double& x : logs) x = scale * (4.0 * open_uniform(engine) - 2.0);
      expect_capped_by_sorting(logs, 1.0 + 18.0 * open_uniform(engine), std::to_string(scale));
    }
  constexpr double largest = (std::numeric_limits<double>::max)();
  expect_near(capped_projection({largest, -largest, -largest}, 1.5), {1 / 1.5, 1. / 6, 1. / 6},
              "range");
  expect_near(capped_projection({0.0, 0.0, -2000.0}, 2.0), {0.5, 0.5, 0.0}, "all of it capped");
  // Far below two capped ones, weights are still told apart.
  expect_near(capped_projection({0.0, 1.0, -2000.0, -2000.0 + std::log(3.0)}, 2.5),
              {0.4, 0.4, 0.05, 0.15}, "far below");
}

TEST(CappedProjection, OneObjectFollowsMovingWeights) {
  PhiloxEngine engine(4);
  for (const double s : {1.0, 3.5, 200.0, 900.0, 999.5}) {
    CappedProjection projection(s);
    EXPECT_EQ(projection.s(), s);
    std::vector<double> logs(1000, 0.0), y(1000, 0.0);
    for (int step = 0; step < 400; ++step) {
      const std::vector<double> before = y;
      const double distance = projection.project(logs, y);
      double wanted = 0.0;
      for (std::size_t i = 0; i < y.size(); ++i) wanted += std::abs(y[i] - before[i]);
      EXPECT_NEAR(distance, wanted, 1e-13 + 1e-12 * wanted);
      expect_near(y, capped_by_sorting(logs, s),
                  "s = " + std::to_string(s) + ", step " + std::to_string(step));
      const double rate = step % 100 == 99 ? 50.0 : step < 200 ? 0.03 : 0.5;
      for (std::size_t i = 0; i < logs.size(); ++i)
        logs[i] += rate * (open_uniform(engine) - 0.4 + 0.001 * static_cast<double>(i % 100));
    }
  }
}

// A law on other weights, then on fewer and more of them.
TEST(CappedProjection, OneObjectServesOtherSizes) {
  PhiloxEngine engine(5);
  CappedProjection projection(4.0);
  for (const std::size_t m : {50u, 50u, 3u, 80u, 1u, 50u}) {
    std::vector<double> logs(m), y(m);
    for (double& x : logs) x = 5.0 * normal(engine);
    projection.project(logs, y);
    expect_near(y, capped_by_sorting(logs, 4.0), std::to_string(m));
  }
}

// |g(lambda) - 1| and the accuracy that the sensitivity rests on, on many weights.
TEST(CappedProjection, ErrorsDoNotGrowWithTheNumberOfWeights) {
  PhiloxEngine engine(6);
  std::vector<double> logs(300'000);
  for (double& x : logs) x = 30.0 * normal(engine);
  for (const double s : {1.0, 1000.0, 100'000.0}) {
    const std::vector<double> y = capped_projection(logs, s), wanted = capped_by_sorting(logs, s);
    long double sum = 0.0L;
    for (std::size_t i = 0; i < y.size(); ++i) {
      sum += static_cast<long double>(y[i]);
      ASSERT_NEAR(y[i], wanted[i], 0x1p-40 * wanted[i] + 1e-18);
    }
    EXPECT_LE(std::abs(static_cast<double>(sum - 1.0L)), 0x1p-40);
  }
}

TEST(CappedProjection, Refuses) {
  std::vector<double> y(2);
  const auto refused = [&](std::vector<double> logs, double s) {
    return message_of<std::invalid_argument>([&] { project_to_capped_simplex(logs, s, y); });
  };
  EXPECT_EQ(refused({}, 1.0), "lazygumbel: log_weights.size() = 0: must be at least 1");
  EXPECT_EQ(refused({1.0}, 1.0), "lazygumbel: y.size() = 2: must equal log_weights.size()");
  EXPECT_EQ(refused({1.0, std::nan("")}, 1.0),
            "lazygumbel: log_weights[1] = nan: must be finite or -infinity");
  EXPECT_EQ(refused({infinity, 0.0}, 1.0),
            "lazygumbel: log_weights[0] = inf: must be finite or -infinity");
  for (const double s : {0.5, 0.0, -1.0, std::nan(""), infinity})
    EXPECT_NE(refused({1.0, 2.0}, s).find("must lie in [1, 1e300]"), std::string::npos) << s;
}

}  // namespace
}  // namespace lazygumbel::testing

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <lazygumbel/privacy/release/multiplicative_weights.hpp>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "message_of.hpp"
#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

using Values = std::vector<double>;
using Measurements = std::vector<std::pair<Values, double>>;

/// The updates in long double, every one followed by a division by the sum.
std::vector<long double> reference(std::size_t cells, double total, const Measurements& measured,
                                   std::size_t passes) {
  std::vector<long double> a(cells, static_cast<long double>(total) / cells);
  const auto update = [&](const Values& q, double y) {
    long double now = 0.0L, sum = 0.0L;
    for (std::size_t x = 0; x < cells; ++x) now += q[x] * a[x];
    for (std::size_t x = 0; x < cells; ++x) {
      const long double exponent = q[x] * (y - now) / (2.0L * total);
      sum += a[x] *= std::exp(std::min(1.0L, std::max(-1.0L, exponent)));
    }
    for (long double& w : a) w *= total / sum;
  };
  for (std::size_t t = 0; t < measured.size(); ++t) {
    update(measured[t].first, measured[t].second);
    for (std::size_t pass = 0; pass < passes; ++pass)
      for (std::size_t u = 0; u <= t; ++u) update(measured[u].first, measured[u].second);
  }
  return a;
}

void expect_reference(std::size_t cells, double total, const Measurements& measured,
                      std::size_t passes) {
  MultiplicativeWeights weights(cells, total);
  for (const auto& [query, answer] : measured) {
    weights.add(query, answer);
    weights.fit(passes);
  }
  const auto expected = reference(cells, total, measured, passes);
  for (std::size_t x = 0; x < cells; ++x)
    EXPECT_NEAR(weights.weights()[x], static_cast<double>(expected[x]), 1e-9 * total) << x;
  const double sum = std::accumulate(weights.weights().begin(), weights.weights().end(), 0.0);
  EXPECT_NEAR(sum, total, 1e-12 * total);
}

TEST(MultiplicativeWeights, StartsUniform) {
  MultiplicativeWeights weights(4, 10.0);
  weights.fit(5);  // nothing measured: nothing happens
  for (const double w : weights.weights()) EXPECT_EQ(w, 2.5);
  EXPECT_EQ(weights.total(), 10.0);
  EXPECT_EQ(weights.measurements(), 0U);
  EXPECT_TRUE(weights.residuals().empty());
}

TEST(MultiplicativeWeights, FollowsTheFormula) {
  expect_reference(3, 7.0, {{{1, 0, 1}, 6.0}}, 0);
  expect_reference(3, 7.0, {{{1, 0, 1}, 6.0}, {{0, 0, 1}, 1.0}}, 20);
  expect_reference(3, 7.0, {{{0.5, -1.0, 2.0}, 3.0}, {{1, 1, 0}, 4.0}, {{-1, 1, -1}, 0.5}}, 20);
  expect_reference(1, 7.0, {{{1}, 3.0}, {{0}, 5.0}, {{-2}, 1.0}}, 3);
  expect_reference(3, 7.0, {{{0, 0, 0}, 100.0}, {{1, 0, 0}, 2.0}, {{1, 0, 0}, 2.5}}, 20);
}

TEST(MultiplicativeWeights, FitsWhatCanBeFitted) {
  MultiplicativeWeights weights(5, 100.0);
  weights.add(Values{1, 1, 0, 0, 0}, 70.0);
  weights.add(Values{0, 1, 1, 0, 0}, 30.0);
  weights.fit(2000);
  for (const double residual : weights.residuals()) EXPECT_NEAR(residual, 0.0, 1e-6);
  const Values other = {70, 0, 0, 0, 0};
  EXPECT_EQ(weights.residuals(other), (Values{0, 30}));
}

// A query that is 1 on (nearly) all cells cannot be fitted: its update is undone by the scaling,
// and rounding must not grow with each of the thousands of updates.
TEST(MultiplicativeWeights, HopelessAnswersLeaveTheRestAlone) {
  const std::size_t cells = 7;
  for (const double hopeless : {50.0, -1e4, 400.0}) {
    Measurements measured = {{{1, 0, 1, 0, 0, 0, 0}, 31.0}};
    for (int i = 0; i < 10; ++i) measured.emplace_back(Values(cells, 1.0), hopeless);
    expect_reference(cells, 97.3, measured, 20);
  }
  Values nearly(cells, 1.0);
  nearly.back() = 0.0;
  Measurements measured;
  for (int i = 0; i < 30; ++i)
    measured.emplace_back(nearly, 500.0), measured.emplace_back(nearly, 300.0);
  expect_reference(cells, 97.3, measured, 20);
}

// Queries that are not kept are asked for again, and nothing else changes.
TEST(MultiplicativeWeights, AsksAgainForWhatItHasNoRoomFor) {
  const std::vector<Values> queries = {{1, 0, 1, 0}, {0.5, -1, 0, 2}, {0, 0, 1, 1}, {1, 1, 0, 1}};
  const Values answers = {6.0, 1.0, 3.0, 2.0};
  for (const std::size_t room : {std::size_t{0}, 3 * sizeof(double), 8 * sizeof(double)}) {
    MultiplicativeWeights some(4, 7.0, room), kept(4, 7.0);
    std::vector<std::size_t> asked(4, 0);
    const auto again = [&](std::size_t i, std::span<double> out) {
      ++asked[i];
      std::copy(queries[i].begin(), queries[i].end(), out.begin());
    };
    for (std::size_t t = 0; t < 4; ++t) {
      some.add(queries[t], answers[t]);
      some.fit(5, again);
      kept.add(queries[t], answers[t]);
      kept.fit(5);
      for (std::size_t x = 0; x < 4; ++x) EXPECT_EQ(some.weights()[x], kept.weights()[x]);
    }
    EXPECT_EQ(some.residuals(some.weights(), again), kept.residuals());
    const std::size_t held = room / (4 * sizeof(double));  // the first ones
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(asked[i] == 0, i < held) << room;
    EXPECT_EQ(refusal([&] { some.fit(1); }),
              "lazygumbel: room = " + std::to_string(room) +
                  ": leaves no place for all queries: fit has to be told them again");
  }
}

// Many blocks, and one that is not full.
TEST(MultiplicativeWeights, ManyCells) {
  Measurements measured;
  for (std::size_t t = 0; t < 4; ++t) {
    Values query(2500);
    for (std::size_t x = 0; x < query.size(); ++x)
      query[x] =
          t % 2 == 0 ? ((x * 7 + t) % 3 == 0 ? 1.0 : 0.0) : std::cos(static_cast<double>(x * t));
    measured.emplace_back(query, 100.0 * static_cast<double>(t) + 50.0);
  }
  expect_reference(2500, 1000.0, measured, 20);
}

TEST(MultiplicativeWeights, NoWeightIsEverZero) {
  MultiplicativeWeights weights(2, 3.0);
  for (int i = 0; i < 20; ++i) weights.add(Values{1, 0}, -1e9);
  weights.fit(200);
  EXPECT_GE(weights.weights()[0], 2.9e-280);
  EXPECT_NEAR(weights.weights()[1], 3.0, 1e-12);
  weights.add(Values{1, 0}, 1e9);
  EXPECT_NO_THROW(weights.fit(1));
}

TEST(MultiplicativeWeights, ExtremeTotalsAndAnswers) {
  for (const double total : {1.0, 1e-3, 1e12, 1e200}) {
    MultiplicativeWeights weights(3, total);
    weights.add(Values{1, 0, 0}, 1e300);
    weights.add(Values{0.5, 0, -1e3}, -1e290);
    weights.fit(20);
    double sum = 0.0;
    for (const double w : weights.weights()) {
      EXPECT_GT(w, 0.0);
      sum += w;
    }
    EXPECT_NEAR(sum / total, 1.0, 1e-12);
  }
}

TEST(MultiplicativeWeights, Refusals) {
  EXPECT_EQ(refusal([] { MultiplicativeWeights(0, 1.0); }),
            "lazygumbel: cells = 0: must be at least 1");
  EXPECT_EQ(refusal([] { MultiplicativeWeights(1, 0.0); }),
            "lazygumbel: total = 0: must lie in (0, 1e300]");
  EXPECT_EQ(refusal([&] { MultiplicativeWeights(1, nan); }),
            "lazygumbel: total = nan: must lie in (0, 1e300]");
  MultiplicativeWeights weights(2, 1.0);
  EXPECT_EQ(refusal([&] { weights.add(Values{1}, 1.0); }),
            "lazygumbel: query.size() = 1: must equal cells = 2");
  EXPECT_EQ(refusal([&] {
              weights.add(Values{1, 0}, nan);
            }),
            "lazygumbel: answer = nan: must be finite");
  EXPECT_EQ(refusal([&] {
              weights.add(Values{1, 0}, -infinity);
            }),
            "lazygumbel: answer = -inf: must be finite");
  EXPECT_EQ(refusal([&] {
              weights.add(Values{1, infinity}, 1.0);
            }),
            "lazygumbel: query = inf: must hold finite numbers");
  EXPECT_EQ(weights.measurements(), 0U);
}

}  // namespace
}  // namespace lazygumbel::testing

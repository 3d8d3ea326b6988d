#include <gtest/gtest.h>

#include <lazygumbel/estimation/from_draws.hpp>

#include "laws.hpp"
#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

using Ids = std::vector<item_id>;

double identity(item_id id) { return static_cast<double>(id); }

TEST(MeanFromDraws, KnownValues) {
  const Ids ids = {1, 2, 3, 4};
  const Estimate e = mean_from_draws(identity, ids, Confidence(0.95));
  EXPECT_DOUBLE_EQ(e.value, 2.5);
  EXPECT_NEAR(e.standard_error, std::sqrt(5.0 / 3.0 / 4.0), 1e-15);
  EXPECT_NEAR(e.upper - e.value, 1.959963984540054 * e.standard_error, 1e-12);
  EXPECT_NEAR(e.value - e.lower, e.upper - e.value, 1e-15);
  EXPECT_EQ(e.confidence, 0.95);
  EXPECT_EQ(e.trace.samples, 4U);
}

TEST(MeanFromDraws, RefusesTooFewDrawsAndBadValues) {
  expect_throws<std::invalid_argument>([] { mean_from_draws(identity, Ids{1}); },
                                       {"ids.size() = 1"});
  expect_throws<std::invalid_argument>(
      [] {
        mean_from_draws([](item_id id) { return id == 7 ? nan : 0.0; }, Ids{1, 7});
      },
      {"f(7) = nan"});
  EXPECT_THROW(Confidence(1.0), std::invalid_argument);
}

TEST(MedianOfMeans, KnownBlocks) {
  // delta = 0.5: ceil(8 ln 2) = 6 blocks; 12 draws make blocks of two with means 0.5, 2.5, ...
  Ids ids(12);
  for (std::size_t i = 0; i < 12; ++i) ids[i] = static_cast<item_id>(i);
  const Estimate e = median_of_means(identity, ids, Confidence(0.5));
  EXPECT_DOUBLE_EQ(e.value, 5.5);
  EXPECT_NEAR(e.upper - e.value, 2.0 * std::sqrt(13.0) / std::sqrt(2.0), 1e-12);
}

TEST(MedianOfMeans, OneOutlierDoesNotMoveIt) {
  Ids ids(480, 1);
  ids[100] = 1'000'000;
  EXPECT_DOUBLE_EQ(median_of_means(identity, ids).value, 1.0);
}

TEST(MedianOfMeans, RefusesTooFewDraws) {
  const Ids ids(47, 1);  // 95% wants 24 blocks of two
  expect_throws<std::invalid_argument>([&] { median_of_means(identity, ids); },
                                       {"ids.size() = 47", "24 blocks"});
  EXPECT_NO_THROW(median_of_means(identity, Ids(48, 1)));
}

TEST(LogPartitionFromRace, KnownValues) {
  const std::vector<double> perturbed(10, 2.0);  // T = e^-2 each: Zhat = 9 / (10 e^-2)
  const Estimate e = log_partition_from_race(perturbed);
  EXPECT_NEAR(e.value, std::log(0.9) + 2.0, 1e-14);
  EXPECT_NEAR(e.standard_error, 1.0 / std::sqrt(8.0), 1e-15);
  EXPECT_LT(e.lower, e.value);
  EXPECT_GT(e.upper, e.value);
  EXPECT_EQ(e.trace.samples, 10U);
}

TEST(LogPartitionFromRace, ShiftsWithHugeValues) {
  std::vector<double> a = {0.3, 1.0, -0.5, 2.0}, b = a;
  for (double& v : b) v += 1e5;
  EXPECT_NEAR(log_partition_from_race(b).value - log_partition_from_race(a).value, 1e5, 1e-9);
}

TEST(LogPartitionFromRace, RefusesTooFewAndBadValues) {
  const std::vector<double> two = {1.0, 2.0}, bad = {1.0, nan, 2.0, 3.0},
                            masked = {1.0, 2.0, -std::numeric_limits<double>::infinity()};
  expect_throws<std::invalid_argument>([&] { log_partition_from_race(two); },
                                       {"perturbed.size() = 2"});
  expect_throws<std::invalid_argument>([&] { log_partition_from_race(bad); },
                                       {"perturbed[1] = nan"});
  expect_throws<std::invalid_argument>([&] { log_partition_from_race(masked); },
                                       {"perturbed[2] = -inf"});
  EXPECT_NO_THROW(log_partition_from_race(std::vector<double>{1.0, 2.0, 3.0}, Confidence(0.999)));
}

}  // namespace
}  // namespace lazygumbel::testing

#include <gtest/gtest.h>

#include <lazygumbel/core/log_sum_exp.hpp>
#include <lazygumbel/estimation/log_partition.hpp>

#include "laws.hpp"
#include "score_index.hpp"

// Negative controls of log_partition_law_test.cpp: head + tail sums with one mistake each must fail
// its z-test (20,000 estimates, p < 1e-6), the right sum must pass. n = 110, head 10, 50 tail rows:
// one estimate has a relative standard deviation of about 2%, so that a bias of 0.09% is detected
// with probability 0.9; the mistakes make 0.7% and more.

namespace lazygumbel::testing {
namespace {

enum class Mistake { none, tail_size_off_by_one, samples_from_all_items, head_counted_in_tail };

double z_score(Mistake mistake) {
  constexpr std::size_t n = 110, k = 10, samples = 50;
  std::vector<double> scores;
  for (std::size_t i = 0; i < n; ++i) scores.push_back(-0.01 * static_cast<double>(i));
  const double log_z = log_sum_exp(std::span<const double>(scores));
  PhiloxEngine engine(1);
  std::vector<double> ratios;
  for (int run = 0; run < 20'000; ++run) {
    double head = 0.0, tail = 0.0;
    for (std::size_t i = 0; i < k; ++i) head += std::exp(scores[i] - log_z);
    for (std::size_t j = 0; j < samples; ++j) {
      const item_id id = mistake == Mistake::samples_from_all_items
                             ? uniform_index(n, engine)
                             : static_cast<item_id>(k) + uniform_index(n - k, engine);
      tail += std::exp(scores[id] - log_z);
    }
    double size = n - k;
    if (mistake == Mistake::tail_size_off_by_one) size -= 1.0;
    if (mistake == Mistake::head_counted_in_tail) size = n;
    ratios.push_back(head + size * tail / samples);
  }
  return z_of_mean(ratios, 1.0);
}

TEST(EstimatorControl, RightSumPasses) {
  EXPECT_GE(z_test_p_value(z_score(Mistake::none)), law_threshold);
}

TEST(EstimatorControl, WrongSumsFail) {
  EXPECT_LT(z_test_p_value(z_score(Mistake::tail_size_off_by_one)), law_threshold);
  EXPECT_LT(z_test_p_value(z_score(Mistake::samples_from_all_items)), law_threshold);
  EXPECT_LT(z_test_p_value(z_score(Mistake::head_counted_in_tail)), law_threshold);
}

TEST(EstimatorControl, IntervalTooNarrowByATenthFailsTheCoverageTest) {
  // A standard error reported 10% too small covers 92.2% instead of 95%.
  std::vector<double> scores;
  for (std::size_t i = 0; i < 500; ++i) scores.push_back(-0.005 * static_cast<double>(i));
  const double log_z = log_sum_exp(std::span<const double>(scores));
  const ScoreIndex index(scores);
  const LogPartition partition(index, {.k = 10});
  std::uint64_t right = 0, narrow = 0;
  PhiloxEngine engine(2);
  for (int run = 0; run < 20'000; ++run) {
    const Estimate e = partition.estimate(unit_query(), 200, engine);
    const double error = std::expm1(log_z - e.value), half = 1.959964 * e.standard_error;
    right += std::abs(error) > half;
    narrow += std::abs(error) > 0.9 * half;
  }
  EXPECT_GE(binomial_at_least(right, 20'000, 0.055), law_threshold) << right;
  EXPECT_LT(binomial_at_least(narrow, 20'000, 0.055), law_threshold) << narrow;
}

}  // namespace
}  // namespace lazygumbel::testing

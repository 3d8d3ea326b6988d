#include <gtest/gtest.h>

#include <cmath>
#include <iostream>
#include <lazygumbel/estimation/log_partition.hpp>
#include <lazygumbel/estimation/softmax_expectation.hpp>
#include <lazygumbel/index/quantized/scalar_quantized_index.hpp>

#include "grouped_index.hpp"
#include "laws.hpp"

// Estimators over indexes with proposals of their own. Each test makes `quantized_runs` estimates;
// z-tests and binomial tests refuse (and raise a false alarm) at p < 1e-6. With 4,000 runs a bias
// of Zhat of 0.1 of its standard deviation is detected with probability 0.9, and intervals of
// nominal level 95% that cover 92.5% are.

namespace lazygumbel::testing {
namespace {

constexpr std::size_t quantized_runs = 4'000;

TEST(QuantizedEstimators, SmallestDefect) {
  // The critical z at 1e-6 is 4.89; 1.28 more give power 0.9.
  EXPECT_LT((4.9 + 1.29) / std::sqrt(static_cast<double>(quantized_runs)), 0.1);
  std::uint64_t c = quantized_runs / 20;
  while (binomial_at_least(c, quantized_runs, 0.055) >= law_threshold) ++c;
  EXPECT_GT(binomial_at_least(c, quantized_runs, 0.079), 0.85);
}

struct Case {
  int bits;
  double length;  // of theta
  std::size_t k, samples;
};

class QuantizedEstimators : public ::testing::TestWithParam<Case> {
 protected:
  static ScalarQuantizedIndex<float> make() {
    return ScalarQuantizedIndex<float>(gaussian_rows<float>(3000, 16, 1),
                                       {.bits = GetParam().bits});
  }
  static Vector<float> theta() {
    const Vector<float> query = gaussian_query<float>(16, 2);
    return query * (static_cast<float>(GetParam().length) / query.norm());
  }
};
INSTANTIATE_TEST_SUITE_P(Cases, QuantizedEstimators,
                         ::testing::Values(Case{4, 0.3, 1, 100}, Case{4, 2.0, 10, 100},
                                           Case{4, 5.0, 1, 400}, Case{8, 2.0, 1, 100},
                                           Case{8, 6.0, 10, 100}));

TEST_P(QuantizedEstimators, LogPartition) {
  const auto index = make();
  const auto scores = scores_of(index, theta());
  const double log_z = log_sum_exp(std::span<const double>(scores));
  const LogPartition partition(index, {.k = GetParam().k});
  std::vector<double> ratios, squares;
  std::uint64_t missed = 0, outside = 0;
  double error = 0.0;
  for (std::size_t run = 0; run < quantized_runs; ++run) {
    PhiloxEngine engine(3, run);
    const Estimate e = partition.estimate(theta(), GetParam().samples, engine);
    const double ratio = std::exp(e.value - log_z);
    ratios.push_back(ratio);
    const double z = (ratio - 1.0) / (e.standard_error * ratio);
    squares.push_back(z * z);
    error += e.standard_error / static_cast<double>(quantized_runs);
    missed += std::abs(z) > 1.959964;
    outside += log_z < e.lower || log_z > e.upper;
    ASSERT_LE(e.certified_lower, log_z);
    ASSERT_GE(e.certified_upper, log_z);
    ASSERT_LE(e.certified_lower, e.lower);
    ASSERT_GE(e.certified_upper, e.upper);
    ASSERT_EQ(e.trace.samples, GetParam().samples);
    ASSERT_EQ(e.trace.head_size, GetParam().k);
    ASSERT_EQ(e.trace.guarantee, Guarantee::certified());
    ASSERT_FALSE(e.trace.exhaustive);
  }
  EXPECT_GE(z_test_p_value(z_of_mean(ratios, 1.0)), law_threshold) << "Zhat is biased";
  // Samples of 100 weights that are not normal: the mean square is 1 to within a few percent.
  EXPECT_NEAR(mean_and_variance(squares).first, 1.0, 0.12) << "standard error";
  EXPECT_GE(binomial_at_least(missed, quantized_runs, 0.055), law_threshold) << missed << " missed";
  EXPECT_GE(binomial_at_most(missed, quantized_runs, 0.045), law_threshold) << missed << " missed";
  EXPECT_GE(binomial_at_least(outside, quantized_runs, 0.05), law_threshold) << outside;
  std::cout << "  standard error " << error << ", missed " << missed << " of " << quantized_runs
            << ", mean z^2 " << mean_and_variance(squares).first << "\n";
}

TEST_P(QuantizedEstimators, SoftmaxExpectation) {
  const auto index = make();
  const SoftmaxExpectation expectation(index, {.k = GetParam().k});
  const auto f = [&](item_id id) { return static_cast<double>(index.rows()(id, 3)); };
  const double truth = expectation.exact(theta(), f).value;
  std::vector<double> values, squares;
  std::uint64_t missed = 0;
  for (std::size_t run = 0; run < quantized_runs; ++run) {
    PhiloxEngine engine(4, run);
    const Estimate e = expectation.estimate(theta(), f, GetParam().samples, engine);
    values.push_back(e.value);
    squares.push_back(std::pow((e.value - truth) / e.standard_error, 2.0));
    missed += truth < e.lower || truth > e.upper;
  }
  // A ratio's bias is of order 1 / samples: a hundredth of its standard deviation here.
  const auto [mean, variance] = mean_and_variance(values);
  EXPECT_NEAR(mean, truth, 0.1 * std::sqrt(variance));
  EXPECT_NEAR(mean_and_variance(squares).first, 1.0, 0.12);
  EXPECT_GE(binomial_at_least(missed, quantized_runs, 0.06), law_threshold) << missed << " missed";
}

TEST_P(QuantizedEstimators, TargetsAreMet) {
  const auto index = make();
  const auto scores = scores_of(index, theta());
  const double log_z = log_sum_exp(std::span<const double>(scores));
  const auto f = [&](item_id id) { return static_cast<double>(index.rows()(id, 3)); };
  for (const Interval interval : {Interval::normal, Interval::empirical_bernstein}) {
    const std::size_t count = interval == Interval::normal ? quantized_runs : quantized_runs / 10;
    const LogPartition partition(index, {.k = GetParam().k, .interval = interval});
    std::uint64_t failures = 0;
    double rows = 0.0;
    std::size_t scans = 0;
    for (std::size_t run = 0; run < count; ++run) {
      PhiloxEngine engine(5, run);
      const Estimate e = partition.estimate(theta(), Accuracy(0.05, 0.1), engine);
      failures += std::abs(std::expm1(e.value - log_z)) > 0.05;
      rows += static_cast<double>(e.trace.samples) / static_cast<double>(count);
      scans += e.trace.exhaustive;
      ASSERT_TRUE(e.trace.target_met);
      ASSERT_LE(e.certified_lower, log_z + 1e-9);
      ASSERT_GE(e.certified_upper, log_z - 1e-9);
    }
    EXPECT_GE(binomial_at_least(failures, count, 0.1), law_threshold) << failures << " failures";
    std::cout << "  failures " << failures << " of " << count << ", mean rows " << rows
              << ", scans " << scans << "\n";
  }
  const SoftmaxExpectation expectation(index, {.k = GetParam().k});
  const double truth = expectation.exact(theta(), f).value;
  std::uint64_t failures = 0;
  for (std::size_t run = 0; run < quantized_runs / 2; ++run) {
    PhiloxEngine engine(6, run);
    const Estimate e =
        expectation.estimate(theta(), f, Accuracy(0.05, 0.1, ErrorScale::absolute), engine);
    failures += std::abs(e.value - truth) > 0.05;
  }
  EXPECT_GE(binomial_at_least(failures, quantized_runs / 2, 0.1), law_threshold)
      << failures << " failures";
}

TEST_P(QuantizedEstimators, BernsteinIntervalsHoldWithFewSamples) {
  const auto index = make();
  const auto scores = scores_of(index, theta());
  const double log_z = log_sum_exp(std::span<const double>(scores));
  const LogPartition partition(index,
                               {.k = GetParam().k, .interval = Interval::empirical_bernstein});
  std::uint64_t missed = 0;
  for (std::size_t run = 0; run < quantized_runs; ++run) {
    PhiloxEngine engine(7, run);
    const Estimate e = partition.estimate(theta(), 10, engine);
    missed += log_z < e.lower || log_z > e.upper;
  }
  EXPECT_GE(binomial_at_least(missed, quantized_runs, 0.05), law_threshold) << missed << " missed";
}

// A target that takes a sample far above the pilot and below the scan, so that it is the stopping
// rule that decides.
TEST(QuantizedTarget, IsMetWhereTheSampleHasToGrow) {
  const ScalarQuantizedIndex<float> index(gaussian_rows<float>(30'000, 16, 12));
  const Vector<float> theta = gaussian_query<float>(16, 13) * 0.5F;
  const auto scores = scores_of(index, theta);
  const double log_z = log_sum_exp(std::span<const double>(scores)), epsilon = 0.015;
  const LogPartition partition(index, {.k = 4});
  std::uint64_t failures = 0;
  double rows = 0.0;
  for (std::size_t run = 0; run < quantized_runs / 4; ++run) {
    PhiloxEngine engine(14, run);
    const Estimate e = partition.estimate(theta, Accuracy(epsilon, 0.1), engine);
    failures += std::abs(std::expm1(e.value - log_z)) > epsilon;
    rows += static_cast<double>(e.trace.samples) / (quantized_runs / 4);
    ASSERT_FALSE(e.trace.exhaustive);
  }
  EXPECT_GT(rows, 500.0);
  EXPECT_GT(failures, 0u);
  EXPECT_GE(binomial_at_least(failures, quantized_runs / 4, 0.1), law_threshold)
      << failures << " failures";
  std::cout << "  failures " << failures << " of " << quantized_runs / 4 << ", mean rows " << rows
            << "\n";
}

// The certificate needs no sampling and no assumption: many rows, queries, dimensions.
TEST(QuantizedCertificate, LogZLiesBetweenItsBounds) {
  for (const int bits : {4, 8})
    for (const std::size_t n : {1, 5, 64, 130, 1000})
      for (const std::size_t d : {1, 3, 16}) {
        const ScalarQuantizedIndex<double> index(gaussian_rows<double>(n, d, n + d),
                                                 {.bits = bits});
        for (const double length : {0.0, 0.1, 1.0, 10.0, 100.0, 1e4}) {
          const Vector<double> theta = gaussian_query<double>(d, 8) * length;
          const auto scores = scores_of(index, theta);
          const double log_z = log_sum_exp(std::span<const double>(scores));
          const double rounding = 1e-12 * (1.0 + std::abs(log_z));
          for (const std::size_t k : {std::size_t{1}, (n + 1) / 2, n}) {
            PhiloxEngine engine(9);
            const Estimate e = LogPartition(index, {.k = k}).estimate(theta, 2, engine);
            ASSERT_LE(e.certified_lower, log_z + rounding) << n << " " << d << " " << length;
            ASSERT_GE(e.certified_upper, log_z - rounding) << n << " " << d << " " << length;
            ASSERT_LE(e.lower, e.upper);
          }
        }
      }
}

// Proposals that fall on the head weigh nothing and are counted.
TEST(GroupedEstimators, ProposalsOfHeadItemsLeaveTheSumUnbiased) {
  std::vector<double> scores;
  const auto noise = gaussian_rows<double>(150, 1, 10);
  for (std::size_t i = 0; i < 150; ++i) scores.push_back(noise(static_cast<Eigen::Index>(i), 0));
  const double log_z = log_sum_exp(std::span<const double>(scores));
  const auto f = [](item_id id) { return static_cast<double>(id % 5); };
  for (const std::size_t k : {std::size_t{1}, std::size_t{40}}) {
    const GroupedScores index(scores, 10);
    const LogPartition partition(index, {.k = k});
    const SoftmaxExpectation expectation(index, {.k = k});
    const double truth = expectation.exact(unit_query(), f).value;
    std::vector<double> ratios, squares, squares_of_f;
    for (std::size_t run = 0; run < quantized_runs; ++run) {
      PhiloxEngine engine(11, run);
      const Estimate e = partition.estimate(unit_query(), 100, engine);
      ratios.push_back(std::exp(e.value - log_z));
      squares.push_back(std::pow((ratios.back() - 1.0) / (e.standard_error * ratios.back()), 2.0));
      const Estimate g = expectation.estimate(unit_query(), f, 100, engine);
      squares_of_f.push_back(std::pow((g.value - truth) / g.standard_error, 2.0));
    }
    EXPECT_GE(z_test_p_value(z_of_mean(ratios, 1.0)), law_threshold);
    EXPECT_NEAR(mean_and_variance(squares).first, 1.0, 0.12);
    EXPECT_NEAR(mean_and_variance(squares_of_f).first, 1.0, 0.12);
  }
}

}  // namespace
}  // namespace lazygumbel::testing

#include <gtest/gtest.h>

#include <lazygumbel/estimation/log_partition.hpp>
#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/random/philox.hpp>

#include "laws.hpp"
#include "non_finite.hpp"
#include "score_index.hpp"

namespace lazygumbel::testing {
namespace {

std::vector<double> ramp(std::size_t n) {
  std::vector<double> scores;
  for (std::size_t i = 0; i < n; ++i) scores.push_back(-0.001 * static_cast<double>(i));
  return scores;
}

double log_z_of(const std::vector<double>& scores) {
  return log_sum_exp(std::span<const double>(scores));
}

// 0.05 is not a number of samples.
template <class Budget>
concept BudgetOfLogPartition = requires(const LogPartition<ScoreIndex>& partition,
                                        const Vector<double>& theta, Budget budget,
                                        PhiloxEngine& engine) {
  partition.estimate(theta, budget, engine);
};
static_assert(BudgetOfLogPartition<int> && BudgetOfLogPartition<Accuracy>);
static_assert(!BudgetOfLogPartition<double> && !BudgetOfLogPartition<float>);

TEST(LogPartition, HeadOfEverythingIsExact) {
  const auto scores = ramp(50);
  const ScoreIndex index(scores);
  const LogPartition partition(index, {.k = 50});
  PhiloxEngine engine(1);
  for (const Estimate& e : {partition.estimate(unit_query(), 10, engine),
                            partition.estimate(unit_query(), Accuracy(0.01, 0.01), engine)}) {
    EXPECT_NEAR(e.value, log_z_of(scores), 1e-13);
    EXPECT_EQ(e.standard_error, 0.0);
    EXPECT_EQ(e.lower, e.value);
    EXPECT_EQ(e.upper, e.value);
    EXPECT_EQ(e.trace.head_size, 50U);
    EXPECT_EQ(e.trace.samples, 0U);
  }
}

TEST(LogPartition, ExactSumsEverything) {
  const auto scores = ramp(5000);
  const ScoreIndex index(scores);
  const Estimate e = LogPartition(index).exact(unit_query());
  EXPECT_NEAR(e.value, log_z_of(scores), 1e-12);
  EXPECT_TRUE(e.trace.exhaustive);
  EXPECT_EQ(e.standard_error, 0.0);
}

TEST(LogPartition, FallsBackToTheSumWhenThatIsCheaper) {
  PhiloxEngine engine(1);
  const ScoreIndex small(ramp(700));  // the pilot alone would cost more
  EXPECT_TRUE(
      LogPartition(small).estimate(unit_query(), Accuracy(0.1, 0.1), engine).trace.exhaustive);
  // A target that no sample below N / 3 rows reaches.
  std::vector<double> wild(20'000, 0.0);
  for (std::size_t i = 0; i < wild.size(); ++i) wild[i] = static_cast<double>(i % 7);
  const ScoreIndex large(wild);
  const Estimate e = LogPartition(large).estimate(unit_query(), Accuracy(1e-5, 0.1), engine);
  EXPECT_TRUE(e.trace.exhaustive);
  EXPECT_TRUE(e.trace.target_met);
  EXPECT_NEAR(e.value, log_z_of(wild), 1e-10);
  EXPECT_DOUBLE_EQ(e.confidence, 0.9);
  // And one that the pilot reaches.
  const Estimate easy = LogPartition(large).estimate(unit_query(), Accuracy(0.5, 0.1), engine);
  EXPECT_FALSE(easy.trace.exhaustive);
  EXPECT_GE(easy.trace.samples, 256U);
}

TEST(LogPartition, AbsoluteAndRelativeScalesAgreeForSmallErrors) {
  std::vector<double> wild(20'000, 0.0);
  for (std::size_t i = 0; i < wild.size(); ++i) wild[i] = static_cast<double>(i % 7);
  const ScoreIndex index(wild);
  PhiloxEngine a(1), b(1);
  const auto relative =
      LogPartition(index).estimate(unit_query(), Accuracy(-std::expm1(-0.1), 0.1), a);
  const auto absolute =
      LogPartition(index).estimate(unit_query(), Accuracy(0.1, 0.1, ErrorScale::absolute), b);
  EXPECT_EQ(relative.trace.samples, absolute.trace.samples);
  EXPECT_EQ(relative.value, absolute.value);
}

TEST(LogPartition, EqualScoresHaveNoError) {
  const ScoreIndex index(std::vector<double>(2000, 7.0));
  PhiloxEngine engine(1);
  const Estimate e = LogPartition(index).estimate(unit_query(), 10, engine);
  EXPECT_NEAR(e.value, 7.0 + std::log(2000.0), 1e-12);
  EXPECT_NEAR(e.standard_error, 0.0, 1e-7);
}

TEST(LogPartition, HugeScoresStayInLogarithms) {
  for (const double shift : {1e5, -1e5}) {
    auto scores = ramp(2000);
    for (double& y : scores) y += shift;
    const ScoreIndex index(scores);
    PhiloxEngine engine(1);
    const Estimate e = LogPartition(index).estimate(unit_query(), 100, engine);
    EXPECT_NEAR(e.value, log_z_of(scores), 0.5);
    EXPECT_GT(e.standard_error, 0.0);
    EXPECT_LT(e.lower, e.upper);
  }
}

TEST(LogPartition, ATailItemAboveTheHeadRescales) {
  // The best item hides in the tail, 800 above the head: exp(800) does not fit a double.
  std::vector<double> scores(20, 0.0);
  scores[13] = 800.0;
  ScoreIndex index(scores);
  index.hide({13});
  PhiloxEngine engine(1);
  const Estimate e = LogPartition(index, {.k = 4}).estimate(unit_query(), 400, engine);
  EXPECT_NEAR(e.value, 800.0, 1.0);
}

TEST(LogPartition, EverythingMasked) {
  const ScoreIndex index(std::vector<double>(2000, -infinity));
  const LogPartition partition(index);
  PhiloxEngine engine(1);
  EXPECT_EQ(partition.estimate(unit_query(), 10, engine).value, -infinity);
  EXPECT_EQ(partition.estimate(unit_query(), Accuracy(0.1, 0.1), engine).value, -infinity);
  EXPECT_EQ(partition.exact(unit_query()).value, -infinity);
}

TEST(LogPartition, BernsteinIsWiderAndNeverBelowTheHead) {
  const auto scores = ramp(2000);
  const ScoreIndex index(scores);
  PhiloxEngine a(1), b(1);
  const auto normal = LogPartition(index).estimate(unit_query(), 50, a);
  const auto bernstein = LogPartition(index, {.interval = Interval::empirical_bernstein})
                             .estimate(unit_query(), 50, b);
  EXPECT_EQ(normal.value, bernstein.value);
  EXPECT_LT(bernstein.lower, normal.lower);
  EXPECT_GT(bernstein.upper, normal.upper);
}

TEST(LogPartition, RefusesBadArguments) {
  const ScoreIndex index(ramp(100));
  const LogPartition partition(index);
  PhiloxEngine engine(1);
  expect_throws<std::invalid_argument>([&] { partition.estimate(unit_query(), 1, engine); },
                                       {"tail_samples = 1"});
  for (const double bad : {nan, infinity}) {
    const Vector<double> theta = Vector<double>::Constant(1, bad);
    expect_throws<std::invalid_argument>([&] { partition.estimate(theta, 10, engine); },
                                         {"(0) = "});
    expect_throws<std::invalid_argument>([&] { partition.exact(theta); }, {"(0) = "});
    EXPECT_THROW(Accuracy(bad, 0.1), std::invalid_argument);
    EXPECT_THROW(Accuracy(0.1, bad), std::invalid_argument);
  }
  expect_throws<std::invalid_argument>([&] { LogPartition(index, {.k = 101}); },
                                       {"k = 101", "n = 100"});
  expect_throws<std::invalid_argument>([&] { LogPartition(index, {.confidence = 1.0}); },
                                       {"confidence = 1"});
}

TEST(LogPartition, HostileIndexesAreFoundOut) {
  for (const Fault fault :
       {Fault::fewer_without_bound, Fault::more_than_k, Fault::id_out_of_range, Fault::duplicate_id,
        Fault::unsorted, Fault::nan_score, Fault::wrong_first_score, Fault::infinite_bound,
        Fault::low_certified_bound}) {
    const HostileIndex index(gaussian_rows<double>(50, 4, 3), fault);
    PhiloxEngine engine(1);
    EXPECT_THROW(LogPartition(index, {.k = 6}).estimate(gaussian_query(4, 2), 500, engine),
                 index_error)
        << static_cast<int>(fault);
  }
}

}  // namespace
}  // namespace lazygumbel::testing

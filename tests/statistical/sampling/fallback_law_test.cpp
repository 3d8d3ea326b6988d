#include <gtest/gtest.h>

#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/sampling/lazy_sampler.hpp>

#include "laws.hpp"
#include "race_draws.hpp"
#include "score_index.hpp"

// The bound is far too high, so that races go past n proposals and the rest of the tail is scored
// whole. 60 items, 300,000 draws a law; chi-square, refused (and false alarm) at p < 1e-6; detects
// with probability >= 0.9 an rms relative error of 1.8%. The law must be the softmax all the same.

namespace lazygumbel::testing {
namespace {

constexpr std::size_t fallback_items = 60, fallback_draws = 300'000;

TEST(FallbackLaw, SmallestDefect) {
  EXPECT_LT(smallest_defect(fallback_items, fallback_draws), 0.018);
}

// `least_scans`: the share of draws that must have taken the scan, so that the test is about it.
void check_fallback(const ScoreIndex& index, const std::vector<double>& scores, std::size_t k,
                    double gap, double least_scans, std::uint64_t seed) {
  PhiloxEngine engine(seed);
  const Draws answer =
      draws_by_race(LazySampler(index, {.k = k, .gap = gap}), unit_query(), fallback_draws, engine);
  Counter counter(fallback_items);
  counter.add_all(answer.ids);
  expect_law(counter, softmax(scores), "gap " + std::to_string(gap));
  EXPECT_GE(static_cast<double>(answer.trace.exhaustive_scans), least_scans * fallback_draws);
  EXPECT_EQ(answer.trace.violations, 0U);
  // The perturbed values keep their law too: Kolmogorov-Smirnov, a shift of 0.017 nats is detected.
  const double log_z = log_sum_exp(std::span<const double>(scores));
  EXPECT_GE(
      kolmogorov_smirnov_p_value(answer.perturbed, [&](double x) { return gumbel_cdf(x - log_z); }),
      law_threshold);
}

// The same from one envelope, whose first scan serves all later draws.
TEST(FallbackLaw, OneScanServesAllDraws) {
  const auto scores = normal_scores(fallback_items, 1.0);
  const ScoreIndex index(scores);
  const LazySampler sampler(index, {.k = 2, .gap = 12.0});
  const auto envelope = sampler.prepare(unit_query());
  PhiloxEngine engine(7);
  Trace trace = envelope.trace();
  Counter counter(fallback_items);
  std::vector<double> perturbed;
  for (std::size_t i = 0; i < fallback_draws; ++i) {
    const Draw draw = envelope.sample(engine, trace);
    counter.add(draw.id);
    perturbed.push_back(draw.perturbed);
  }
  expect_law(counter, softmax(scores), "known scores");
  const double log_z = log_sum_exp(std::span<const double>(scores));
  EXPECT_GE(kolmogorov_smirnov_p_value(perturbed, [&](double x) { return gumbel_cdf(x - log_z); }),
            law_threshold);
  EXPECT_EQ(trace.exhaustive_scans, 1U);
  EXPECT_LT(trace.rows_scored, 10 * fallback_items);
}

TEST(FallbackLaw, GapOfThree) {
  const auto scores = normal_scores(fallback_items, 1.0);
  check_fallback(ScoreIndex(scores), scores, 2, 3.0, 0.3, 2);
}

TEST(FallbackLaw, GapOfTwelve) {  // nearly every draw is decided by the scan or by the head
  const auto scores = normal_scores(fallback_items, 1.0);
  check_fallback(ScoreIndex(scores), scores, 2, 12.0, 0.9, 3);
}

TEST(FallbackLaw, GapOfSixHundred) {
  const auto scores = normal_scores(fallback_items, 1.0);
  check_fallback(ScoreIndex(scores), scores, 2, 600.0, 0.99, 4);
}

TEST(FallbackLaw, PeakedHeadOfOne) {
  const auto scores = normal_scores(fallback_items, 4.0);
  check_fallback(ScoreIndex(scores), scores, 1, 1.0, 0.05, 5);
}

TEST(FallbackLaw, NoHeadAndABoundTooHigh) {
  const auto scores = normal_scores(fallback_items, 1.0);
  ScoreIndex index(scores);
  index.limit(0).state_bound(8.0, Guarantee::certified());
  check_fallback(index, scores, 2, 0.0, 0.9, 6);
}

TEST(FallbackLaw, FlatIndexScansInBlocks) {
  // n = 4,200 spans two blocks of the scan, the second one short; 12 bands of 350 items, 6,000
  // draws that all scan: an rms relative error of 9.8% of a band is detected.
  constexpr std::size_t bands = 12, band = 350, count = 6'000;
  EXPECT_LT(smallest_defect(bands, count), 0.098);
  const FlatIndex<double> index(gaussian_rows<double>(bands * band, 2, 7));
  const Vector<double> theta = gaussian_query(2, 8);
  PhiloxEngine engine(9);
  const Draws answer =
      draws_by_race(LazySampler(index, {.k = 4, .gap = 60.0}), theta, count, engine, 1);
  EXPECT_GT(answer.trace.exhaustive_scans, count * 9 / 10);
  Counter counter(bands);
  for (const item_id id : answer.ids) counter.add(id / band);
  std::vector<double> law(bands, 0.0);
  const auto p = softmax_of(index, theta);
  for (std::size_t i = 0; i < p.size(); ++i) law[i / band] += p[i];
  expect_law(counter, law, "bands");
}

TEST(FallbackLaw, AllItemsRankedWithScoresFarApart) {
  // Scores 1e4 apart: P(any other order than the sorted one) < n exp(-1e4). From the full head and
  // from a head of one with the tail ranked by race and scan; every ranking must end.
  std::vector<double> scores;
  for (int i = 0; i < 50; ++i) scores.push_back(1e4 * ((i * 7) % 50 - 25));
  std::vector<item_id> sorted(50);
  for (std::size_t i = 0; i < 50; ++i)
    sorted[static_cast<std::size_t>(49 - (static_cast<int>(i) * 7) % 50)] = static_cast<item_id>(i);
  const FlatIndex<double> index(rows_with_scores(scores));
  PhiloxEngine engine(10);
  Envelope envelope(index);
  for (const std::size_t k : {std::size_t{1}, std::size_t{7}, std::size_t{50}}) {
    envelope.assign(unit_query(), k);
    for (int i = 0; i < 1000; ++i) {
      const RankedDraws answer = envelope.sample_without_replacement(50, engine);
      ASSERT_EQ(answer.ids, sorted) << "k = " << k;
      ASSERT_TRUE(std::is_sorted(answer.perturbed.rbegin(), answer.perturbed.rend()));
      ASSERT_LE(answer.trace.proposals, 50U + 64U);
    }
  }
  for (int i = 0; i < 1000; ++i)
    ASSERT_EQ(LazySampler(index).sample_without_replacement(unit_query(), 50, engine).ids, sorted);
}

}  // namespace
}  // namespace lazygumbel::testing

#include <gtest/gtest.h>

#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/sampling/exhaustive.hpp>
#include <lazygumbel/sampling/lazy_sampler.hpp>

#include "broken_samplers.hpp"
#include "laws.hpp"
#include "race_draws.hpp"
#include "score_index.hpp"

// Negative controls: wrong samplers that the tests of sampler_law_test.cpp, top_k_law_test.cpp and
// perturbed_value_law_test.cpp must refuse (p < 1e-6), each beside its right twin, which they must
// accept. Every control computes the law that its mistake gives, where it has a closed form, and
// asserts that the test refuses it with probability above 0.999 at 1,000,000 draws.

namespace lazygumbel::testing {
namespace {

constexpr std::size_t sampler_draws = 1'000'000;

std::vector<double> ramp(std::size_t n, double step) {
  std::vector<double> scores;
  for (std::size_t i = 0; i < n; ++i) scores.push_back(-step * static_cast<double>(i));
  return scores;
}

std::vector<item_id> first_items(std::size_t count) {
  std::vector<item_id> ids(count);
  for (std::size_t i = 0; i < count; ++i) ids[i] = static_cast<item_id>(i);
  return ids;
}

Counter count_broken(const std::vector<double>& scores, std::size_t head, double bound,
                     Mistake mistake) {
  BrokenRace race(scores, first_items(head), bound, mistake);
  PhiloxEngine engine(1);
  return count_draws(scores.size(), sampler_draws, [&] { return race(engine); });
}

std::vector<double> normalised(std::vector<double> rates) {
  double sum = 0.0;
  for (const double r : rates) sum += r;
  for (double& r : rates) r /= sum;
  return rates;
}

TEST(SamplerControl, RightRaceIsAccepted) {
  const auto scores = ramp(40, 0.1);
  expect_law(count_broken(scores, 5, scores[4], Mistake::none), softmax(scores), "no mistake");
}

TEST(SamplerControl, WrongBoundOfTheIndex) {
  // The library's own sampler, told a bound 0.2 below the best tail item (assumed): items 5 and 6
  // are clipped by 0.2 and 0.1 nats, a total variation distance of about 0.017.
  const auto scores = ramp(40, 0.1);
  ScoreIndex right(scores), wrong(scores);
  right.state_bound(0.0, Guarantee::assumed());
  wrong.state_bound(-0.2, Guarantee::assumed());
  PhiloxEngine engine(2);
  Counter of_right(40), of_wrong(40);
  of_right.add_all(
      draws_by_race(LazySampler(right, {.k = 5}), unit_query(), sampler_draws, engine).ids);
  of_wrong.add_all(
      draws_by_race(LazySampler(wrong, {.k = 5}), unit_query(), sampler_draws, engine).ids);
  expect_law(of_right, softmax(scores), "right bound");
  EXPECT_GT(chi_square_power(sampler_draws, softmax(scores),
                             clipped_softmax(scores, first_items(5), scores[5] - 0.2)),
            0.999);
  expect_rejected(of_wrong, softmax(scores), "bound 0.2 too low");
}

TEST(SamplerControl, TailSizeOffByOne) {
  // N = 25: the tail's mass is off by 4%.
  const auto scores = ramp(30, 0.02);
  for (const auto& [mistake, factor] : {std::pair{Mistake::rate_of_tail_minus_one, 24.0 / 25.0},
                                        {Mistake::rate_of_tail_plus_one, 26.0 / 25.0}}) {
    std::vector<double> rates = softmax(scores);
    for (std::size_t i = 5; i < 30; ++i) rates[i] *= factor;
    EXPECT_GT(chi_square_power(sampler_draws, softmax(scores), normalised(rates)), 0.999);
    expect_rejected(count_broken(scores, 5, scores[4], mistake), softmax(scores), "tail size");
  }
  expect_law(count_broken(scores, 5, scores[4], Mistake::none), softmax(scores), "right size");
}

TEST(SamplerControl, HeadItemsProposedTwice) {
  // Each head item gets exp(U) more: the head of 5 of 40 items gains 16 to 20%.
  const auto scores = ramp(40, 0.05);
  std::vector<double> rates;
  for (const double y : scores) rates.push_back(std::exp(y));
  for (std::size_t i = 0; i < 5; ++i) rates[i] += std::exp(scores[4]);
  EXPECT_GT(chi_square_power(sampler_draws, softmax(scores), normalised(rates)), 0.999);
  const Counter counter = count_broken(scores, 5, scores[4], Mistake::head_proposed_too);
  expect_rejected(counter, softmax(scores), "head proposed too");
  expect_law(counter, normalised(rates), "the law that this mistake gives");
}

TEST(SamplerControl, ModuloBias) {
  // A byte modulo 195: the first 61 tail items come twice as often.
  const auto scores = ramp(200, 0.005);
  expect_rejected(count_broken(scores, 5, scores[4], Mistake::modulo_bias), softmax(scores),
                  "modulo bias");
}

TEST(SamplerControl, BiasedUniform) {
  // The library's samplers on an engine whose uniforms are u^1.02: Gumbel-max then shifts its
  // noise, and the head's categorical draw leans to the first items.
  const auto scores = ramp(40, 0.02);
  const FlatIndex<double> index(rows_with_scores(scores));
  for (const std::size_t k : {std::size_t{40}, std::size_t{5}}) {
    TiltedEngine wrong(PhiloxEngine(3), 1.02), right(PhiloxEngine(3), 1.0);
    Counter of_wrong(40), of_right(40);
    of_wrong.add_all(
        draws_by_race(LazySampler(index, {.k = k}), unit_query(), sampler_draws, wrong).ids);
    of_right.add_all(
        draws_by_race(LazySampler(index, {.k = k}), unit_query(), sampler_draws, right).ids);
    expect_rejected(of_wrong, softmax(scores), "u^1.02, k = " + std::to_string(k));
    expect_law(of_right, softmax(scores), "u^1, k = " + std::to_string(k));
  }
}

TEST(SamplerControl, BiasedUniformInThePerturbedValue) {
  // u^1.02 shifts the Gumbel values by about 0.02 nats and more: Kolmogorov-Smirnov sees it.
  const std::vector<double> scores = {0.0};
  TiltedEngine wrong(PhiloxEngine(4), 1.02), right(PhiloxEngine(4), 1.0);
  const auto p_value = [&](auto& engine) {
    std::vector<double> values;
    for (std::size_t i = 0; i < sampler_draws; ++i)
      values.push_back(gumbel_max(std::span<const double>(scores), engine).perturbed);
    return kolmogorov_smirnov_p_value(values, gumbel_cdf);
  };
  EXPECT_LT(p_value(wrong), law_threshold);
  EXPECT_GE(p_value(right), law_threshold);
}

TEST(SamplerControl, IgnoredMiss) {
  // Item 10 of 40 lies 0.5 above the bound. Dropping it, or accepting it with exp(U - y), departs
  // from the clipped law that the library promises; accepting it always is that law.
  auto scores = ramp(40, 0.05);
  scores[10] = scores[4] + 0.5;
  const auto clipped = clipped_softmax(scores, first_items(5), scores[4]);
  auto damped = scores;
  damped[10] = scores[4] - 0.5;
  EXPECT_GT(chi_square_power(sampler_draws, clipped, softmax(damped)), 0.999);
  expect_law(count_broken(scores, 5, scores[4], Mistake::none), clipped, "clipped");
  expect_rejected(count_broken(scores, 5, scores[4], Mistake::drops_violations), clipped, "drop");
  expect_rejected(count_broken(scores, 5, scores[4], Mistake::damps_violations), clipped, "damp");
  // And the clipped law itself is refused as a softmax.
  expect_rejected(count_broken(scores, 5, scores[4], Mistake::none), softmax(scores), "clipping");
}

TEST(SamplerControl, ArrivalOfTheHeadReused) {
  const auto scores = ramp(40, 0.05);
  expect_rejected(count_broken(scores, 5, scores[4], Mistake::keeps_old_arrival), softmax(scores),
                  "one head arrival for all draws");
}

TEST(SamplerControl, WrongRankings) {
  const auto scores = ramp(14, 0.15);
  const auto law = ordered_law(softmax(scores), 2);
  const auto count = [&](RankingMistake mistake) {
    PhiloxEngine engine(5);
    return count_tuples(14, 2, sampler_draws / 4,
                        [&] { return broken_top_k(scores, 2, 3, mistake, engine); });
  };
  expect_law(count(RankingMistake::none), law, "right ranking");
  expect_rejected(count(RankingMistake::later_ranks_without_noise), law, "second place by score");
  expect_rejected(count(RankingMistake::noise_of_rank_reused), law, "shared noise");
  expect_rejected(count(RankingMistake::forgets_tail), law, "head only");
}

TEST(SamplerControl, LogZMissesOneItem) {
  // Perturbed values against a log Z without one of 40 items (0.025 nats): refused.
  const auto scores = ramp(40, 0.0);
  const FlatIndex<double> index(rows_with_scores(scores));
  PhiloxEngine engine(6);
  const auto values =
      draws_by_race(LazySampler(index, {.k = 5}), unit_query(), sampler_draws, engine).perturbed;
  const auto p_value = [&](double log_z) {
    return kolmogorov_smirnov_p_value(values, [&](double x) { return gumbel_cdf(x - log_z); });
  };
  EXPECT_GE(p_value(std::log(40.0)), law_threshold);
  EXPECT_LT(p_value(std::log(39.0)), law_threshold);
}

}  // namespace
}  // namespace lazygumbel::testing

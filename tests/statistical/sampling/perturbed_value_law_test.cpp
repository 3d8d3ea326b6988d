#include <gtest/gtest.h>

#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/sampling/exhaustive.hpp>
#include <lazygumbel/sampling/lazy_sampler.hpp>

#include "laws.hpp"
#include "race_draws.hpp"
#include "score_index.hpp"

// The perturbed values. 200,000 draws a law, Kolmogorov-Smirnov, refused (and false alarm) at p <
// 1e-6; detects with probability >= 0.9 a cdf that is off by 0.0075 anywhere, for a Gumbel law a
// shift of 0.021 nats. Exact forms: the largest value is log Z + Gumbel, independent of its item;
// the j-th arrival of the whole race, T_1 < T_2 < ..., has P(T_1 > t) = exp(-Z t).

namespace lazygumbel::testing {
namespace {

constexpr std::size_t perturbed_draws = 200'000;

TEST(PerturbedLaw, SmallestDefect) {
  EXPECT_LT(smallest_kolmogorov_distance(perturbed_draws), 0.0075);
  EXPECT_GT(0.021 / std::exp(1.0), 0.0075);  // the steepest slope of the Gumbel cdf is 1 / e
}

void expect_gumbel(std::vector<double> values, double log_z, const std::string& what) {
  EXPECT_GE(kolmogorov_smirnov_p_value(std::move(values),
                                       [&](double x) { return gumbel_cdf(x - log_z); }),
            law_threshold)
      << what;
}

TEST(PerturbedLaw, MaximumIsLogZPlusGumbel) {
  for (const double sd : {0.1, 2.0}) {
    const std::vector<double> scores = normal_scores(200, sd);
    const double log_z = log_sum_exp(std::span<const double>(scores));
    const FlatIndex<double> index(rows_with_scores(scores));
    PhiloxEngine engine(2);
    for (const auto& [k, gap] :
         {std::pair<std::size_t, double>{1, 0.0}, {8, 0.0}, {8, 1.0}, {200, 0.0}})
      expect_gumbel(draws_by_race(LazySampler(index, {.k = k, .gap = gap}), unit_query(),
                                  perturbed_draws, engine)
                        .perturbed,
                    log_z, "k = " + std::to_string(k) + ", gap = " + std::to_string(gap));
  }
}

TEST(PerturbedLaw, MaximumOfTheExhaustiveSampler) {
  const std::vector<double> scores = normal_scores(50, 2.0);
  PhiloxEngine engine(3);
  std::vector<double> values;
  for (std::size_t i = 0; i < perturbed_draws; ++i)
    values.push_back(gumbel_max(std::span<const double>(scores), engine).perturbed);
  expect_gumbel(values, log_sum_exp(std::span<const double>(scores)), "gumbel_max");
}

TEST(PerturbedLaw, HugeScoresKeepTheGumbelLaw) {
  // Scores around 1e4 and around -1e4: everything happens in logarithms.
  for (const double shift : {1e4, -1e4}) {
    std::vector<double> scores = normal_scores(200, 1.0);
    for (double& y : scores) y += shift;
    const FlatIndex<double> index(rows_with_scores(scores));
    PhiloxEngine engine(4);
    expect_gumbel(draws_by_race(LazySampler(index, {.k = 5}), unit_query(), perturbed_draws, engine)
                      .perturbed,
                  log_sum_exp(std::span<const double>(scores)), "shift " + std::to_string(shift));
  }
}

// Given the ranking i_1, ..., i_K, the gaps T_r - T_(r-1) are independent Exp(Z - the rates of the
// items before): each is mapped to a uniform number, whatever the ranking was.
template <class DrawRanked>
void check_gaps(const std::vector<double>& scores, std::size_t K, std::size_t count,
                DrawRanked&& draw) {
  std::vector<std::vector<double>> uniforms(K);
  double z = 0.0;
  for (const double y : scores) z += std::exp(y);
  for (std::size_t i = 0; i < count; ++i) {
    const RankedDraws answer = draw();
    double rate = z, before = 0.0;
    for (std::size_t r = 0; r < K; ++r) {
      const double time = std::exp(-answer.perturbed[r]);
      uniforms[r].push_back(-std::expm1(-rate * (time - before)));
      rate = (std::max)(rate - std::exp(scores[answer.ids[r]]), 0.0);
      before = time;
    }
  }
  for (std::size_t r = 0; r < K; ++r)
    EXPECT_GE(kolmogorov_smirnov_p_value(uniforms[r], [](double u) { return u; }), law_threshold)
        << "gap before arrival " << r + 1;
}

TEST(PerturbedLaw, GapsOfTheExhaustiveRanking) {
  const std::vector<double> scores = normal_scores(20, 1.0);
  PhiloxEngine engine(5);
  check_gaps(scores, 5, perturbed_draws,
             [&] { return gumbel_top_k(std::span<const double>(scores), 5, engine); });
}

TEST(PerturbedLaw, GapsOfTheLazyRanking) {
  const std::vector<double> scores = normal_scores(100, 1.0);
  const FlatIndex<double> index(rows_with_scores(scores));
  const LazySampler sampler(index, {.k = 1});
  PhiloxEngine engine(6);
  check_gaps(scores, 5, perturbed_draws,
             [&] { return sampler.sample_without_replacement(unit_query(), 5, engine); });
}

TEST(PerturbedLaw, GapsAreRightBeforeAndAfterTheScan) {
  // Four of six items from a head of one: many of the races go past n proposals.
  const std::vector<double> scores = normal_scores(6, 1.0);
  for (const double offset : {0.0, 3.0}) {
    ScoreIndex index(scores);
    index.limit(1).state_bound(offset, Guarantee::certified());
    Envelope envelope(index);
    envelope.assign(unit_query(), 1);
    PhiloxEngine engine(7);
    std::size_t scans = 0;
    check_gaps(scores, 5, perturbed_draws, [&] {
      const Envelope fresh(envelope);  // copies forget the scores of a scan
      RankedDraws answer = fresh.sample_without_replacement(5, engine);
      scans += answer.trace.exhaustive_scans;
      return answer;
    });
    EXPECT_GT(scans, perturbed_draws / 5);
  }
}

// Item and value, jointly over 16 items x 8 equally likely bands of the value: chi-square with
// 1,000,000 draws, an rms relative error of 1.2% is detected.
template <class DrawOne>
void check_independence(const std::vector<double>& scores, DrawOne&& draw) {
  constexpr std::size_t bands = 8;
  EXPECT_LT(smallest_defect(16 * bands, 1e6), 0.012);
  const double log_z = log_sum_exp(std::span<const double>(scores));
  Counter counter(16 * bands);
  for (std::size_t i = 0; i < 1'000'000; ++i) {
    const Draw one = draw();
    const double u = gumbel_cdf(one.perturbed - log_z);
    counter.add(one.id * bands + std::min(static_cast<std::size_t>(u * bands), bands - 1));
  }
  std::vector<double> law;
  for (const double p : softmax(scores))
    for (std::size_t b = 0; b < bands; ++b) law.push_back(p / bands);
  expect_law(counter, law, "item x value");
}

TEST(PerturbedLaw, ItemAndValueAreIndependent) {
  const std::vector<double> scores = normal_scores(16, 1.5);
  const FlatIndex<double> index(rows_with_scores(scores));
  Envelope envelope(index);
  envelope.assign(unit_query(), 2);
  PhiloxEngine engine(8);
  Trace trace = envelope.trace();
  check_independence(scores, [&] { return envelope.sample(engine, trace); });
}

TEST(PerturbedLaw, ItemAndValueAreIndependentInTheExhaustiveSampler) {
  const std::vector<double> scores = normal_scores(16, 1.5);
  PhiloxEngine engine(9);
  check_independence(scores, [&] { return gumbel_max(std::span<const double>(scores), engine); });
}

}  // namespace
}  // namespace lazygumbel::testing

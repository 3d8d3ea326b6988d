#include <gtest/gtest.h>

#include <bit>
#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/sampling/exhaustive.hpp>
#include <lazygumbel/sampling/lazy_sampler.hpp>

#include "classical_sampler.hpp"
#include "laws.hpp"

// Three forms of one law: the library's race, the classical truncated Gumbels with a Binomial tail
// count, and dense Gumbel-max. 60 items x 4 bands of the perturbed value, 500,000 draws each;
// two-sample chi-square, refused (and false alarm) at p < 1e-6; detects with probability >= 0.9 an
// rms relative difference of 2.7%.

namespace lazygumbel::testing {
namespace {

constexpr std::size_t form_items = 60, bands = 4, form_draws = 500'000;

TEST(RaceForms, SmallestDefect) {
  // Two samples of m draws have the power of one sample of m / 2.
  EXPECT_LT(smallest_defect(form_items * bands, form_draws / 2), 0.027);
}

class Forms : public ::testing::TestWithParam<std::tuple<double, std::size_t, double>> {};

TEST_P(Forms, AgreeInItemAndPerturbedValue) {
  const auto [spread, k, gap] = GetParam();
  const RowMatrix<double> rows = gaussian_rows<double>(form_items, 1, 1) * spread;
  const FlatIndex<double> index(rows);
  const std::vector<double> scores = scores_of(index, unit_query());
  const double log_z = log_sum_exp(std::span<const double>(scores));
  const auto cell = [&](item_id id, double perturbed) {
    const double u = gumbel_cdf(perturbed - log_z);
    return id * bands + std::min(static_cast<std::size_t>(u * bands), bands - 1);
  };
  Envelope envelope(index);
  envelope.assign(unit_query(), k, gap);
  PhiloxEngine engine(2, k);
  Trace trace = envelope.trace();
  const auto race = count_draws(form_items * bands, form_draws, [&] {
    const Draw one = envelope.sample(engine, trace);
    return cell(one.id, one.perturbed);
  });
  const auto classical = count_draws(form_items * bands, form_draws, [&] {
    const ClassicalDraw one =
        classical_draw(scores, envelope.head().ids, envelope.residual_bound(), engine);
    return cell(one.id, one.perturbed);
  });
  const auto dense = count_draws(form_items * bands, form_draws, [&] {
    const Draw one = gumbel_max(std::span<const double>(scores), engine);
    return cell(one.id, one.perturbed);
  });
  EXPECT_GE(two_sample_p_value(race.counts(), classical.counts()), law_threshold);
  EXPECT_GE(two_sample_p_value(race.counts(), dense.counts()), law_threshold);
  EXPECT_GE(two_sample_p_value(classical.counts(), dense.counts()), law_threshold);
}

INSTANTIATE_TEST_SUITE_P(RaceForms, Forms,
                         ::testing::Values(std::tuple{0.2, std::size_t{8}, 0.0},
                                           std::tuple{1.5, std::size_t{3}, 0.0},
                                           std::tuple{1.5, std::size_t{8}, 1.0}));

TEST(ClassicalSampler, DistinctSubsetsAreUniform) {
  // All 20 subsets of 3 of 6: an rms relative error of 1.9% is detected (200,000 draws).
  EXPECT_LT(smallest_defect(20, 200'000), 0.019);
  PhiloxEngine engine(3);
  Counter counter(64);
  std::vector<double> law(64, 0.0);
  for (unsigned mask = 0; mask < 64; ++mask)
    if (std::popcount(mask) == 3) law[mask] = 0.05;
  for (int i = 0; i < 200'000; ++i) {
    std::size_t mask = 0;
    for (const item_id id : distinct_subset(6, 3, engine)) mask |= std::size_t{1} << id;
    counter.add(mask);
  }
  expect_law(counter, law, "subsets");
}

}  // namespace
}  // namespace lazygumbel::testing

#include <gtest/gtest.h>

#include <lazygumbel/attention/walks/attention_draws.hpp>
#include <lazygumbel/index/flat_index.hpp>

#include "forgetful_index.hpp"
#include "laws.hpp"
#include "race_draws.hpp"

// Negative controls of attention_draws_law_test.cpp: its chi-square test (200,000 draws, p < 1e-6)
// and z-test must refuse a wrong scale, lists that miss keys without a gap, and the k best alone.

namespace lazygumbel::testing {
namespace {

constexpr std::size_t row_n = 200, row_d = 6, row_draws = 200'000;

struct DrawnRow {
  RowMatrix<double> keys = gaussian_rows(row_n, row_d, 1), values = gaussian_rows(row_n, 1, 2);
  Vector<double> query = 3.0 * gaussian_query(row_d, 3);
  std::vector<double> law(double scale) const {
    const Vector<double> scores = scale * keys * query;
    return softmax(std::vector<double>(scores.begin(), scores.end()));
  }
};

TEST(AttentionDrawsControl, WrongScaleIsRejected) {
  const DrawnRow row;
  const FlatIndex<double> index(row.keys);
  for (const double factor : {1.02, 0.5, std::sqrt(static_cast<double>(row_d))}) {
    const double scale = 1.0 / std::sqrt(static_cast<double>(row_d));
    const AttentionDraws attention(index, {.scale = factor * scale});
    PhiloxEngine engine(4);
    Counter counter(row_n);
    counter.add_all(attention.sample(row.query, row_draws, engine).ids);
    expect_law(counter, row.law(factor * scale), "the scale that was asked for");
    expect_rejected(counter, row.law(scale), "factor " + std::to_string(factor));
  }
}

TEST(AttentionDrawsControl, ListsThatMissKeysAreBiasedAndSaySo) {
  const DrawnRow row;
  const ForgetfulIndex index(row.keys, 0.2, true);
  const double scale = 1.0 / std::sqrt(static_cast<double>(row_d));
  const auto run = [&](Gap gap) {
    PhiloxEngine engine(5);  // by races: so many draws together would be taken from all scores
    const Draws drawn = draws_by_race(LazySampler(index, {.k = 20, .gap = gap}),
                                      Vector<double>(scale * row.query), row_draws, engine);
    EXPECT_EQ(drawn.trace.guarantee, Guarantee::assumed());
    Counter counter(row_n);
    counter.add_all(drawn.ids);
    return std::pair(counter, drawn.trace.violations);
  };
  const auto [biased, violations] = run(0.0);
  expect_rejected(biased, row.law(scale), "a missing key");
  EXPECT_GT(violations, 0U);
  Retrieval found;
  const Vector<double> theta = scale * row.query;
  index.search(theta, 20, found);
  const double needed = (scale * row.keys * row.query).maxCoeff() - found.scores.back() + 1e-9;
  const auto [mended, none] = run(needed);
  expect_law(mended, row.law(scale), "with a gap");
  EXPECT_EQ(none, 0U);
}

TEST(AttentionDrawsControl, TheBestAloneAreRejected) {
  const DrawnRow row;
  const FlatIndex<double> index(row.keys);
  const double scale = 0.2;
  const auto p = row.law(scale);
  double truth = 0.0, best_mass = 0.0, best_sum = 0.0;
  Retrieval found;
  index.search(Vector<double>(scale * row.query), 20, found);
  for (std::size_t j = 0; j < row_n; ++j)
    truth += p[j] * row.values(static_cast<Eigen::Index>(j), 0);
  for (const item_id j : found.ids) best_mass += p[j], best_sum += p[j] * row.values(j, 0);
  const AttentionDraws attention(index, {.scale = scale});
  std::vector<double> means;
  for (std::size_t r = 0; r < 60'000; ++r) {
    PhiloxEngine engine(6, r);
    means.push_back(attention.mean(row.query, row.values, 25, engine).output.value[0]);
  }
  EXPECT_GE(z_test_p_value(z_of_mean(means, truth)), law_threshold);
  EXPECT_LT(z_test_p_value(z_of_mean(means, best_sum / best_mass)), law_threshold);
}

}  // namespace
}  // namespace lazygumbel::testing

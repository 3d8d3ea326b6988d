#include <gtest/gtest.h>

#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/sampling/exhaustive.hpp>

#include "laws.hpp"
#include "message_of.hpp"
#include "non_finite.hpp"
#include "scripted_engine.hpp"

namespace lazygumbel::testing {
namespace {

using Scores = std::vector<double>;

std::span<const double> as_span(const Scores& scores) { return scores; }

TEST(GumbelMax, OneItemIsAlwaysDrawn) {
  PhiloxEngine engine(1);
  const Draw draw = gumbel_max(as_span({-3.0}), engine);
  EXPECT_EQ(draw.id, 0U);
  EXPECT_EQ(draw.trace.head_size, 1U);
  EXPECT_EQ(draw.trace.guarantee, Guarantee::certified());
}

TEST(GumbelMax, SpansBlocksOfNoise) {  // 256 to a block: the best item in each position
  for (const std::size_t best : {0U, 255U, 256U, 511U, 512U, 599U}) {
    Scores scores(600, 0.0);
    scores[best] = 1e4;
    PhiloxEngine engine(best);
    EXPECT_EQ(gumbel_max(as_span(scores), engine).id, best);
  }
}

TEST(GumbelMax, SameEngineSameDraw) {
  const Scores scores(300, 0.5);
  PhiloxEngine a(7), b(7);
  const Draw x = gumbel_max(as_span(scores), a), y = gumbel_max(as_span(scores), b);
  EXPECT_EQ(x.id, y.id);
  EXPECT_EQ(x.perturbed, y.perturbed);
  EXPECT_TRUE(a == b);
}

TEST(GumbelMax, IsTheFirstOfTheRanking) {
  const Scores scores(300, 0.5);
  PhiloxEngine a(8), b(8);
  EXPECT_EQ(gumbel_max(as_span(scores), a).id, gumbel_top_k(as_span(scores), 5, b).ids.front());
}

TEST(GumbelMax, RefusesBadScores) {
  PhiloxEngine engine(1);
  expect_throws<std::invalid_argument>([&] { gumbel_max(as_span({}), engine); },
                                       {"scores.size()", "0"});
  expect_throws<std::invalid_argument>(
      [&] {
        gumbel_max(as_span({0.0, nan}), engine);
      },
      {"scores[1]", "nan"});
  expect_throws<std::invalid_argument>(
      [&] {
        gumbel_max(as_span({infinity, 0.0}), engine);
      },
      {"scores[0]", "inf"});
  expect_throws<std::invalid_argument>(
      [&] {
        gumbel_max(as_span({-infinity, -infinity}), engine);
      },
      {"scores", "masked"});
}

TEST(GumbelTopK, AllItemsInSortedOrderWhenFarApart) {
  const Scores scores = {0.0, 3e4, 1e4, -1e4, 2e4};
  PhiloxEngine engine(1);
  const RankedDraws answer = gumbel_top_k(as_span(scores), 5, engine);
  EXPECT_EQ(answer.ids, (std::vector<item_id>{1, 4, 2, 0, 3}));
  EXPECT_TRUE(std::is_sorted(answer.perturbed.rbegin(), answer.perturbed.rend()));
}

TEST(GumbelTopK, MaskedItemsAreNotCounted) {
  const Scores scores = {0.0, -infinity, 1.0, -infinity};
  PhiloxEngine engine(1);
  for (int i = 0; i < 100; ++i)
    for (const item_id id : gumbel_top_k(as_span(scores), 2, engine).ids) EXPECT_EQ(id % 2, 0U);
  expect_throws<std::invalid_argument>([&] { gumbel_top_k(as_span(scores), 3, engine); },
                                       {"K = 3", "only 2 items are unmasked"});
}

TEST(GumbelTopK, RefusesBadCounts) {
  PhiloxEngine engine(1);
  expect_throws<std::invalid_argument>(
      [&] {
        gumbel_top_k(as_span({1.0, 2.0}), 0, engine);
      },
      {"K = 0"});
  expect_throws<std::invalid_argument>(
      [&] {
        gumbel_top_k(as_span({1.0, 2.0}), 3, engine);
      },
      {"K = 3", "n = 2"});
  expect_throws<std::invalid_argument>(
      [&] {
        gumbel_top_k(as_span({1.0, nan}), 1, engine);
      },
      {"scores[1]", "nan"});
}

// inverse_cdf_draw; its law: tests/statistical/privacy/release/mwem_selection_law_test.cpp.

TEST(InverseCdfDraw, FindsTheItemInEveryPosition) {  // 1024 to a block
  std::vector<double> weights;
  for (const std::size_t n : {1U, 2U, 1023U, 1024U, 1025U, 3000U})
    for (const std::size_t best : {std::size_t{0}, n / 2, n - 1}) {
      Scores scores(n, -infinity);
      scores[best] = 1e18;
      PhiloxEngine engine(best);
      const Draw draw = inverse_cdf_draw(as_span(scores), weights, engine);
      EXPECT_EQ(draw.id, best);
      EXPECT_TRUE(std::isnan(draw.perturbed));
      EXPECT_EQ(draw.trace.head_size, n);
      EXPECT_EQ(draw.trace.rows_scored, n);
      EXPECT_EQ(draw.trace.guarantee, Guarantee::certified());
      EXPECT_EQ(weights.size(), n);
    }
}

// The smallest and the largest uniforms that there are, where rounding could name an item without
// weight.
TEST(InverseCdfDraw, EndsOfTheUnitInterval) {
  std::vector<double> weights;
  for (const std::size_t n : {3U, 1024U, 1026U, 2050U}) {
    Scores scores(n, -1e5);  // weight 0
    scores[1] = 0.1, scores[n - 2] = 0.2;
    ScriptedEngine<std::uint64_t> low{1}, high{~std::uint64_t{0}};
    EXPECT_EQ(inverse_cdf_draw(as_span(scores), weights, low).id, 1U);
    EXPECT_EQ(inverse_cdf_draw(as_span(scores), weights, high).id, n - 2);
    for (std::size_t i = 0; i < n; ++i) scores[i] = std::sin(static_cast<double>(i));
    scores[n - 1] = scores[0] = -infinity;
    ScriptedEngine<std::uint64_t> low_again{1}, high_again{~std::uint64_t{0}};
    EXPECT_EQ(inverse_cdf_draw(as_span(scores), weights, low_again).id, 1U);
    EXPECT_EQ(inverse_cdf_draw(as_span(scores), weights, high_again).id, n - 2);
  }
}

// 150,000 draws, refused at p < 1e-6: an rms relative error of the probabilities of 5.5% is
// detected. A block and a bit, peaked and flat, doubles and floats.
template <class Scalar>
void expect_law_of_inverse_cdf(double spread, std::uint64_t seed) {
  constexpr std::size_t n = 1100, draws = 150'000;
  EXPECT_LT(smallest_defect(n, draws), 0.055);
  std::vector<Scalar> scores;
  Scores exact;
  PhiloxEngine engine(seed);
  for (std::size_t i = 0; i < n; ++i) {
    scores.push_back(static_cast<Scalar>(spread * open_uniform(engine)));
    exact.push_back(static_cast<double>(scores.back()));
  }
  scores[7] = -std::numeric_limits<Scalar>::infinity();
  exact[7] = -infinity;
  std::vector<double> weights(5);
  expect_law(
      count_draws(
          n, draws,
          [&] { return inverse_cdf_draw(std::span<const Scalar>(scores), weights, engine).id; }),
      softmax(exact), "inverse cdf");
}

TEST(InverseCdfDraw, HasTheLawOfTheSoftmax) { expect_law_of_inverse_cdf<double>(3.0, 1); }
TEST(InverseCdfDraw, HasTheLawOfTheSoftmaxOfFloats) { expect_law_of_inverse_cdf<float>(0.1, 2); }

TEST(InverseCdfDraw, RefusesBadScores) {
  PhiloxEngine engine(1), untouched(1);
  std::vector<double> weights;
  const auto refusal = [&](const Scores& scores) {
    return message_of<std::invalid_argument>(
        [&] { inverse_cdf_draw(as_span(scores), weights, engine); });
  };
  EXPECT_EQ(refusal({}), "lazygumbel: scores.size() = 0: must lie in 1 .. 2^32 - 1");
  EXPECT_EQ(refusal({0.0, infinity}), "lazygumbel: scores = inf: must be finite or -infinity");
  for (std::size_t at = 0; at < 9; ++at) {
    Scores scores(9, 1.0);
    scores[at] = nan;
    EXPECT_EQ(refusal(scores), "lazygumbel: scores = nan: must be finite or -infinity");
  }
  EXPECT_EQ(refusal({-infinity, -infinity}), "lazygumbel: scores = -inf: every item is masked");
  EXPECT_TRUE(engine == untouched);
}

}  // namespace
}  // namespace lazygumbel::testing

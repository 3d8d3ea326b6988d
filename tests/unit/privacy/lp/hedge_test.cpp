#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <lazygumbel/privacy/lp/detail/hedge.hpp>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/random/uniform.hpp>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "message_of.hpp"

namespace lazygumbel::testing {
namespace {

template <class Loss>
void add(Hedge& hedge, const std::vector<Loss>& losses) {
  hedge.add(std::span<const Loss>(losses));
}

std::vector<double> hedge_weights(const Hedge& hedge) {
  return {hedge.weights().begin(), hedge.weights().end()};
}

TEST(Hedge, StartsUniformAndFollowsTheFormula) {
  Hedge hedge(3, 0.5);
  EXPECT_EQ(hedge.rate(), 0.5);
  EXPECT_EQ(hedge_weights(hedge), std::vector<double>(3, 1.0 / 3.0));
  add<double>(hedge, {1.0, -2.0, 0.0});
  add<float>(hedge, {1.0F, 0.5F, 0.0F});
  const double w[] = {std::exp(-1.0), std::exp(0.75), 1.0};
  for (std::size_t j = 0; j < 3; ++j)
    EXPECT_NEAR(hedge.weights()[j], w[j] / (w[0] + w[1] + w[2]), 1e-15);
}

// sum_t <l_t, w_t> - min_j sum_t l_t(j) <= ln d / rate + rate T W^2 / 2, against losses that are
// always worst for the present weights, and against random ones.
TEST(Hedge, KeepsItsRegret) {
  PhiloxEngine engine(1);
  for (const std::size_t d : {1U, 2U, 7U, 100U})
    for (const std::size_t rounds : {1U, 10U, 300U})
      for (const bool adverse : {false, true}) {
        const double width = 3.0, t = static_cast<double>(rounds);
        const double rate = std::sqrt(2.0 * std::log(static_cast<double>(d)) / t) / width;
        Hedge hedge(d, rate);
        double paid = 0.0;
        std::vector<double> sums(d, 0.0), losses(d);
        for (std::size_t round = 0; round < rounds; ++round) {
          const auto best = static_cast<std::size_t>(
              std::max_element(hedge.weights().begin(), hedge.weights().end()) -
              hedge.weights().begin());
          for (std::size_t j = 0; j < d; ++j) {
            losses[j] = width * (adverse ? (j == best ? 1.0 : -1.0)
                                         : std::floor(3.0 * open_uniform(engine)) - 1.0);
            paid += losses[j] * hedge.weights()[j];
            sums[j] += losses[j];
          }
          add(hedge, losses);
        }
        const double regret = paid - *std::min_element(sums.begin(), sums.end());
        EXPECT_LE(regret, width * std::sqrt(2.0 * t * std::log(static_cast<double>(d))) + 1e-9);
        if (adverse && d == 2 && rounds == 300) {
          EXPECT_GT(regret, 0.1 * width * std::sqrt(t)) << "an adversary that does nothing";
        }
      }
}

TEST(Hedge, LossesOfAnySize) {
  Hedge hedge(2, 1e300);
  for (int round = 0; round < 1000; ++round) add<double>(hedge, {1e300, -1e300});
  EXPECT_LT(hedge.weights()[0], 1e-300);
  EXPECT_EQ(hedge.weights()[1], 1.0);
  for (int round = 0; round < 2000; ++round) add<double>(hedge, {-1e300, 1e300});
  EXPECT_EQ(hedge.weights()[0], 1.0);
  EXPECT_LT(hedge.weights()[1], 1e-300);
  Hedge still(2, 0.0);
  for (int round = 0; round < 1000; ++round) add<double>(still, {1e300, -1e300});
  EXPECT_EQ(hedge_weights(still), (std::vector<double>{0.5, 0.5}));
  Hedge tiny(2, 1e300);
  add<double>(tiny, {1e-300, 0.0});
  EXPECT_NEAR(tiny.weights()[0], 1.0 / (1.0 + std::exp(1.0)), 1e-12);
}

TEST(Hedge, OneActionAndManyActions) {
  Hedge one(1, 2.0);
  add<double>(one, {7.0});
  EXPECT_EQ(one.weights()[0], 1.0);
  Hedge many(100'000, 1.0);
  add(many, std::vector<double>(100'000, -3.0));
  EXPECT_NEAR(std::accumulate(many.weights().begin(), many.weights().end(), 0.0), 1.0, 1e-10);
}

TEST(Hedge, Refusals) {
  const auto refusal = [](auto&& body) { return message_of<std::invalid_argument>(body); };
  EXPECT_EQ(refusal([] { Hedge(0, 1.0); }), "lazygumbel: actions = 0: must be at least 1");
  EXPECT_EQ(refusal([] { Hedge(1, -1.0); }), "lazygumbel: rate = -1: must lie in [0, 1e300]");
  EXPECT_EQ(refusal([] { Hedge(1, std::nan("")); }),
            "lazygumbel: rate = nan: must lie in [0, 1e300]");
  Hedge hedge(2, 1.0);
  add<double>(hedge, {0.0, 1.0});
  const auto before = hedge_weights(hedge);
  EXPECT_EQ(refusal([&] { add<double>(hedge, {1.0}); }),
            "lazygumbel: losses.size() = 1: must equal the number of actions 2");
  EXPECT_EQ(refusal([&] {
              add<double>(hedge, {5.0, std::nan("")});
            }),
            "lazygumbel: losses[1] = nan: must lie in [-1e300, 1e300]");
  EXPECT_EQ(refusal([&] {
              add<double>(hedge, {5.0, 1.2e308});
            }),
            "lazygumbel: losses[1] = 1.2e+308: must lie in [-1e300, 1e300]");
  EXPECT_EQ(refusal([&] {
              add<float>(hedge, {-std::numeric_limits<float>::infinity(), 0.0F});
            }),
            "lazygumbel: losses[0] = -inf: must lie in [-1e300, 1e300]");
  EXPECT_EQ(hedge_weights(hedge), before);
}

}  // namespace
}  // namespace lazygumbel::testing

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <lazygumbel/random/categorical.hpp>
#include <lazygumbel/random/philox.hpp>
#include <message_of.hpp>
#include <numeric>
#include <scripted_engine.hpp>
#include <statistics.hpp>
#include <vector>

#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

Categorical of(const std::vector<double>& log_weights) { return Categorical(log_weights); }

std::vector<std::uint64_t> count_draws(const Categorical& law, int n, std::uint64_t seed) {
  PhiloxEngine engine(seed);
  std::vector<std::uint64_t> counts(law.size());
  for (int i = 0; i < n; ++i) ++counts.at(law(engine));
  return counts;
}

double p_value(const std::vector<double>& log_weights, std::uint64_t seed) {
  const Categorical law(log_weights);
  std::vector<double> probabilities;
  for (const double w : log_weights) probabilities.push_back(std::exp(w - law.log_total()));
  return chi_square_p_value(count_draws(law, 1000000, seed), probabilities);
}

// n = 1e6 draws a law; refused at p < 1e-6 (the false-alarm rate a law). With 100 cells a root mean
// square defect of 1.2% of the cells shows with probability 0.9.
TEST(Categorical, FollowsItsLaw) {
  std::vector<double> sloped(100), shifted(100);
  for (std::size_t i = 0; i < 100; ++i) {
    sloped[i] = -0.07 * static_cast<double>(i * 37 % 100);
    shifted[i] = sloped[i] - 5000.0;
  }
  EXPECT_GE(p_value({0.0, 1.0}, 21), 1e-6);
  EXPECT_GE(p_value(sloped, 22), 1e-6);
  EXPECT_GE(p_value(shifted, 23), 1e-6) << "weights that underflow when exponentiated";
  EXPECT_GE(p_value(std::vector<double>(64, 3.0), 24), 1e-6);
  EXPECT_GE(p_value({-infinity, 1.0, -infinity, -infinity, 0.5, 2.0, -infinity}, 25), 1e-6)
      << "0 also when an item of weight 0 was drawn";
}

TEST(Categorical, NeverDrawsAWeightOfZeroEvenAtTheEndsOfTheUniform) {
  for (const std::uint64_t bits : {std::uint64_t{1}, ~std::uint64_t{0}}) {
    ScriptedEngine<std::uint64_t> engine{bits};
    EXPECT_EQ(of({-infinity, -infinity, 0.0, -infinity})(engine), 2u);
  }
}

TEST(Categorical, TheEndsOfTheUniformGiveTheFirstAndTheLastItem) {
  const Categorical law = of({-infinity, 0.0, 0.1, 0.2, -infinity});
  ScriptedEngine<std::uint64_t> low{1}, high{~std::uint64_t{0}};
  EXPECT_EQ(law(low), 1u);
  EXPECT_EQ(law(high), 3u);
}

TEST(Categorical, WeightsFarApartGiveTheLargest) {
  const Categorical law = of({-10000.0, 0.0, -10000.0, -1e300});
  EXPECT_EQ(law.log_total(), 0.0);
  EXPECT_EQ(count_draws(law, 10000, 26)[1], 10000u);
  const Categorical rising = of({0.0, 10000.0});
  EXPECT_EQ(count_draws(rising, 10000, 27)[1], 10000u);
}

TEST(Categorical, OfOneItemDrawsIt) {
  const Categorical law = of({-1234.5});
  EXPECT_EQ(law.size(), 1u);
  EXPECT_EQ(law.log_total(), -1234.5);
  EXPECT_EQ(count_draws(law, 100, 28)[0], 100u);
}

TEST(Categorical, LogTotalIsTheLogarithmOfTheSum) {
  EXPECT_DOUBLE_EQ(of({1.0, 2.0, 3.0}).log_total(),
                   3.0 + std::log(1.0 + std::exp(-1.0) + std::exp(-2.0)));
  EXPECT_DOUBLE_EQ(of(std::vector<double>(1000, -800.0)).log_total(), -800.0 + std::log(1000.0));
}

TEST(Categorical, WithoutWeightRefusesToDraw) {
  PhiloxEngine engine(29);
  for (const auto& weights : {std::vector<double>(), std::vector<double>(3, -infinity)}) {
    const Categorical law(weights);
    EXPECT_EQ(law.size(), weights.size());
    EXPECT_EQ(law.log_total(), -infinity);
    EXPECT_EQ(message_of<std::invalid_argument>([&] { law(engine); }),
              "lazygumbel: log_total() = -inf: needs a weight above -infinity");
  }
  EXPECT_EQ(message_of<std::invalid_argument>([&] { Categorical()(engine); }),
            "lazygumbel: log_total() = -inf: needs a weight above -infinity");
}

TEST(Categorical, RefusesNaNAndPlusInfinityNamingTheEntry) {
  EXPECT_EQ(message_of<std::invalid_argument>([] {
              of({0.0, 1.0, nan});
            }),
            "lazygumbel: log_weights[2] = nan: must be finite or -infinity");
  EXPECT_EQ(message_of<std::invalid_argument>([] {
              of({infinity, 1.0});
            }),
            "lazygumbel: log_weights[0] = inf: must be finite or -infinity");
}

TEST(Categorical, ARefusedAssignmentLeavesTheOldLaw) {
  Categorical law = of({0.0, -infinity});
  EXPECT_THROW(law.assign(std::vector<double>{0.0, 0.0, nan}), std::invalid_argument);
  EXPECT_EQ(law.size(), 2u);
  EXPECT_EQ(count_draws(law, 100, 30)[0], 100u);
}

TEST(Categorical, CanBeAssignedAgainLargerAndSmaller) {
  Categorical law;
  law.assign(std::vector<double>(50, 0.0));
  EXPECT_DOUBLE_EQ(law.log_total(), std::log(50.0));
  law.assign(std::vector<double>{-infinity, 4.0});
  EXPECT_EQ(law.size(), 2u);
  EXPECT_EQ(law.log_total(), 4.0);
  EXPECT_EQ(count_draws(law, 100, 31)[1], 100u);
  law.assign(std::vector<double>(3, -infinity));
  EXPECT_EQ(law.log_total(), -infinity);
}

}  // namespace
}  // namespace lazygumbel::testing

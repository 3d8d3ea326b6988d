#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <lazygumbel/random/exact_bernoulli.hpp>
#include <lazygumbel/random/philox.hpp>
#include <message_of.hpp>
#include <scripted_engine.hpp>
#include <statistics.hpp>
#include <vector>

namespace lazygumbel::testing {
namespace {

// n = 1e6 trials; refused when either tail is below 5e-7 (false alarm 1e-6 a probability). A
// probability of 1/2 that is off by 0.003 shows with probability 0.9.
template <class Trial>
void expect_probability(double p, Trial&& trial) {
  constexpr std::uint64_t trials = 1000000;
  std::uint64_t successes = 0;
  for (std::uint64_t i = 0; i < trials; ++i) successes += trial() ? 1 : 0;
  if (p == 1.0) {
    EXPECT_EQ(successes, trials);
  } else if (p == 0.0) {
    EXPECT_EQ(successes, 0u);
  } else {
    EXPECT_GE(binomial_at_least(successes, trials, p), 5e-7) << p;
    EXPECT_GE(binomial_at_most(successes, trials, p), 5e-7) << p;
  }
}

TEST(Bernoulli, HasItsProbability) {
  PhiloxEngine engine(1);
  for (const Ratio p : {Ratio(0), Ratio(0, 7), Ratio(1, 3), Ratio(1, 2), Ratio(999, 1000), Ratio(1),
                        Ratio(all_ones, all_ones), Ratio(all_ones / 3, all_ones)})
    expect_probability(p.value(), [&] { return bernoulli(p, engine); });
}

TEST(Bernoulli, RefusesMoreThanOne) {
  PhiloxEngine engine(1);
  EXPECT_EQ(message_of<std::invalid_argument>([&] {
              bernoulli({4, 3}, engine);
            }),
            "lazygumbel: p.numerator() = 4: must be at most the denominator 3");
}

TEST(BernoulliExp, HasItsProbability) {
  PhiloxEngine engine(2);
  for (const Ratio gamma : {Ratio(0), Ratio(1, 3), Ratio(1), Ratio(5, 2), Ratio(20), Ratio(1, 1000),
                            Ratio(999, 1000), Ratio(all_ones - 1, all_ones), Ratio(7, 3)})
    expect_probability(std::exp(-gamma.value()), [&] { return bernoulli_exp(gamma, engine); });
}

// exp(-20) = 2e-9 shows nothing in a million trials but that it is small; what is drawn of it is.
TEST(BernoulliExp, LargeExponentsEndEarly) {
  PhiloxEngine engine(3);
  for (const Ratio gamma : {Ratio(1000000), Ratio(all_ones), Ratio(all_ones, 3)})
    for (int i = 0; i < 1000; ++i) EXPECT_FALSE(bernoulli_exp(gamma, engine));
}

TEST(BernoulliExpProduct, HasItsProbability) {
  PhiloxEngine engine(4);
  const std::vector<Ratio> parts{Ratio(0), Ratio(1, 3), Ratio(1, 2), Ratio(4, 5), Ratio(1)};
  for (const Ratio x : parts)
    for (const Ratio y : parts)
      expect_probability(std::exp(-x.value() * y.value()),
                         [&] { return lazygumbel::detail::bernoulli_exp_product(x, y, engine); });
}

// The first trial of exp(-1/2) draws below 2: a word with its top bit set fails it at once (k = 1,
// odd: true); one success, and the next failure decides for false (k = 2), and so on.
TEST(BernoulliExp, FollowsItsSeries) {
  const std::uint64_t zero = 0,
                      one = all_ones;  // the lowest and the highest number below any bound
  ScriptedEngine<std::uint64_t> at_once{one};
  EXPECT_TRUE(bernoulli_exp({1, 2}, at_once));
  ScriptedEngine<std::uint64_t> second{zero, one};
  EXPECT_FALSE(bernoulli_exp({1, 2}, second));
  ScriptedEngine<std::uint64_t> by_k{zero, zero, one};  // half, then 1/2 of k = 2 refused
  EXPECT_FALSE(bernoulli_exp({1, 2}, by_k));
}

}  // namespace
}  // namespace lazygumbel::testing

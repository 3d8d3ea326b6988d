#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/random/poisson_race.hpp>
#include <statistics.hpp>
#include <vector>

#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

TEST(PoissonRace, KeysFall) {
  PhiloxEngine engine(31);
  for (const double log_rate : {-1000.0, 0.0, 1000.0}) {
    PoissonRace race(log_rate);
    double last = infinity;
    for (int i = 0; i < 10000; ++i) {
      const double key = race.next(engine);
      ASSERT_LE(key, last) << i;
      ASSERT_GT(key, -infinity);
      last = key;
    }
  }
}

// n = 2e5 races a rate; refused at p < 1e-6 (the false-alarm rate a rate); a cdf that is off by
// 0.0075 anywhere shows with probability 0.9. exp(+-1000) has no double: rates stay logarithms.
TEST(PoissonRace, FirstKeyIsTheLogRatePlusAGumbel) {
  PhiloxEngine engine(32);
  for (const double log_rate : {-1000.0, 0.0, 4.5, 1000.0}) {
    std::vector<double> sample(200000);
    for (double& key : sample) key = PoissonRace(log_rate).next(engine);
    EXPECT_GE(kolmogorov_smirnov_p_value(
                  sample, [&](double key) { return lazygumbel::gumbel_cdf(key - log_rate); }),
              1e-6)
        << log_rate;
  }
}

// How many arrivals come before time t is Poisson(L t): L = 3, t = 2, n = 4e5 races; refused at
// p < 1e-6 (the false-alarm rate); over the 20 or so cells a root mean square defect of 1.3% shows
// with probability 0.9.
TEST(PoissonRace, NumberOfArrivalsBeforeATimeIsPoisson) {
  constexpr double mean = 6.0;
  const double least_key = -std::log(2.0);
  PhiloxEngine engine(33);
  std::vector<std::uint64_t> counts(40);
  for (int i = 0; i < 400000; ++i) {
    PoissonRace race(std::log(3.0));
    std::size_t arrivals = 0;
    while (race.next(engine) > least_key) ++arrivals;
    ++counts.at(std::min<std::size_t>(arrivals, 39));
  }
  std::vector<double> probabilities(40);
  double rest = 1.0, term = std::exp(-mean);
  for (std::size_t j = 0; j < 39; ++j) {
    probabilities[j] = term;
    rest -= term;
    term *= mean / static_cast<double>(j + 1);
  }
  probabilities[39] = std::max(rest, 0x1p-60);
  EXPECT_GE(chi_square_p_value(counts, probabilities), 1e-6);
}

// The time between arrivals is independent of the past: (T_2 - T_1) / T_1 <= x has probability
// x / (1 + x). n = 2e5 races; refused at p < 1e-6; a cdf off by 0.0075 shows with probability 0.9.
TEST(PoissonRace, GapsAreIndependentOfThePast) {
  PhiloxEngine engine(34);
  std::vector<double> sample(200000);
  for (double& ratio : sample) {
    PoissonRace race(1.0);
    const double first = race.next(engine);
    ratio = std::expm1(first - race.next(engine));
  }
  EXPECT_GE(kolmogorov_smirnov_p_value(sample, [](double x) { return x / (1.0 + x); }), 1e-6);
}

TEST(PoissonRace, OfRateZeroIsEmpty) {
  PhiloxEngine engine(35);
  PoissonRace race(-infinity);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(race.next(engine), -infinity);
}

}  // namespace
}  // namespace lazygumbel::testing

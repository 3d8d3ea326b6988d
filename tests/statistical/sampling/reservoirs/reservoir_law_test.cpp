#include <gtest/gtest.h>

#include <lazygumbel/random/uniform.hpp>
#include <lazygumbel/sampling/reservoirs/uniform_reservoir.hpp>
#include <lazygumbel/sampling/reservoirs/weighted_reservoir.hpp>

#include "plain_reservoirs.hpp"
#include "reservoir_laws.hpp"

// What reservoirs keep, with skip-ahead and without (plain_reservoirs.hpp), each against the exact
// law and both against each other: chi-square tests with 20,000 to 400,000 streams, refused at
// p < 1e-6. About 250 tests, false alarm 2.5e-4 for the file. Found with probability 0.9 at
// 400,000: an error of the cells' probabilities of 2.4% (root mean square; for 125 cells,
// asserted).

namespace lazygumbel::testing {
namespace {

constexpr std::size_t reservoir_runs = 400'000;

void expect_one_law(const Counter& skipping, const Counter& plain, const std::vector<double>& law,
                    const std::string& what) {
  expect_law(skipping, law, what);
  expect_law(plain, law, what + ", plain");
  EXPECT_GE(two_sample_p_value(skipping.counts(), plain.counts()), law_threshold) << what;
}

TEST(ReservoirLaw, Power) { EXPECT_LT(smallest_defect(125, reservoir_runs), 0.024); }

constexpr bool merged_parts = true;

TEST(ReservoirLaw, EachSetIsAsLikely) {
  const std::vector<Stream> streams = {
      {{9}},                                                  // one stream
      {{2}, {7, merged_parts}},                               // merged: not full and full
      {{7}, {2, merged_parts}},                               //
      {{2}, {2, merged_parts}, {5}},                          // filled by merging, then continued
      {{1}, {1, merged_parts}, {7, merged_parts}},            // three
      {{4}, {1, merged_parts}, {4, merged_parts}},            //
      {{0}, {5, merged_parts}, {4}},                          // into an empty one
      {{5}, {3, merged_parts}, {1}},                          // continued after a merge
      {{3}, {2, merged_parts}, {1}, {2, merged_parts}, {1}},  // merged and continued, twice
      {{1}, {0, merged_parts}, {1}, {1, merged_parts}, {6}},  // filled slowly
  };
  std::uint64_t seed = 100;
  for (const std::size_t capacity : {1, 3, 4, 8})
    for (std::size_t i = 0; i < streams.size(); ++i, ++seed)
      expect_one_law(
          count_sets<UniformReservoir>(capacity, streams[i], reservoir_runs / 4, seed),
          count_sets<PlainUniformReservoir>(capacity, streams[i], reservoir_runs / 4, seed + 1000),
          set_law(capacity, 9),
          "capacity " + std::to_string(capacity) + ", stream " + std::to_string(i));
}

TEST(ReservoirLaw, SetsOfThreeOfNine) {
  expect_one_law(
      count_sets<UniformReservoir>(3, {{5}, {3, merged_parts}, {1}}, reservoir_runs, 1),
      count_sets<PlainUniformReservoir>(3, {{5}, {3, merged_parts}, {1}}, reservoir_runs, 2),
      set_law(3, 9), "");
}

TEST(ReservoirLaw, SetsAtTwoTimes) {
  const std::vector<Stream> streams = {
      {{4}}, {{2}, {2, merged_parts}}, {{1}, {3, merged_parts}}, {{3}, {1}}};
  std::uint64_t seed = 10;
  for (const std::size_t capacity : {1, 2, 3})
    for (const Stream& stream : streams) {
      ++seed;
      expect_one_law(
          count_histories<UniformReservoir>(capacity, stream, 2, reservoir_runs, seed),
          count_histories<PlainUniformReservoir>(capacity, stream, 2, reservoir_runs, seed + 100),
          history_law(capacity, 4, 2), std::to_string(capacity));
    }
}

TEST(ReservoirLaw, LongStreams) {
  // One kept item of each of 40,000 streams of 10,000 items, in 20 bins; with and without a merge
  // of uneven parts. The smallest defect is 5% of a bin.
  const std::vector<double> law(20, 0.05);
  std::uint64_t seed = 50;
  for (const Stream& stream : {Stream{{10'000}}, Stream{{500}, {7000, merged_parts}, {2500}}}) {
    PhiloxEngine engine(++seed);
    const auto bins = count_draws(20, 40'000, [&] {
      KeptItems<UniformReservoir> kept(10);
      kept.add(stream, engine);
      return kept.items()[uniform_index(10, engine)] / 500;
    });
    expect_law(bins, law, "long");
  }
}

const std::vector<double> reservoir_weights = {0.0, 1.0, 0.0, 3.0, 0.5, 2.0, 0.0};

TEST(ReservoirLaw, SlotsAreIndependentAndProportional) {
  const std::vector<Stream> streams = {
      {{7}},                                                  //
      {{4}, {3, merged_parts}},                               // merged
      {{1}, {6, merged_parts}},                               // into one without weight
      {{6}, {1, merged_parts}},                               // one without weight
      {{2}, {2, merged_parts}, {3, merged_parts}},            // three
      {{3}, {1, merged_parts}, {3}},                          // continued
      {{2}, {1, merged_parts}, {2}, {1, merged_parts}, {1}},  // merged and continued, twice
  };
  std::uint64_t seed = 200;
  for (const double scale : {1.0, 1e-80, 1e60}) {
    const std::size_t some = scale == 1.0 ? reservoir_runs : reservoir_runs / 8;
    for (std::size_t i = 0; i < streams.size(); ++i, ++seed) {
      std::vector<double> scaled;
      for (const double w : reservoir_weights) scaled.push_back(scale * w);
      expect_one_law(count_slots<WeightedReservoir>(3, scaled, streams[i], some, seed),
                     count_slots<PlainWeightedReservoir>(3, scaled, streams[i], some, seed + 1000),
                     slot_law(3, reservoir_weights),
                     "scale " + std::to_string(scale) + ", stream " + std::to_string(i));
    }
  }
}

TEST(ReservoirLaw, SlotsAtTwoTimes) {
  const std::vector<double> w = {1.0, 2.5, 0.5, 1.5, 0.25, 3.0};
  const std::vector<Stream> streams = {{{3}}, {{1}, {2, merged_parts}}, {{2}, {1, merged_parts}}};
  std::uint64_t seed = 300;
  for (const Stream& stream : streams) {
    ++seed;
    expect_one_law(
        count_slot_histories<WeightedReservoir>(w, stream, 3, reservoir_runs, seed),
        count_slot_histories<PlainWeightedReservoir>(w, stream, 3, reservoir_runs, seed + 100),
        slot_history_law(w, 3), "");
  }
}

TEST(ReservoirLaw, ManySlotsOfALongStream) {
  // Of 64 slots and 60 items with growing weights, a binomial number holds one of the first 40.
  std::vector<double> w;
  double early = 0.0, total = 0.0;
  for (int i = 0; i < 60; ++i) {
    w.push_back(1.0 + 0.1 * i);
    total += w.back();
    if (i < 40) early += w.back();
  }
  const std::vector<double> law = binomial_law(64, early / total);
  std::uint64_t seed = 400;
  for (const Stream& stream :
       {Stream{{60}}, Stream{{50}, {10, merged_parts}}, Stream{{5}, {30, merged_parts}, {25}}}) {
    ++seed;
    expect_one_law(
        count_early<WeightedReservoir>(64, w, stream, 40, reservoir_runs / 20, seed),
        count_early<PlainWeightedReservoir>(64, w, stream, 40, reservoir_runs / 20, seed + 100),
        law, "");
  }
}

TEST(ReservoirLaw, Failures) {
  PhiloxEngine engine(500);
  std::vector<double> law;
  for (int k = 0; k < 20; ++k) law.push_back(0.3 * std::pow(0.7, k));
  law.push_back(std::pow(0.7, 20));
  expect_law(count_draws(21, reservoir_runs,
                         [&] {
                           return static_cast<std::size_t>(
                               std::min(lazygumbel::detail::failures(0.3, engine), 20.0));
                         }),
             law, "geometric");
  for (const double p : {1e-3, 1e-10, 1e-17, 1e-300}) {
    std::vector<double> waits;  // in units of 1 / p, smoothed over their step of p
    for (std::size_t i = 0; i < reservoir_runs / 4; ++i)
      waits.push_back((lazygumbel::detail::failures(p, engine) + open_uniform(engine)) * p);
    // P(failures + u <= x) is within p of 1 - exp(-x): 1e-3 is below the smallest distance found.
    EXPECT_GE(kolmogorov_smirnov_p_value(waits, [](double x) { return -std::expm1(-x); }),
              law_threshold)
        << p;
  }
  EXPECT_EQ(lazygumbel::detail::failures(1.0, engine), 0.0);
}

TEST(ReservoirLaw, FailuresBelow) {
  PhiloxEngine engine(501);
  for (const double p : {0.9, 0.3, 1e-3, 1e-17, 1e-300}) {
    std::vector<double> law;
    double total = 0.0;
    for (int k = 0; k < 12; ++k) total += law.emplace_back(std::exp(k * std::log1p(-p)));
    for (double& q : law) q /= total;
    expect_law(count_draws(12, reservoir_runs,
                           [&] {
                             return static_cast<std::size_t>(
                                 lazygumbel::detail::failures_below(12.0, p, engine));
                           }),
               law, "given one of twelve");
  }
  EXPECT_EQ(lazygumbel::detail::failures_below(12.0, 1.0, engine), 0.0);
  EXPECT_EQ(lazygumbel::detail::failures_below(1.0, 1e-9, engine), 0.0);
}

}  // namespace
}  // namespace lazygumbel::testing

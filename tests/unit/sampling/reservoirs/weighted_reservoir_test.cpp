#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/sampling/reservoirs/weighted_reservoir.hpp>
#include <limits>
#include <numeric>
#include <random>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "message_of.hpp"
#include "non_finite.hpp"
#include "reservoir_file.hpp"
#include "scripted_engine.hpp"

// What is kept is tested by statistical/reservoir_law_test.cpp.

namespace lazygumbel::testing {
namespace {

constexpr double largest_double = std::numeric_limits<double>::max();

/// The slots that take an item.
template <class Engine>
std::vector<std::size_t> offer(WeightedReservoir& reservoir, double weight, Engine& engine) {
  std::vector<std::size_t> taken;
  reservoir.offer(weight, engine, [&](std::size_t slot) { taken.push_back(slot); });
  return taken;
}

template <class Engine>
std::vector<std::size_t> merge(WeightedReservoir& reservoir, const WeightedReservoir& other,
                               Engine& engine) {
  std::vector<std::size_t> taken;
  reservoir.merge(other, engine, [&](std::size_t slot) { taken.push_back(slot); });
  return taken;
}

std::vector<std::size_t> all(std::size_t slots) {
  std::vector<std::size_t> numbers(slots);
  std::iota(numbers.begin(), numbers.end(), std::size_t{0});
  return numbers;
}

WeightedReservoir weighted_reservoir_of(std::size_t slots, std::size_t items,
                                        PhiloxEngine& engine) {
  WeightedReservoir reservoir(slots);
  for (std::size_t i = 0; i < items; ++i)
    offer(reservoir, 1.0 + 0.25 * static_cast<double>(i % 3), engine);
  return reservoir;
}

TEST(WeightedReservoir, TheFirstPositiveWeightFillsAllSlots) {
  PhiloxEngine engine(1);
  for (const double weight : {1.0, 1e-80, 1e60, 5e-324, largest_double}) {
    WeightedReservoir reservoir(7);
    EXPECT_TRUE(offer(reservoir, 0.0, engine).empty());
    EXPECT_TRUE(offer(reservoir, -0.0, engine).empty());
    EXPECT_EQ(reservoir.total(), 0.0);
    EXPECT_EQ(offer(reservoir, weight, engine), all(7)) << weight;
    EXPECT_EQ(reservoir.total(), weight);
    for (int i = 0; i < 1000; ++i) EXPECT_TRUE(offer(reservoir, 0.0, engine).empty());
    EXPECT_EQ(reservoir.total(), weight);
  }
}

TEST(WeightedReservoir, DrawsOnlyWhenASlotTakesTheItem) {
  PhiloxEngine engine(2);
  WeightedReservoir reservoir(5);
  double total = 0.0;
  int taking = 0;
  for (int i = 0; i < 3000; ++i) {
    const double weight = 0.5 + i % 4;
    const std::uint64_t position = engine.position();
    const auto taken = offer(reservoir, weight, engine);
    EXPECT_EQ(engine.position() > position, !taken.empty());
    taking += !taken.empty();
    for (std::size_t k = 0; k < taken.size(); ++k) {
      EXPECT_LT(taken[k], 5u);
      if (k > 0) {
        EXPECT_LT(taken[k - 1], taken[k]) << "rising";
      }
    }
    EXPECT_EQ(reservoir.total(), total += weight);
  }
  EXPECT_NEAR(taking, 5.0 * std::log(3000.0), 35) << "about s log n items";
  EXPECT_EQ(reservoir.slots(), 5u);
  EXPECT_EQ(reservoir.size_in_bytes(), 0u);
  static_assert(std::is_trivially_copyable_v<WeightedReservoir>);
}

TEST(WeightedReservoir, NoSlotsTakeNothing) {
  ScriptedEngine<std::uint64_t> none_left{};
  WeightedReservoir reservoir(0), other(0);
  EXPECT_TRUE(offer(reservoir, 2.0, none_left).empty());
  EXPECT_TRUE(offer(other, 3.0, none_left).empty());
  EXPECT_TRUE(merge(reservoir, other, none_left).empty());
  EXPECT_EQ(reservoir.total(), 5.0);
  EXPECT_EQ(read_back(reservoir), reservoir);
}

TEST(WeightedReservoir, TakesAnyBitGenerator) {
  std::mt19937 engine(3);
  WeightedReservoir reservoir(2);
  EXPECT_EQ(offer(reservoir, 1.0, engine), all(2));
}

TEST(WeightedReservoir, AnOverwhelmingWeightTakesAllSlots) {
  PhiloxEngine engine(4);
  WeightedReservoir reservoir(100);
  for (int i = 0; i < 100; ++i) offer(reservoir, 1e-80, engine);
  EXPECT_EQ(offer(reservoir, 1e60, engine), all(100));
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(offer(reservoir, 1e-80, engine).empty());
  WeightedReservoir light(100), heavy(100);
  offer(light, 1e-80, engine);
  offer(heavy, 1e60, engine);
  WeightedReservoir merged = light;
  EXPECT_EQ(merge(merged, heavy, engine), all(100));
  EXPECT_TRUE(merge(heavy, light, engine).empty());
}

TEST(WeightedReservoir, BadWeightsAreRefused) {
  PhiloxEngine engine(5);
  WeightedReservoir reservoir = weighted_reservoir_of(3, 4, engine);
  const WeightedReservoir same = reservoir;
  for (const double weight : {-1.0, -5e-324, infinity, -infinity})
    EXPECT_EQ(message_of<std::invalid_argument>([&] { offer(reservoir, weight, engine); }),
              "lazygumbel: weight = " + lazygumbel::detail::text_of(weight) +
                  ": must be finite and at least 0");
  EXPECT_EQ(message_of<std::invalid_argument>(
                [&] { offer(reservoir, std::numeric_limits<double>::quiet_NaN(), engine); }),
            "lazygumbel: weight = nan: must be finite and at least 0");
  EXPECT_EQ(reservoir, same);
  WeightedReservoir heavy(3);
  offer(heavy, largest_double, engine);
  const WeightedReservoir as_heavy = heavy;
  EXPECT_EQ(message_of<std::invalid_argument>([&] { offer(heavy, 1e300, engine); }),
            "lazygumbel: weight = 1e+300: must leave the total finite");
  EXPECT_EQ(message_of<std::invalid_argument>([&] { merge(heavy, as_heavy, engine); }),
            "lazygumbel: other.total() = 1.7976931348623157e+308: must leave the total finite");
  EXPECT_EQ(heavy, as_heavy);
}

TEST(WeightedReservoir, MergeKeepsTheBooks) {
  PhiloxEngine engine(6);
  ScriptedEngine<std::uint64_t> none_left{};
  WeightedReservoir full = weighted_reservoir_of(6, 20, engine), empty(6);
  const WeightedReservoir same = full;
  EXPECT_TRUE(merge(full, empty, none_left).empty());
  EXPECT_EQ(full, same) << "an empty one changes nothing";
  EXPECT_EQ(merge(empty, full, engine), all(6)) << "into an empty one comes all";
  EXPECT_EQ(empty.total(), full.total());
  for (int repeat = 0; repeat < 1000; ++repeat) {
    WeightedReservoir reservoir = weighted_reservoir_of(6, 5, engine);
    const WeightedReservoir other = weighted_reservoir_of(6, 9, engine);
    const double total = reservoir.total() + other.total();
    const auto taken = merge(reservoir, other, engine);
    EXPECT_EQ(reservoir.total(), total);
    for (std::size_t k = 0; k < taken.size(); ++k) {
      EXPECT_LT(taken[k], 6u);
      if (k > 0) {
        EXPECT_LT(taken[k - 1], taken[k]);
      }
    }
  }
}

TEST(WeightedReservoir, MergeOfOtherSlotsIsRefused) {
  PhiloxEngine engine(7);
  WeightedReservoir reservoir = weighted_reservoir_of(5, 9, engine);
  const WeightedReservoir same = reservoir, other = weighted_reservoir_of(4, 9, engine);
  EXPECT_EQ(message_of<std::invalid_argument>([&] { merge(reservoir, other, engine); }),
            "lazygumbel: other.slots() = 4: must be 5");
  EXPECT_EQ(reservoir, same);
}

TEST(WeightedReservoir, WhatIsReadBackHasTheSameFuture) {
  for (const std::size_t items : {0, 1, 2, 1000}) {
    PhiloxEngine engine(8, items);
    WeightedReservoir reservoir = weighted_reservoir_of(64, items, engine);
    WeightedReservoir back = read_back(reservoir);
    EXPECT_EQ(back, reservoir);
    PhiloxEngine same = engine;
    for (int i = 0; i < 3000; ++i)
      ASSERT_EQ(offer(back, 1.0 + i % 5, same), offer(reservoir, 1.0 + i % 5, engine));
  }
}

TEST(WeightedReservoir, WhatCannotBeIsNotRead) {
  const ScratchFile file;
  const auto fails = [&](std::uint64_t slots, double total, double next) {
    return message_of<file_error>(
        [&] { read_numbers<WeightedReservoir>(file, slots, total, next); });
  };
  const std::string start = "lazygumbel: " + file.path().string() + " is corrupted: a reservoir";
  for (const double total : {-1.0, nan, infinity})
    EXPECT_EQ(fails(4, total, 9.0), start + "'s total is " + lazygumbel::detail::text_of(total));
  for (const double next : {0.0, -1.0, 4.5, nan})
    EXPECT_EQ(fails(4, 5.0, next),
              start + " of total 5 waits for " + lazygumbel::detail::text_of(next));
  EXPECT_EQ(fails(4, 0.0, 1.0), start + " of total 0 waits for 1");
  EXPECT_EQ(fails(0, 3.0, 4.0), start + " of total 3 waits for 4");
  EXPECT_EQ(message_of<file_error>([&] { read_numbers<WeightedReservoir>(file, 1.0); }),
            "lazygumbel: " + file.path().string() + " is truncated");
  // A total that no weight reaches is waited for by what is left after the largest weights.
  EXPECT_NO_THROW(read_numbers<WeightedReservoir>(file, std::uint64_t{4}, 5.0, infinity));
}

}  // namespace
}  // namespace lazygumbel::testing

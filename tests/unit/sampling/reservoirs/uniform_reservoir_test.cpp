#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/sampling/reservoirs/uniform_reservoir.hpp>
#include <limits>
#include <random>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include "message_of.hpp"
#include "non_finite.hpp"
#include "reservoir_file.hpp"
#include "scripted_engine.hpp"

// What is kept is tested by statistical/reservoir_law_test.cpp.

namespace lazygumbel::testing {
namespace {

constexpr std::uint64_t forever = std::numeric_limits<std::uint64_t>::max();

UniformReservoir uniform_reservoir_of(std::size_t capacity, std::size_t items,
                                      PhiloxEngine& engine) {
  UniformReservoir reservoir(capacity);
  for (std::size_t i = 0; i < items; ++i) reservoir.offer(engine);
  return reservoir;
}

TEST(UniformReservoir, FillsItsPlacesInOrder) {
  ScriptedEngine<std::uint64_t> none_left{};  // nothing may be drawn before it is full
  UniformReservoir reservoir(4);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(reservoir.offer(none_left), i);
    EXPECT_EQ(reservoir.seen(), i + 1);
    EXPECT_EQ(reservoir.size(), i + 1);
  }
  PhiloxEngine engine(1);
  EXPECT_EQ(reservoir.offer(engine), 3u);
  EXPECT_EQ(engine.position(), 2u) << "the largest clock and the skip";
  for (std::size_t i = 4; i < 1000; ++i) {
    const std::uint64_t position = engine.position();
    const std::size_t place = reservoir.offer(engine);
    EXPECT_TRUE(place < 4 || place == UniformReservoir::none);
    EXPECT_EQ(engine.position() > position, place != UniformReservoir::none)
        << "draws when an item enters, and only then";
    EXPECT_EQ(reservoir.seen(), i + 1);
    EXPECT_EQ(reservoir.size(), 4u);
  }
  EXPECT_EQ(reservoir.capacity(), 4u);
  EXPECT_EQ(reservoir.size_in_bytes(), 0u);
}

TEST(UniformReservoir, EntriesAreAsManyAsTheyShouldBe) {
  // 1 + sum_{i > t} t / i of n = 1e6 items with t = 100: 921 + t, standard deviation below 31.
  PhiloxEngine engine(2);
  UniformReservoir reservoir(100);
  int entries = 0;
  for (int i = 0; i < 1'000'000; ++i) entries += reservoir.offer(engine) != UniformReservoir::none;
  EXPECT_NEAR(entries, 100 + 100 * std::log(1e6 / 100.5), 5 * 31);
}

TEST(UniformReservoir, TakesAnyBitGenerator) {
  std::mt19937 engine(3);
  UniformReservoir reservoir(2), other(2);
  for (int i = 0; i < 10; ++i) reservoir.offer(engine), other.offer(engine);
  reservoir.merge(other, engine, [](std::size_t, std::size_t) {});
  EXPECT_EQ(reservoir.seen(), 20u);
}

TEST(UniformReservoir, CapacityZeroIsRefused) {
  EXPECT_EQ(message_of<std::invalid_argument>([] { UniformReservoir(0); }),
            "lazygumbel: capacity = 0: must be at least 1");
}

TEST(UniformReservoir, CapacityTakesNoMemory) {
  static_assert(std::is_trivially_copyable_v<UniformReservoir>);
  ScriptedEngine<std::uint64_t> none_left{};
  UniformReservoir reservoir(UniformReservoir::none);
  EXPECT_EQ(reservoir.offer(none_left), 0u);
  EXPECT_EQ(reservoir.size(), 1u);
}

TEST(UniformReservoir, MergeKeepsTheBooks) {
  PhiloxEngine engine(4);
  constexpr std::size_t capacity = 5;
  for (std::size_t mine = 0; mine <= 12; ++mine)
    for (std::size_t others = 0; others <= 12; ++others)
      for (int repeat = 0; repeat < 50; ++repeat) {
        UniformReservoir reservoir = uniform_reservoir_of(capacity, mine, engine);
        const UniformReservoir other = uniform_reservoir_of(capacity, others, engine);
        const std::size_t before = reservoir.size();
        std::vector<std::pair<std::size_t, std::size_t>> taken;
        reservoir.merge(other, engine, [&](std::size_t place, std::size_t from) {
          taken.emplace_back(place, from);
        });
        EXPECT_EQ(reservoir.seen(), mine + others);
        EXPECT_EQ(reservoir.size(), std::min(capacity, mine + others));
        std::vector<bool> place_used(capacity), from_used(capacity);
        for (std::size_t i = 0; i < taken.size(); ++i) {
          const auto [place, from] = taken[i];
          ASSERT_LT(place, reservoir.size());
          ASSERT_LT(from, other.size());
          EXPECT_FALSE(place_used[place]);
          EXPECT_FALSE(from_used[from]);
          place_used[place] = from_used[from] = true;
          if (before + i < capacity) {
            EXPECT_EQ(place, before + i) << "empty places first";
          }
        }
        EXPECT_GE(taken.size(), reservoir.size() - before) << "no place stays empty";
        // It goes on: filling in order, or somewhere in the whole.
        const std::size_t next = reservoir.offer(engine);
        if (mine + others < capacity) {
          EXPECT_EQ(next, mine + others);
        } else {
          EXPECT_TRUE(next < capacity || next == UniformReservoir::none);
        }
      }
}

TEST(UniformReservoir, MergeDrawsNothingWhileAllIsKept) {
  ScriptedEngine<std::uint64_t> none_left{};
  PhiloxEngine engine(5);
  UniformReservoir reservoir = uniform_reservoir_of(5, 2, engine);
  const UniformReservoir other = uniform_reservoir_of(5, 2, engine), empty(5);
  int taken = 0;
  const auto count = [&](std::size_t, std::size_t) { ++taken; };
  reservoir.merge(other, none_left, count);
  EXPECT_EQ(taken, 2);
  UniformReservoir full = uniform_reservoir_of(5, 9, engine);
  const UniformReservoir same = full;
  full.merge(empty, none_left, count);
  EXPECT_EQ(taken, 2);
  EXPECT_EQ(full, same) << "an empty one changes nothing";
}

TEST(UniformReservoir, MergeOfOtherCapacitiesIsRefused) {
  PhiloxEngine engine(6);
  UniformReservoir reservoir = uniform_reservoir_of(5, 9, engine);
  const UniformReservoir same = reservoir, other = uniform_reservoir_of(4, 9, engine);
  EXPECT_EQ(message_of<std::invalid_argument>(
                [&] { reservoir.merge(other, engine, [](std::size_t, std::size_t) {}); }),
            "lazygumbel: other.capacity() = 4: must be 5");
  EXPECT_EQ(reservoir, same);
}

TEST(UniformReservoir, WhatIsReadBackHasTheSameFuture) {
  for (const std::size_t items : {0, 3, 4, 5, 1000}) {
    PhiloxEngine engine(7, items);
    UniformReservoir reservoir = uniform_reservoir_of(4, items, engine);
    UniformReservoir back = read_back(reservoir);
    EXPECT_EQ(back, reservoir);
    PhiloxEngine same = engine;
    for (int i = 0; i < 10'000; ++i) ASSERT_EQ(back.offer(same), reservoir.offer(engine));
  }
}

TEST(UniformReservoir, WhatCannotBeIsNotRead) {
  const ScratchFile file;
  const auto fails = [&](std::uint64_t capacity, std::uint64_t seen, std::uint64_t next,
                         double largest) {
    return message_of<file_error>(
        [&] { read_numbers<UniformReservoir>(file, capacity, seen, next, largest); });
  };
  const std::string start = "lazygumbel: " + file.path().string() + " is corrupted: a reservoir";
  EXPECT_EQ(fails(0, 0, 0, 1.0), start + " has no capacity");
  for (const double largest : {0.0, -0.5, 1.5, nan, std::numeric_limits<double>::infinity()})
    EXPECT_EQ(fails(4, 9, 9, largest),
              start + "'s largest clock is " + lazygumbel::detail::text_of(largest));
  EXPECT_EQ(fails(4, 3, 0, 0.5), start + "'s largest clock is 0.5") << "there is none yet";
  EXPECT_EQ(fails(4, 9, 8, 0.5), start + " that saw 9 items waits for number 8");
  EXPECT_EQ(fails(4, 3, 4, 1.0), start + " that saw 3 items waits for number 4");
  EXPECT_EQ(message_of<file_error>([&] { read_numbers<UniformReservoir>(file, 4, 9); }),
            "lazygumbel: " + file.path().string() + " is truncated");
  EXPECT_NO_THROW(read_numbers<UniformReservoir>(file, std::uint64_t{4}, std::uint64_t{9},
                                                 std::uint64_t{9}, 0.5));
}

TEST(UniformReservoir, TinyClocksSkipFarAndNeverHang) {
  const ScratchFile file;
  PhiloxEngine engine(8);
  const std::uint64_t many = std::uint64_t{1} << 53;
  for (const double largest : {1e-17, 1e-100, 1e-300}) {
    auto reservoir = read_numbers<UniformReservoir>(file, std::uint64_t{1}, many, many, largest);
    EXPECT_EQ(reservoir.offer(engine), 0u);
    for (int i = 0; i < 1000; ++i) EXPECT_EQ(reservoir.offer(engine), UniformReservoir::none);
    const auto young = uniform_reservoir_of(1, 3, engine);
    reservoir.merge(young, engine, [](std::size_t, std::size_t) { FAIL() << "2^53 to 3"; });
    EXPECT_EQ(reservoir.seen(), many + 1004);
    EXPECT_EQ(read_back(reservoir), reservoir);
  }
  // The skip saturates: nothing ever enters again.
  auto last = read_numbers<UniformReservoir>(file, std::uint64_t{1}, many, forever, 5e-324);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(last.offer(engine), UniformReservoir::none);
}

TEST(UniformReservoir, AClockOfOneLetsTheNextItemIn) {
  const ScratchFile file;
  PhiloxEngine engine(9);
  auto reservoir = read_numbers<UniformReservoir>(file, std::uint64_t{1'000'000'000},
                                                  std::uint64_t{1'000'000'000},
                                                  std::uint64_t{1'000'000'000}, 1.0);
  for (int i = 0; i < 1000; ++i)  // each with probability 1 - 1e-9 or nearly
    EXPECT_NE(reservoir.offer(engine), UniformReservoir::none);
}

}  // namespace
}  // namespace lazygumbel::testing

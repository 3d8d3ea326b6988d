#include <gtest/gtest.h>

#include <cstdint>
#include <lazygumbel/privacy/noise/discrete_noise.hpp>
#include <lazygumbel/random/sodium_engine.hpp>
#include <one_child.hpp>
#include <set>
#include <type_traits>
#include <utility>

namespace {

using lazygumbel::SodiumEngine;

static_assert(lazygumbel::SecureBitGenerator<SodiumEngine>);
static_assert(!std::is_copy_constructible_v<SodiumEngine>);
static_assert(std::is_nothrow_move_constructible_v<SodiumEngine>);

TEST(SodiumEngine, GivesDifferentWords) {
  SodiumEngine one, two;
  std::set<std::uint64_t> values;
  for (int i = 0; i < 2000; ++i) values.insert(one()), values.insert(two());
  SodiumEngine three(std::move(one));
  for (int i = 0; i < 1000; ++i) values.insert(one()), values.insert(three());
  EXPECT_EQ(values.size(), 6000u);
}

TEST(SodiumEngine, AChildDrawsItsOwnNumbers) {
  SodiumEngine engine;
  engine();
  const auto first = lazygumbel::testing::words_of_a_child<8>(engine);
  std::set<std::uint64_t> values(first.begin(), first.end());
  for (int i = 0; i < 1000; ++i) values.insert(engine());
  EXPECT_EQ(values.size(), 1008u);
}

TEST(SodiumEngine, FeedsPrivateMechanisms) {
  SodiumEngine engine;
  EXPECT_EQ(lazygumbel::discrete_laplace({1, 100}, engine), 0) << "but for one run in e^100";
}

}  // namespace

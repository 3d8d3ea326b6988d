#include <gtest/gtest.h>

#include <cstdint>
#include <lazygumbel/random/engine.hpp>
#include <random>
#include <scripted_engine.hpp>

namespace lazygumbel::testing {
namespace {

static_assert(BitGenerator<std::mt19937> && BitGenerator<std::mt19937_64>);
static_assert(BitGenerator<ScriptedEngine<std::uint32_t>>);
static_assert(BitGenerator<ScriptedEngine<std::uint64_t>>);
// Engines whose values leave some bit patterns out would bias every draw.
static_assert(!BitGenerator<std::minstd_rand> && !BitGenerator<std::minstd_rand0>);
static_assert(!BitGenerator<std::ranlux24> && !BitGenerator<std::ranlux48>);
static_assert(!BitGenerator<std::knuth_b>);
static_assert(!BitGenerator<ScriptedEngine<std::uint16_t>>);
static_assert(!BitGenerator<int> && !BitGenerator<double (*)()>);
// <random>'s own requirement, which is written out there, and what it refuses.
static_assert(lazygumbel::detail::UniformRandomBitGenerator<std::minstd_rand>);
static_assert(lazygumbel::detail::UniformRandomBitGenerator<std::random_device>);

struct SignedEngine {
  static constexpr int min() { return 0; }
  static constexpr int max() { return 0x7fffffff; }
  int operator()() { return 0; }
};
struct EngineWithoutRange {
  std::uint32_t operator()() { return 0; }
};
struct EngineOfOtherRange {
  static constexpr std::uint64_t min() { return 0; }
  static constexpr std::uint64_t max() { return 0xffffffff; }
  std::uint32_t operator()() { return 0; }
};
template <class Engine>
constexpr bool same_as_standard = lazygumbel::detail::UniformRandomBitGenerator<Engine> ==
                                  std::uniform_random_bit_generator<Engine>;
static_assert(same_as_standard<SignedEngine> && !BitGenerator<SignedEngine>);
static_assert(same_as_standard<EngineWithoutRange> && !BitGenerator<EngineWithoutRange>);
static_assert(same_as_standard<EngineOfOtherRange> && !BitGenerator<EngineOfOtherRange>);
static_assert(same_as_standard<std::mt19937_64> && same_as_standard<std::uint32_t (*)()>);

TEST(UniformBits, AreOneWordOfA64BitEngine) {
  ScriptedEngine<std::uint64_t> engine{0x0123456789abcdef, 7};
  EXPECT_EQ(uniform_bits(engine), 0x0123456789abcdefu);
  EXPECT_EQ(engine.used(), 1u);
}

TEST(UniformBits, AreTwoWordsOfA32BitEngineHighHalfFirst) {
  ScriptedEngine<std::uint32_t> engine{0x01234567, 0x89abcdef, 7, 8};
  EXPECT_EQ(uniform_bits(engine), 0x0123456789abcdefu);
  EXPECT_EQ(engine.used(), 2u);
}

// The standard fixes the 10,000th output of mt19937 (default seed), so reproducibility over
// standard libraries rests on nothing else.
TEST(UniformBits, OfAStandardEngineAreTheSameEverywhere) {
  std::mt19937 engine;
  engine.discard(9999);
  EXPECT_EQ(uniform_bits(engine) >> 32, 4123659995u);
}

}  // namespace
}  // namespace lazygumbel::testing

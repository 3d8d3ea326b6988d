#include <gtest/gtest.h>

#include <cstdint>
#include <lazygumbel/random/philox.hpp>
#include <set>

#include "scripted_engine.hpp"

namespace lazygumbel::testing {
namespace {

/// The engine at block `number` of its stream; discard takes 64 bits, two values make a block.
PhiloxEngine at_block(std::uint64_t seed, std::uint64_t stream, std::uint64_t number) {
  PhiloxEngine engine(seed, stream);
  engine.discard(number);
  engine.discard(number);
  return engine;
}

// The known answers that Random123 publishes for philox4x32-10 (tests/kat_vectors), 32-bit words in
// order; the engine gives out words 1,0 and 3,2 as its first and second value.
TEST(Philox, KnownAnswerForZeros) {
  PhiloxEngine engine(0, 0);  // 6627e8d5 e169c58d bc57ac4c 9b00dbd8
  EXPECT_EQ(engine(), 0xe169c58d6627e8d5u);
  EXPECT_EQ(engine(), 0x9b00dbd8bc57ac4cu);
}

TEST(Philox, KnownAnswerForOnes) {
  PhiloxEngine engine = at_block(all_ones, all_ones, all_ones);
  // 408f276d 41c83b0e a20bc7c6 6d5451fd
  EXPECT_EQ(engine(), 0x41c83b0e408f276du);
  EXPECT_EQ(engine(), 0x6d5451fda20bc7c6u);
}

TEST(Philox, KnownAnswerForThePiDigits) {
  // counter 243f6a88 85a308d3 13198a2e 03707344, key a4093822 299f31d0
  PhiloxEngine engine = at_block(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88);
  // d16cfe09 94fdcceb 5001e420 24126ea1
  EXPECT_EQ(engine(), 0x94fdccebd16cfe09u);
  EXPECT_EQ(engine(), 0x24126ea15001e420u);
}

TEST(Philox, DiscardEqualsStepping) {
  for (int start = 0; start < 4; ++start)  // odd starts lie between the halves of a block
    for (std::uint64_t count = 0; count < 12; ++count) {
      PhiloxEngine stepped(5, 6);
      for (int i = 0; i < start; ++i) stepped();
      PhiloxEngine skipped = stepped;
      for (std::uint64_t i = 0; i < count; ++i) stepped();
      skipped.discard(count);
      EXPECT_EQ(skipped, stepped) << start << " " << count;
      for (int i = 0; i < 5; ++i) EXPECT_EQ(skipped(), stepped()) << start << " " << count;
    }
}

TEST(Philox, DiscardsAddUp) {
  PhiloxEngine one(7), two(7);
  one.discard(1000003);
  two.discard(600001);
  two.discard(400002);
  EXPECT_EQ(one, two);
  EXPECT_EQ(one(), two());
}

TEST(Philox, SeedsAndStreamsDiffer) {
  std::set<std::uint64_t> values;
  std::size_t drawn = 0;
  for (const std::uint64_t seed :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 32, all_ones})
    for (const std::uint64_t stream :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 32, all_ones}) {
      PhiloxEngine engine(seed, stream);
      for (int i = 0; i < 1000; ++i, ++drawn) values.insert(engine());
    }
  EXPECT_EQ(values.size(), drawn) << "two of 16,000 words of 64 bits agree with probability 7e-12";
}

TEST(Philox, CopiesGoTheirOwnWay) {
  PhiloxEngine engine(8, 9);
  engine();
  PhiloxEngine copy = engine;
  const std::uint64_t next = engine();
  EXPECT_EQ(copy(), next);
  EXPECT_EQ(copy, engine);
}

TEST(Philox, EqualityIsSeedStreamAndPosition) {
  EXPECT_EQ(PhiloxEngine(1, 2), PhiloxEngine(1, 2));
  EXPECT_NE(PhiloxEngine(1, 2), PhiloxEngine(2, 2));
  EXPECT_NE(PhiloxEngine(1, 2), PhiloxEngine(1, 1));
  EXPECT_EQ(PhiloxEngine(1), PhiloxEngine(1, 0)) << "the stream is 0 by default";
  PhiloxEngine moved(1, 2);
  moved();
  EXPECT_NE(moved, PhiloxEngine(1, 2)) << "half a block on";
  moved();
  EXPECT_NE(moved, PhiloxEngine(1, 2));
  PhiloxEngine stepped(1, 2), skipped(1, 2);  // equal, whatever lies in their buffers
  stepped(), stepped();
  skipped.discard(2);
  EXPECT_EQ(stepped, skipped);
}

TEST(Philox, TellsItsSeedAndStream) {
  const PhiloxEngine engine(3, 4);
  EXPECT_EQ(engine.seed(), 3u);
  EXPECT_EQ(engine.stream(), 4u);
}

TEST(Philox, SeedStreamAndPositionRestoreIt) {
  for (std::uint64_t drawn = 0; drawn < 7; ++drawn) {
    PhiloxEngine engine(3, 4);
    for (std::uint64_t i = 0; i < drawn; ++i) engine();
    EXPECT_EQ(engine.position(), drawn);
    PhiloxEngine restored(engine.seed(), engine.stream());
    restored.discard(engine.position());
    EXPECT_EQ(restored, engine);
    EXPECT_EQ(restored.position(), drawn);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(restored(), engine()) << drawn;
  }
  PhiloxEngine far(5);
  far.discard(all_ones);
  EXPECT_EQ(far.position(), all_ones);
  far.discard(3);
  EXPECT_EQ(far.position(), 2u) << "modulo 2^64";
}

}  // namespace
}  // namespace lazygumbel::testing

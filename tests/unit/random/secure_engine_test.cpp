#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/random/secure_engine.hpp>
#include <lazygumbel/random/uniform.hpp>
#include <memory>
#include <message_of.hpp>
#include <new>
#include <one_child.hpp>
#include <random>
#include <set>
#include <statistics.hpp>
#include <system_error>
#include <type_traits>
#include <vector>

namespace lazygumbel::testing {
namespace {

using lazygumbel::detail::BufferedEngine;

static_assert(SecureBitGenerator<SystemEngine>);
static_assert(!SecureBitGenerator<lazygumbel::PhiloxEngine>);
static_assert(!SecureBitGenerator<std::mt19937_64>);
static_assert(BitGenerator<lazygumbel::PhiloxEngine>);
static_assert(!std::is_copy_constructible_v<SystemEngine> &&
              !std::is_copy_assignable_v<SystemEngine>);
static_assert(std::is_nothrow_move_constructible_v<SystemEngine> &&
              std::is_nothrow_move_assignable_v<SystemEngine>);

/// Gives out 1, 2, 3, ... over all engines; fails when told.
struct Numbers {
  static inline std::uint64_t next = 1;
  static inline int fills = 0, wipes = 0;
  static inline bool broken = false;
  static void reset() { next = 1, fills = wipes = 0, broken = false; }
  static void fill(void* begin, std::size_t bytes) {
    if (broken) throw std::system_error(EIO, std::generic_category(), "broken");
    ++fills;
    auto* words = static_cast<std::uint64_t*>(begin);
    for (std::size_t i = 0; i < bytes / sizeof *words; ++i) words[i] = next++;
  }
  static void wipe(void* begin, std::size_t bytes) noexcept {
    ++wipes;
    lazygumbel::detail::wipe_memory(begin, bytes);
  }
};
using NumbersEngine = BufferedEngine<Numbers>;

std::size_t words_in_memory(const void* begin, std::size_t bytes) {
  // Numbers below 2^20 that fill a word: those of the buffer, apart from its fill level.
  std::vector<std::uint64_t> words(bytes / sizeof(std::uint64_t));
  std::memcpy(words.data(), begin, words.size() * sizeof(std::uint64_t));
  return static_cast<std::size_t>(std::count_if(words.begin(),
                                                words.begin() + NumbersEngine::capacity,
                                                [](std::uint64_t word) { return word != 0; }));
}

TEST(SystemEngine, GivesDifferentWords) {
  SystemEngine one, two;
  std::set<std::uint64_t> values;
  for (int i = 0; i < 2000; ++i) values.insert(one()), values.insert(two());
  EXPECT_EQ(values.size(), 4000u) << "two of 4,000 words agree with probability 4e-13";
}

// A sanity check with a real source, so not reproducible: false alarm with probability 1e-9 a run.
// It would notice a byte that is constant or missing, not a weak generator.
TEST(SystemEngine, FillsEveryByte) {
  SystemEngine engine;
  std::vector<std::vector<std::uint64_t>> counts(8, std::vector<std::uint64_t>(256));
  for (int i = 0; i < 100000; ++i) {
    const std::uint64_t word = engine();
    for (std::size_t byte = 0; byte < 8; ++byte) ++counts[byte][word >> (8 * byte) & 255];
  }
  for (const auto& of_byte : counts)
    EXPECT_GE(chi_square_p_value(of_byte, std::vector<double>(256, 1.0 / 256)), 1e-10);
}

TEST(SystemEngine, AChildDrawsItsOwnNumbers) {
  SystemEngine engine;
  engine();  // the buffer is filled
  const auto first = words_of_a_child<8>(engine);
  const auto second = words_of_a_child<8>(engine);
  std::set<std::uint64_t> values(first.begin(), first.end());
  values.insert(second.begin(), second.end());
  for (int i = 0; i < 1000; ++i) values.insert(engine());
  EXPECT_EQ(values.size(), 1016u);
}

// The control of the test above: it sees an engine that goes on where its parent was.
TEST(SystemEngine, TheForkTestSeesARepeatingEngine) {
  std::mt19937_64 engine(1);
  const auto first = words_of_a_child<8>(engine);
  EXPECT_EQ(first, words_of_a_child<8>(engine));
  EXPECT_EQ(first[0], engine());
}

TEST(BufferedEngine, FillsWhenEmptyAndGivesEachWordOnce) {
  Numbers::reset();
  NumbersEngine engine;
  EXPECT_EQ(Numbers::fills, 0) << "nothing is drawn before it is needed";
  std::set<std::uint64_t> values;
  for (std::size_t i = 0; i < 2 * NumbersEngine::capacity; ++i) values.insert(engine());
  EXPECT_EQ(Numbers::fills, 2);
  EXPECT_EQ(values.size(), 2 * NumbersEngine::capacity);
  EXPECT_EQ(*values.begin(), 1u);
  EXPECT_EQ(*values.rbegin(), 2 * NumbersEngine::capacity);
}

TEST(BufferedEngine, WipesWhatItGaveOut) {
  Numbers::reset();
  alignas(NumbersEngine) unsigned char memory[sizeof(NumbersEngine)];
  auto* engine = new (memory) NumbersEngine;
  for (std::size_t drawn = 1; drawn <= 100; ++drawn) {
    (*engine)();
    EXPECT_EQ(words_in_memory(memory, sizeof memory), NumbersEngine::capacity - drawn);
  }
  engine->~NumbersEngine();
  EXPECT_EQ(words_in_memory(memory, sizeof memory), 0u);
}

TEST(BufferedEngine, MovingLeavesNothingBehind) {
  Numbers::reset();
  NumbersEngine first;
  std::set<std::uint64_t> values{first()};
  NumbersEngine second(std::move(first));
  EXPECT_EQ(words_in_memory(&first, sizeof first), 0u);
  EXPECT_EQ(words_in_memory(&second, sizeof second), NumbersEngine::capacity - 1);
  values.insert(second());
  EXPECT_EQ(Numbers::fills, 1) << "the buffer went along";
  values.insert(first());
  EXPECT_EQ(Numbers::fills, 2) << "what was moved from fills its own";
  first = std::move(second);
  values.insert(first());
  values.insert(second());
  EXPECT_EQ(Numbers::fills, 3);
  EXPECT_EQ(values.size(), 5u);
  NumbersEngine& same = first;
  first = std::move(same);
  EXPECT_TRUE(values.insert(first()).second);
}

TEST(BufferedEngine, AChildFillsAnew) {
  Numbers::reset();
  NumbersEngine engine;
  EXPECT_EQ(engine(), NumbersEngine::capacity);
  // Numbers counts on in the child, which has to leave the words 1 .. 511 of its parent alone.
  EXPECT_EQ(words_of_a_child<1>(engine)[0], 2 * NumbersEngine::capacity);
  EXPECT_EQ(engine(), NumbersEngine::capacity - 1) << "the parent goes on";
  EXPECT_EQ(Numbers::fills, 1);
}

TEST(BufferedEngine, AFailureIsReportedAndDoesNotStick) {
  Numbers::reset();
  NumbersEngine engine;
  Numbers::broken = true;
  for (int i = 0; i < 3; ++i) EXPECT_THROW(engine(), std::system_error);
  Numbers::broken = false;
  EXPECT_EQ(engine(), NumbersEngine::capacity);
}

TEST(ReadEntirely, GoesOnAfterShortReadsAndSignals) {
  std::vector<unsigned char> bytes(10, 0);
  int call = 0;
  lazygumbel::detail::read_entirely(bytes.data(), bytes.size(),
                                    [&](unsigned char* next, std::size_t left) -> std::ptrdiff_t {
                                      if (++call % 2 == 1) {
                                        errno = EINTR;
                                        return -1;
                                      }
                                      const std::size_t count = std::min<std::size_t>(left, 4);
                                      std::fill_n(next, count, static_cast<unsigned char>(call));
                                      return static_cast<std::ptrdiff_t>(count);
                                    });
  EXPECT_EQ(bytes, (std::vector<unsigned char>{2, 2, 2, 2, 4, 4, 4, 4, 6, 6}));
  EXPECT_EQ(call, 6);
}

TEST(ReadEntirely, RefusesEverythingElse) {
  std::uint64_t word = 0;
  const auto error_of = [&](std::ptrdiff_t result, int error) {
    try {
      lazygumbel::detail::read_entirely(&word, sizeof word,
                                        [&](unsigned char*, std::size_t) -> std::ptrdiff_t {
                                          errno = error;
                                          return result;
                                        });
    } catch (const std::system_error& caught) {
      return caught.code().value();
    }
    return 0;
  };
  EXPECT_EQ(error_of(-1, ENOSYS), ENOSYS);
  EXPECT_EQ(error_of(-1, EFAULT), EFAULT);
  EXPECT_EQ(error_of(-1, 0), EIO);
  EXPECT_EQ(error_of(0, 0), EIO) << "a source at its end";
  EXPECT_EQ(error_of(9, 0), EIO) << "more bytes than asked for";
}

}  // namespace
}  // namespace lazygumbel::testing

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <iostream>
#include <lazygumbel/index/quantized/detail/code_dots.hpp>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/random/uniform.hpp>
#include <string>
#include <vector>

// The integer dot products of coded rows: CodeDots<Portable> against sums in 64 bits, coordinate by
// coordinate, and every other instruction set against CodeDots<Portable>, to the last bit. Sets
// that the processor lacks are skipped and say so.

namespace lazygumbel::testing {
namespace {

using lazygumbel::detail::CodeDots;
using lazygumbel::detail::group_bytes;
using lazygumbel::detail::group_words;
using lazygumbel::detail::max_code_dimension;
using lazygumbel::detail::Portable;
using lazygumbel::detail::tile_rows;

/// How bytes are chosen: at random, or only the extremes, where 16-bit sums would overflow first.
enum class ByteKind { random, extreme, largest, smallest, alternating };
constexpr ByteKind all_kinds[] = {ByteKind::random, ByteKind::extreme, ByteKind::largest,
                                  ByteKind::smallest, ByteKind::alternating};

struct DotsCase {
  DotsCase(int bits_, std::size_t groups_, ByteKind kind, std::uint64_t seed)
      : bits(bits_), groups(groups_), tile((std::max)(groups, std::size_t{1}) * group_bytes) {
    PhiloxEngine engine(seed);
    for (std::uint8_t& byte : tile) byte = code(kind, engine);
    for (auto& query : words) {
      query.resize(groups * group_words(bits));
      for (std::int32_t& word : query) {
        std::int8_t bytes[4];
        for (std::size_t j = 0; j < 4; ++j) bytes[j] = query_byte(kind, j, engine);
        std::memcpy(&word, bytes, 4);
      }
    }
  }

  static std::uint8_t code(ByteKind kind, PhiloxEngine& engine) {
    const auto bits = uniform_bits(engine);
    if (kind == ByteKind::random) return static_cast<std::uint8_t>(bits);
    if (kind == ByteKind::extreme) {
      constexpr std::uint8_t extremes[] = {0, 15, 240, 255};
      return extremes[bits & 3];
    }
    return 255;
  }

  static std::int8_t query_byte(ByteKind kind, std::size_t j, PhiloxEngine& engine) {
    if (kind == ByteKind::random)
      return static_cast<std::int8_t>(static_cast<int>(uniform_index(255, engine)) - 127);
    if (kind == ByteKind::extreme) return (uniform_bits(engine) & 1) != 0 ? 127 : -127;
    if (kind == ByteKind::alternating) return j % 2 == 0 ? 127 : -127;
    return kind == ByteKind::largest ? 127 : -127;
  }

  /// The result of the first row of code_tiles.hpp's definition, in 64 bits.
  std::int64_t expected(std::size_t q, std::size_t row) const {
    std::int64_t sum = 0;
    const auto byte_of = [&](std::int32_t word, std::size_t j) {
      std::int8_t bytes[4];
      std::memcpy(bytes, &word, 4);
      return std::int64_t{bytes[j]};
    };
    for (std::size_t g = 0; g < groups; ++g)
      for (std::size_t j = 0; j < 4; ++j) {
        const std::uint8_t byte = tile[g * group_bytes + 4 * row + j];
        if (bits == 8) {
          sum += byte * byte_of(words[q][g], j);
        } else {
          const std::int64_t a = byte & 15, b = byte >> 4;
          sum +=
              16 * a * byte_of(words[q][2 * g], j) + (a + 16 * b) * byte_of(words[q][2 * g + 1], j);
        }
      }
    return sum;
  }

  int bits;
  std::size_t groups;
  std::vector<std::uint8_t> tile;
  std::vector<std::int32_t> words[2];
};

struct DotSums {
  std::int32_t of[2][tile_rows];
};

template <class Dots, int Bits, int Queries>
DotSums run_dots(const DotsCase& input) {
  DotSums sums = {};
  const std::int32_t* const words[] = {input.words[0].data(), input.words[1].data()};
  Dots::template run<Bits, Queries>(input.tile.data(), input.groups, words, sums.of);
  return sums;
}

const std::vector<std::size_t> group_counts = {0, 1,  2,  3,  4,  5,  6,  7,   8,
                                               9, 15, 16, 17, 31, 33, 64, 101, 1000};

template <class Dots, int Bits, int Queries>
void expect_portable_sums(const DotsCase& input) {
  const DotSums portable = run_dots<CodeDots<Portable>, Bits, Queries>(input),
                other = run_dots<Dots, Bits, Queries>(input);
  ASSERT_EQ(std::memcmp(&portable, &other, sizeof portable), 0)
      << Bits << " bits, " << Queries << " queries, " << input.groups << " groups";
}

template <class Dots>
void expect_portable_sums_everywhere(Simd simd) {
  if (!is_supported(simd)) GTEST_SKIP() << "this processor lacks " << name_of(simd);
  for (const std::size_t groups : group_counts)
    for (const ByteKind kind : all_kinds)
      for (std::uint64_t seed = 0; seed < (kind == ByteKind::random ? 20u : 3u); ++seed) {
        const DotsCase four(4, groups, kind, 10 * groups + seed), eight(8, groups, kind, seed);
        expect_portable_sums<Dots, 4, 1>(four);
        expect_portable_sums<Dots, 4, 2>(four);
        expect_portable_sums<Dots, 8, 1>(eight);
        expect_portable_sums<Dots, 8, 2>(eight);
        if (::testing::Test::HasFatalFailure()) return;
      }
  for (const ByteKind kind : {ByteKind::largest, ByteKind::smallest}) {  // as many as there may be
    expect_portable_sums<Dots, 4, 2>(DotsCase(4, max_code_dimension / 8, kind, 1));
    expect_portable_sums<Dots, 8, 2>(DotsCase(8, max_code_dimension / 4, kind, 1));
  }
}

TEST(CodeDots, PortableIsTheDefinition) {
  for (const std::size_t groups : group_counts)
    for (const ByteKind kind : all_kinds) {
      const DotsCase four(4, groups, kind, groups), eight(8, groups, kind, groups);
      const DotSums of_four = run_dots<CodeDots<Portable>, 4, 2>(four),
                    of_eight = run_dots<CodeDots<Portable>, 8, 2>(eight);
      for (std::size_t q = 0; q < 2; ++q)
        for (std::size_t row = 0; row < tile_rows; ++row) {
          ASSERT_EQ(of_four.of[q][row], four.expected(q, row));
          ASSERT_EQ(of_eight.of[q][row], eight.expected(q, row));
        }
    }
}

TEST(CodeDots, NothingOverflowsInTheLargestDimension) {
  for (const ByteKind kind : {ByteKind::largest, ByteKind::smallest, ByteKind::extreme}) {
    const DotsCase four(4, max_code_dimension / 8, kind, 1),
        eight(8, max_code_dimension / 4, kind, 2);
    const DotSums of_four = run_dots<CodeDots<Portable>, 4, 1>(four),
                  of_eight = run_dots<CodeDots<Portable>, 8, 1>(eight);
    for (std::size_t row = 0; row < tile_rows; ++row) {
      ASSERT_EQ(of_four.of[0][row], four.expected(0, row));
      ASSERT_EQ(of_eight.of[0][row], eight.expected(0, row));
    }
  }
}

#ifdef LAZYGUMBEL_X86_KERNELS
TEST(CodeDots, Avx2EqualsPortable) {
  expect_portable_sums_everywhere<CodeDots<lazygumbel::detail::Avx2>>(Simd::avx2);
}
TEST(CodeDots, Avx512EqualsPortable) {
  expect_portable_sums_everywhere<CodeDots<lazygumbel::detail::Avx512>>(Simd::avx512_vnni);
}
#endif
#ifdef LAZYGUMBEL_NEON_KERNELS
TEST(CodeDots, NeonEqualsPortable) {
  expect_portable_sums_everywhere<CodeDots<lazygumbel::detail::Neon>>(Simd::neon);
}
#endif

}  // namespace
}  // namespace lazygumbel::testing

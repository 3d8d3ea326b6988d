#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/random/uniform.hpp>
#include <message_of.hpp>
#include <random>
#include <scripted_engine.hpp>
#include <statistics.hpp>
#include <vector>

namespace lazygumbel::testing {
namespace {

double uniform_of(std::uint64_t bits) {
  ScriptedEngine<std::uint64_t> engine{bits};
  return open_uniform(engine);
}

// Golden values at the branch boundaries. They may change only with a new definition of
// open_uniform, which changes every draw of the library; each is bits 2^-64 cut to 53 bits.
TEST(OpenUniform, GoldenValues) {
  EXPECT_EQ(uniform_of(1), 0x1p-64);
  EXPECT_EQ(uniform_of(3), 0x3p-64);
  EXPECT_EQ(uniform_of(std::uint64_t{1} << 63), 0.5);
  EXPECT_EQ(uniform_of(0xffffffffffffffff), 1.0 - 0x1p-53) << "not rounded up to 1";
  EXPECT_EQ(uniform_of(0xfffffffffffff800), 1.0 - 0x1p-53);
  EXPECT_EQ(uniform_of(0xfffffffffffff7ff), 1.0 - 0x1p-52) << "truncated";
  EXPECT_EQ(uniform_of(0x001fffffffffffff), 0x1fffffffffffffp-64) << "53 bits are all kept";
  EXPECT_EQ(uniform_of(0x0020000000000001), 0x20000000000000p-64) << "the 54th bit is cut";
  EXPECT_EQ(uniform_of(0x003fffffffffffff), 0x3ffffffffffffep-64);
}

TEST(OpenUniform, RedrawsZero) {
  ScriptedEngine<std::uint64_t> engine{0, 0, 5, 6};
  EXPECT_EQ(open_uniform(engine), 0x5p-64);
  EXPECT_EQ(engine.used(), 3u);
  ScriptedEngine<std::uint32_t> narrow{0, 0, 0, 5, 6};
  EXPECT_EQ(open_uniform(narrow), 0x5p-64);
  EXPECT_EQ(narrow.used(), 4u);
}

TEST(OpenUniform, NeverReachesItsEnds) {
  for (int shift = 0; shift < 64; ++shift)
    for (const std::uint64_t bits : {std::uint64_t{1} << shift, ~std::uint64_t{0} >> shift}) {
      EXPECT_GT(uniform_of(bits), 0.0);
      EXPECT_LT(uniform_of(bits), 1.0);
    }
}

// n = 1e6 draws; refused at p < 1e-6 (the false-alarm rate); shows a cdf that is off by 0.0033
// anywhere with probability 0.9.
TEST(OpenUniform, IsUniform) {
  PhiloxEngine engine(1);
  std::vector<double> sample(1000000);
  for (double& u : sample) u = open_uniform(engine);
  EXPECT_GE(kolmogorov_smirnov_p_value(sample, [](double u) { return u; }), 1e-6);
}

// The low 8 of the 53 bits of numbers in [1/2, 1): with fewer bits some of them are constant.
// About n = 5e5 numbers in 256 cells; refused at p < 1e-6 (the false-alarm rate); a defect of 2% in
// each cell (root mean square) shows with probability 0.9, a constant bit (100%) always.
TEST(OpenUniform, Has53RandomBits) {
  PhiloxEngine engine(2);
  std::vector<std::uint64_t> counts(256);
  for (int i = 0; i < 1000000; ++i)
    if (const double u = open_uniform(engine); u >= 0.5)
      ++counts[static_cast<std::uint64_t>(std::ldexp(u, 53)) & 255];
  EXPECT_GE(chi_square_p_value(counts, std::vector<double>(256, 1.0 / 256)), 1e-6);
}

TEST(UniformIndex, GoldenValuesAtTheRejectionBoundary) {
  // For 3, 2^32 mod 3 = 1 of the 2^32 words must be rejected: the word 0.
  const auto of_three = [](std::uint32_t word) {
    ScriptedEngine<std::uint64_t> engine{std::uint64_t{word} << 32};
    return uniform_index(3, engine);
  };
  EXPECT_EQ(of_three(1), 0u);
  EXPECT_EQ(of_three(0x55555555), 0u);
  EXPECT_EQ(of_three(0x55555556), 1u) << "remainder 2: looked at, but not rejected";
  EXPECT_EQ(of_three(0xaaaaaaaa), 1u);
  EXPECT_EQ(of_three(0xaaaaaaab), 2u);
  EXPECT_EQ(of_three(0xffffffff), 2u);
  ScriptedEngine<std::uint64_t> engine{0, 0xffffffff, std::uint64_t{1} << 32};
  EXPECT_EQ(uniform_index(3, engine), 0u);
  EXPECT_EQ(engine.used(), 3u) << "the word 0 is rejected, whatever the low half holds";
}

TEST(UniformIndex, HandlesTheExtremeCounts) {
  ScriptedEngine<std::uint64_t> engine{0, 0xffffffffffffffff, 0, 0xffffffffffffffff};
  EXPECT_EQ(uniform_index(1, engine), 0u);
  EXPECT_EQ(uniform_index(1, engine), 0u);
  // 2^32 - 1: again the word 0 alone is rejected.
  EXPECT_EQ(uniform_index(0xffffffff, engine), 0xfffffffeu);
  EXPECT_EQ(engine.used(), 4u);
  // A power of two rejects nothing.
  ScriptedEngine<std::uint64_t> second{0, 0x7fffffffffffffff, 0x8000000000000000};
  for (const std::uint32_t expected : {0u, 0u, 1u}) EXPECT_EQ(uniform_index(2, second), expected);
}

TEST(UniformIndex, RefusesZero) {
  PhiloxEngine engine(1);
  EXPECT_EQ(message_of<std::invalid_argument>([&] { uniform_index(0, engine); }),
            "lazygumbel: count = 0: must be at least 1");
}

// n = 1e6 draws a count; refused at p < 1e-6 (the false-alarm rate a count). With 1,000 cells a
// root mean square defect of 1.9% of the cells shows with probability 0.9.
TEST(UniformIndex, IsUniformOverSmallCounts) {
  PhiloxEngine engine(3);
  for (const std::uint32_t count : {2u, 3u, 7u, 10u, 1000u}) {
    std::vector<std::uint64_t> counts(count);
    for (int i = 0; i < 1000000; ++i) ++counts.at(uniform_index(count, engine));
    EXPECT_GE(chi_square_p_value(counts, std::vector<double>(count, 1.0 / count)), 1e-6) << count;
  }
}

// Counts so large that a multiplication without rejection is visibly biased: of 3 2^30 values,
// those divisible by 3 would come up half of the time, not a third. n = 1e5 draws, refused at
// p < 1e-6; that bias has a p-value below 1e-300.
TEST(UniformIndex, RejectsTheBiasedWordsOfLargeCounts) {
  std::mt19937 engine(4);
  constexpr std::uint32_t count = 3u << 30;
  std::vector<std::uint64_t> counts(3);
  for (int i = 0; i < 100000; ++i) ++counts[uniform_index(count, engine) % 3];
  EXPECT_GE(chi_square_p_value(counts, std::vector<double>(3, 1.0 / 3.0)), 1e-6);
}

TEST(UniformBelow, GoldenValuesAtTheRejectionBoundary) {
  // For 3, 2^64 mod 3 = 1 of the 2^64 words must be rejected: the word 0.
  const auto of_three = [](std::uint64_t word) {
    ScriptedEngine<std::uint64_t> engine{word};
    return uniform_below(3, engine);
  };
  EXPECT_EQ(of_three(1), 0u);
  EXPECT_EQ(of_three(0x5555555555555555), 0u);
  EXPECT_EQ(of_three(0x5555555555555556), 1u) << "remainder 2: looked at, but not rejected";
  EXPECT_EQ(of_three(0xaaaaaaaaaaaaaaaa), 1u);
  EXPECT_EQ(of_three(0xaaaaaaaaaaaaaaab), 2u);
  EXPECT_EQ(of_three(0xffffffffffffffff), 2u);
  ScriptedEngine<std::uint64_t> engine{0, 1};
  EXPECT_EQ(uniform_below(3, engine), 0u);
  EXPECT_EQ(engine.used(), 2u);
}

TEST(UniformBelow, HandlesTheExtremeBounds) {
  const std::uint64_t most = 0xffffffffffffffff;
  ScriptedEngine<std::uint64_t> engine{0, most, 0, most, 0, most};
  EXPECT_EQ(uniform_below(1, engine), 0u);
  EXPECT_EQ(uniform_below(1, engine), 0u);
  EXPECT_EQ(uniform_below(most, engine), most - 1) << "the word 0 alone is rejected";
  EXPECT_EQ(engine.used(), 4u);
  EXPECT_EQ(uniform_below(std::uint64_t{1} << 63, engine), 0u) << "a power of two rejects nothing";
  EXPECT_EQ(uniform_below(std::uint64_t{1} << 63, engine), most >> 1);
  EXPECT_EQ(message_of<std::invalid_argument>([&] { uniform_below(0, engine); }),
            "lazygumbel: bound = 0: must be at least 1");
}

// n = 1e6 draws a bound; refused at p < 1e-6 (the false-alarm rate a bound). The last is the bound
// at which multiplication without rejection is most visibly biased: of 3 2^62 values those
// divisible by 3 would come up half of the time.
TEST(UniformBelow, IsUniform) {
  PhiloxEngine engine(5);
  for (const std::uint64_t bound :
       {std::uint64_t{2}, std::uint64_t{3}, std::uint64_t{1000}, std::uint64_t{3} << 62}) {
    const std::uint64_t cells = bound > 1000 ? 3 : bound;
    std::vector<std::uint64_t> counts(cells);
    for (int i = 0; i < 1000000; ++i) ++counts.at(uniform_below(bound, engine) % cells);
    EXPECT_GE(
        chi_square_p_value(counts, std::vector<double>(cells, 1.0 / static_cast<double>(cells))),
        1e-6)
        << bound;
  }
}

}  // namespace
}  // namespace lazygumbel::testing

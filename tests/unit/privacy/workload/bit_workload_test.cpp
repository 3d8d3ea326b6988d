#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <lazygumbel/privacy/workload/bit_workload.hpp>
#include <lazygumbel/privacy/workload/box_workload.hpp>
#include <message_of.hpp>
#include <scripted_engine.hpp>
#include <span>
#include <string>
#include <vector>
#include <workload_checks.hpp>

#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

TEST(BitWorkload, AnswersAtEveryRaggedSize) {
  PhiloxEngine engine(1);
  for (const std::size_t cells : {1, 3, 4, 31, 63, 64, 65, 100, 127, 128, 129, 511, 513, 1000})
    for (const std::size_t count : {1, 15, 16, 17, 64, 65, 130}) {
      auto bits = BitWorkload::random(cells, count, engine);
      for (const Simd simd : supported_simds()) {
        SCOPED_TRACE(std::to_string(count) + " x " + std::to_string(cells) + ", " +
                     lazygumbel::name_of(simd));
        bits.set_simd(simd);
        check_answers(bits, cells + count);
      }
    }
}

TEST(BitWorkload, AnswersOnManyCells) {
  PhiloxEngine engine(2);
  auto bits = BitWorkload::random(50001, 70, engine);
  for (const Simd simd : supported_simds()) {
    bits.set_simd(simd);
    check_answers(bits, 3, 7);
  }
}

TEST(BitWorkload, AnswersAreTheSameWithAllInstructions) {
  PhiloxEngine engine(3);
  auto bits = BitWorkload::random(2880, 200, engine);
  const auto weights = real_weights(2880, 4);
  std::vector<double> expected(200), answers(200);
  bits.set_simd(Simd::portable);
  bits.answers(weights, expected);
  for (const Simd simd : supported_simds()) {
    bits.set_simd(simd);
    bits.answers(weights, answers);
    EXPECT_EQ(answers, expected) << lazygumbel::name_of(simd);
  }
}

/// All rows of 1: the largest sums there are, of one sign.
TEST(BitWorkload, IntegersAreExactBelow2To30) {
  PhiloxEngine engine(5);
  auto bits = BitWorkload::random(300, 70, engine);
  auto ones = BitWorkload(17, 300, [](item_id, std::span<std::uint64_t> words) {
    for (std::uint64_t& word : words) word = ~std::uint64_t{0};
    words.back() >>= 64 * words.size() - 300;
  });
  for (const Simd simd : supported_simds()) {
    bits.set_simd(simd);
    ones.set_simd(simd);
    check_large_integers(bits);
    check_large_integers(ones);
    for (const double sign : {1.0, -1.0}) {
      std::vector<double> weights(300, sign * std::floor(0x1p30 / 300)), answers(17);
      ones.answers(weights, answers);
      for (const double answer : answers) EXPECT_EQ(answer, 300 * weights[0]);
    }
  }
}

/// Weights that all round the same way, by half a step: the bound is reached, and not passed.
TEST(BitWorkload, ErrorBoundIsTight) {
  constexpr std::size_t cells = 1000;
  const auto ones = BitWorkload(1, cells, [](item_id, std::span<std::uint64_t> words) {
    for (std::uint64_t& word : words) word = ~std::uint64_t{0};
    words.back() >>= 64 * words.size() - cells;
  });
  std::vector<double> weights(cells, 0.0), answers(1);
  weights[0] = 0x1p29;  // a step of 1
  for (std::size_t x = 1; x < cells; ++x) weights[x] = 2.5 - 0x1p-20;
  double exact = 0.0;
  for (const double w : weights) exact += w;
  ones.answers(weights, answers);
  EXPECT_EQ(BitWorkload::step(exact), 1.0);
  EXPECT_EQ(ones.answers_error(exact), 500.0);
  EXPECT_LE(std::abs(answers[0] - exact), ones.answers_error(exact));
  EXPECT_GE(std::abs(answers[0] - exact), 0.99 * ones.answers_error(exact));
}

TEST(BitWorkload, StepIsTheSmallestPowerOfTwo) {
  EXPECT_EQ(BitWorkload::step(0x1p30), 2.0);
  EXPECT_EQ(BitWorkload::step(0x1p30 - 1.0), 1.0);
  EXPECT_EQ(BitWorkload::step(0x1p29), 1.0);
  EXPECT_EQ(BitWorkload::step(0x1p29 - 1.0), 0.5);
  EXPECT_EQ(BitWorkload::step(1.0), 0x1p-29);
  EXPECT_EQ(BitWorkload::step(0.0), 0x1p-1000);
  EXPECT_EQ(BitWorkload::step(0x1p-1070), 0x1p-1000);
  EXPECT_EQ(BitWorkload::step(0x1p1023), 0x1p994);
}

TEST(BitWorkload, ExtremeWeights) {
  PhiloxEngine engine(6);
  const auto bits = BitWorkload::random(5, 20, engine);
  std::vector<double> query(5), answers(20);
  for (const double scale : {0.0, 0x1p-1074, 0x1p-1022, 0x1p-900, 0x1p1019}) {
    const std::vector<double> weights = {scale, -2 * scale, 3 * scale, scale, -scale};
    bits.answers(weights, answers);
    for (item_id id = 0; id < 20; ++id) {
      bits.query(id, query);
      double expected = 0.0;
      for (std::size_t x = 0; x < 5; ++x) expected += query[x] * weights[x];
      EXPECT_NEAR(answers[id], expected, bits.answers_error(8 * scale) + 1e-300) << scale;
      EXPECT_EQ(bits.answer(weights, id), expected) << scale;
    }
  }
}

TEST(BitWorkload, CopiesAnotherWorkload) {
  PhiloxEngine engine(7);
  const auto boxes = lazygumbel::BoxWorkload::random(domain_of_sizes({7, 5, 3}), 100, engine);
  const auto bits = BitWorkload::copy_of(boxes);
  ASSERT_EQ(bits.size(), 100u);
  ASSERT_EQ(bits.cells(), 105u);
  std::vector<double> expected(105), query(105);
  for (item_id id = 0; id < 100; ++id) {
    boxes.query(id, expected);
    bits.query(id, query);
    EXPECT_EQ(query, expected);
  }
}

TEST(BitWorkload, RandomTakesBitsInOrder) {
  ScriptedEngine<std::uint64_t> engine{1, 6, std::uint64_t{1} << 63, 1};
  const auto bits = BitWorkload::random(66, 2, engine);
  for (std::size_t x = 0; x < 66; ++x) {
    EXPECT_EQ(bits.contains(0, x), x == 0 || x == 65) << x;
    EXPECT_EQ(bits.contains(1, x), x == 63 || x == 64) << x;
  }
}

/// +-1 queries cannot be copied.
struct Signs {
  static constexpr bool integral = true;
  std::size_t size() const { return 1; }
  std::size_t cells() const { return 2; }
  lazygumbel::QueryRange range() const { return {-1.0, 1.0}; }
  void answers(std::span<const double>, std::span<double>) const {}
  double answer(std::span<const double>, item_id) const { return 0.0; }
  void query(item_id, std::span<double> out) const {
    out[0] = 1.0;
    out[1] = -1.0;
  }
  double answers_error(double) const { return 0.0; }
};

TEST(BitWorkload, Refuses) {
  const auto refused = [](auto&& body) { return message_of<std::invalid_argument>(body); };
  const auto nothing = [](item_id, std::span<std::uint64_t>) {};
  EXPECT_EQ(refused([&] { BitWorkload(0, 5, nothing); }),
            "lazygumbel: count = 0: must lie in 1 .. 2^32 - 1");
  EXPECT_EQ(refused([&] { BitWorkload(std::size_t{1} << 32, 5, nothing); }),
            "lazygumbel: count = 4294967296: must lie in 1 .. 2^32 - 1");
  EXPECT_EQ(refused([&] { BitWorkload(5, 0, nothing); }),
            "lazygumbel: cells = 0: must lie in 1 .. 2^31 - 1");
  EXPECT_EQ(refused([&] { BitWorkload(5, std::size_t{1} << 31, nothing); }),
            "lazygumbel: cells = 2147483648: must lie in 1 .. 2^31 - 1");
  EXPECT_EQ(refused([&] {
              BitWorkload(3, 70, [](item_id id, std::span<std::uint64_t> words) {
                if (id == 2) words[1] = 64 | 512;
              });
            }),
            "lazygumbel: row 2 bit = 73: must be below cells = 70");
  EXPECT_EQ(refused([&] { BitWorkload::copy_of(Signs()); }),
            "lazygumbel: query 0 value at cell 1 = -1: must be 0 or 1");
  PhiloxEngine engine(1);
  auto bits = BitWorkload::random(3, 2, engine);
  check_lengths(bits);
  std::vector<double> answers(2);
  for (const double bad : {infinity, -infinity})
    EXPECT_EQ(refused([&] {
                bits.answers(std::vector<double>{1.0, bad, 2.0}, answers);
              }),
              "lazygumbel: sum |weights| = inf: must be finite");
  EXPECT_EQ(refused([&] {
              bits.answers(std::vector<double>{1.0, nan, 2.0}, answers);
            }),
            "lazygumbel: sum |weights| = nan: must be finite");
  for (const Simd simd : {Simd::neon, Simd::avx2, Simd::avx512_vnni})
    if (!lazygumbel::is_supported(simd)) {
      EXPECT_EQ(refused([&] { bits.set_simd(simd); }), std::string("lazygumbel: simd = ") +
                                                           lazygumbel::name_of(simd) +
                                                           ": this machine does not support it");
    }
}

}  // namespace
}  // namespace lazygumbel::testing

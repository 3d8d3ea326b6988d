#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <lazygumbel/privacy/workload/box_workload.hpp>
#include <message_of.hpp>
#include <scripted_engine.hpp>
#include <statistics.hpp>
#include <string>
#include <vector>
#include <workload_checks.hpp>

namespace lazygumbel::testing {
namespace {

using Sizes = std::vector<std::size_t>;
using Words = std::vector<std::uint64_t>;

/// Boxes over a domain of these sizes, drawn in both ways, with every instruction set.
void check_boxes(const Sizes& sizes, std::size_t count, std::size_t step = 1) {
  const Domain domain = domain_of_sizes(sizes);
  PhiloxEngine engine(count + domain.size());
  for (BoxWorkload boxes : {BoxWorkload::random(domain, count, engine),
                            BoxWorkload::random_intervals(domain, count, engine)})
    for (const Simd simd : supported_simds()) {
      SCOPED_TRACE(std::to_string(domain.size()) + " cells, " + lazygumbel::name_of(simd));
      boxes.set_simd(simd);
      check_answers(boxes, 5 * count, step);
    }
}

TEST(BoxWorkload, OneAttribute) {
  check_boxes({1}, 3);
  check_boxes({2}, 40);
  check_boxes({7}, 5);
  check_boxes({64}, 100);
  check_boxes({65}, 100);
  check_boxes({200}, 300);
}

TEST(BoxWorkload, TwoAttributes) {
  check_boxes({2, 3}, 100);
  check_boxes({16, 15}, 400);
  check_boxes({9, 200}, 200);
  check_boxes({200, 9}, 200);
  check_boxes({70, 33}, 100);
}

TEST(BoxWorkload, ManyAttributes) {
  check_boxes({2, 3, 4}, 500);
  check_boxes({16, 15, 6, 2}, 800);
  check_boxes({2, 2, 2, 2, 2, 2, 2, 2, 2, 2}, 1500);
  check_boxes({3, 2, 5, 2, 4, 2, 3}, 600);
  check_boxes({5, 5, 5, 5, 5}, 30);
}

TEST(BoxWorkload, AttributesOfOneValue) {
  check_boxes({1, 1, 1}, 4);
  check_boxes({1, 5, 1, 1, 12, 1}, 100);
  check_boxes(Sizes(40, 1), 3);
  check_boxes({30, 1, 20}, 100);
}

TEST(BoxWorkload, LargeDomains) {
  check_boxes({10, 10, 10, 10, 10}, 2000, 97);
  check_boxes({200, 50, 10}, 400, 37);
}

/// All boxes of a small domain, empty sets too, each some times over: every path of the trie.
TEST(BoxWorkload, EveryBoxOfASmallDomain) {
  const Domain domain = domain_of_sizes({3, 2, 1, 3});
  Words words;
  for (int twice = 0; twice < 3; ++twice)
    for (std::uint64_t a = 0; a < 8; ++a)
      for (std::uint64_t b = 0; b < 4; ++b)
        for (std::uint64_t c = 0; c < 2; ++c)
          for (std::uint64_t d = 0; d < 8; ++d) words.insert(words.end(), {a, b, c, d});
  BoxWorkload boxes(domain, words);
  ASSERT_EQ(boxes.size(), 3u * 512u);
  for (const Simd simd : supported_simds()) {
    boxes.set_simd(simd);
    check_answers(boxes, 3);
  }
}

TEST(BoxWorkload, QueryIsTheProductOfItsSets) {
  const Domain domain = domain_of_sizes({70, 2, 3});
  // Values 1 and 65 of a0; 1 of a1; 0 and 2 of a2. Then a box with an empty set.
  const Words words = {2, 2, 2, 5, ~std::uint64_t{0}, 63, 0, 7};
  const BoxWorkload boxes(domain, words);
  EXPECT_EQ(BoxWorkload::words_per_box(domain), 4u);
  EXPECT_EQ(boxes.size(), 2u);
  EXPECT_EQ(boxes.cells(), 420u);
  std::vector<double> query(420);
  boxes.query(0, query);
  std::vector<std::uint32_t> codes(3);
  for (std::size_t x = 0; x < 420; ++x) {
    domain.codes_of(x, codes);
    const bool inside = (codes[0] == 1 || codes[0] == 65) && codes[1] == 1 && codes[2] != 1;
    EXPECT_EQ(query[x], inside ? 1.0 : 0.0) << x;
  }
  boxes.query(1, query);
  EXPECT_EQ(std::count(query.begin(), query.end(), 0.0), 420);
  EXPECT_TRUE(boxes.contains(0, 0, 65));
  EXPECT_FALSE(boxes.contains(0, 0, 64));
  EXPECT_TRUE(boxes.contains(1, 0, 69));
  EXPECT_FALSE(boxes.contains(1, 1, 0));
  EXPECT_EQ(boxes.domain(), domain);
}

TEST(BoxWorkload, IntegersAreExact) {
  PhiloxEngine engine(8);
  auto boxes = BoxWorkload::random(domain_of_sizes({16, 15, 6, 2}), 100, engine);
  for (const Simd simd : supported_simds()) {
    boxes.set_simd(simd);
    check_large_integers(boxes);
    check_large_integers(boxes, 0x1p52);
  }
}

TEST(BoxWorkload, RangeAndError) {
  PhiloxEngine engine(8);
  const auto boxes = BoxWorkload::random(domain_of_sizes({4, 4}), 10, engine);
  EXPECT_EQ(boxes.range(), (lazygumbel::QueryRange{0.0, 1.0}));
  EXPECT_TRUE(BoxWorkload::integral);
  EXPECT_EQ(boxes.answers_error(0.0), 0.0);
  EXPECT_GT(boxes.answers_error(1.0), 16 * 0x1p-53);
  EXPECT_LT(boxes.answers_error(1.0), 20 * 0x1p-53);
}

TEST(BoxWorkload, RandomSetsAreUniformAmongTheNonEmpty) {
  // n = 2e5 sets of 3 values, 7 cells; refused at p < 1e-6 (the false-alarm rate); shows a root
  // mean square defect of 1.6% of the cells with probability 0.9.
  PhiloxEngine engine(21);
  const auto boxes = BoxWorkload::random(domain_of_sizes({3, 3}), 100000, engine);
  std::vector<std::uint64_t> counts(7, 0);
  for (item_id id = 0; id < boxes.size(); ++id)
    for (std::size_t a = 0; a < 2; ++a) {
      std::size_t set = 0;
      for (std::size_t value = 0; value < 3; ++value)
        set += std::size_t{boxes.contains(id, a, value)} << value;
      ASSERT_GT(set, 0u);
      ++counts[set - 1];
    }
  EXPECT_GE(chi_square_p_value(counts, std::vector<double>(7, 1.0 / 7)), 1e-6);
}

TEST(BoxWorkload, RandomIntervalsAreOfTwoUniformEnds) {
  // n = 2e5 intervals of 3 values: 3 of one point (1/9 each), 3 others (2/9 each). As above.
  PhiloxEngine engine(22);
  const auto boxes = BoxWorkload::random_intervals(domain_of_sizes({3, 3}), 100000, engine);
  std::vector<std::uint64_t> counts(6, 0);
  for (item_id id = 0; id < boxes.size(); ++id)
    for (std::size_t a = 0; a < 2; ++a) {
      std::size_t set = 0;
      for (std::size_t value = 0; value < 3; ++value)
        set += std::size_t{boxes.contains(id, a, value)} << value;
      constexpr std::size_t sets[] = {1, 2, 4, 3, 6, 7};
      const auto at = std::find(std::begin(sets), std::end(sets), set) - std::begin(sets);
      ASSERT_LT(at, 6) << "not an interval: " << set;
      ++counts[static_cast<std::size_t>(at)];
    }
  const double p = 1.0 / 9;
  EXPECT_GE(chi_square_p_value(counts, std::vector<double>{p, p, p, 2 * p, 2 * p, 2 * p}), 1e-6);
}

TEST(BoxWorkload, RandomRedrawsEmptySetsAndReadsLowBitsFirst) {
  ScriptedEngine<std::uint64_t> engine{8, 0, 5, 0, 4, 1, 2};
  // a0 of 3 values: 8 has none of them, 0 neither, then 5. a1 of 66: words 0 and 4 (bit 66, no
  // value) are empty, then 1 and 2.
  const auto boxes = BoxWorkload::random(domain_of_sizes({3, 66}), 1, engine);
  EXPECT_EQ(engine.used(), 7u);
  for (std::size_t value = 0; value < 3; ++value)
    EXPECT_EQ(boxes.contains(0, 0, value), value != 1) << value;
  for (std::size_t value = 0; value < 66; ++value)
    EXPECT_EQ(boxes.contains(0, 1, value), value == 0 || value == 65) << value;
}

TEST(BoxWorkload, Refuses) {
  const Domain domain = domain_of_sizes({3, 66});
  const auto refused = [&](const Words& words) {
    return message_of<std::invalid_argument>([&] { BoxWorkload(domain, words); });
  };
  EXPECT_EQ(refused({}), "lazygumbel: boxes = 0: must be at least 1");
  EXPECT_EQ(refused({1, 1}),
            "lazygumbel: sets.size() = 2: must be a multiple of words_per_box = 3");
  EXPECT_EQ(refused({1, 1, 1, 9, 1, 1}),
            "lazygumbel: box 1 value of attribute \"a0\" = 3: must be below 3");
  EXPECT_EQ(refused({1, 1, 4}),
            "lazygumbel: box 0 value of attribute \"a1\" = 66: must be below 66");
  EXPECT_EQ(refused({7, ~std::uint64_t{0}, 3}), "(nothing was thrown)");
  PhiloxEngine engine(1);
  EXPECT_EQ(message_of<std::invalid_argument>([&] { BoxWorkload::random(domain, 0, engine); }),
            "lazygumbel: count = 0: must be at least 1");
  EXPECT_EQ(message_of<std::invalid_argument>(
                [&] { BoxWorkload::random_intervals(domain, std::size_t{1} << 32, engine); }),
            "lazygumbel: count = 4294967296: must be below 2^32");
  check_lengths(BoxWorkload::random(domain, 3, engine));
}

TEST(BoxWorkload, RefusesInstructionsThatAreMissing) {
  PhiloxEngine engine(1);
  auto boxes = BoxWorkload::random(domain_of_sizes({3}), 1, engine);
  for (const Simd simd : {Simd::neon, Simd::avx2, Simd::avx512_vnni})
    if (!lazygumbel::is_supported(simd)) {
      EXPECT_EQ(message_of<std::invalid_argument>([&] { boxes.set_simd(simd); }),
                std::string("lazygumbel: simd = ") + lazygumbel::name_of(simd) +
                    ": this machine does not support it");
    }
}

}  // namespace
}  // namespace lazygumbel::testing

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <lazygumbel/privacy/table/synthetic_table.hpp>
#include <lazygumbel/random/philox.hpp>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "message_of.hpp"
#include "scripted_engine.hpp"
#include "statistics.hpp"

namespace lazygumbel::testing {
namespace {

using Weights = std::vector<double>;
using Codes = std::vector<std::uint32_t>;
using Places = std::vector<std::size_t>;

Domain domain_2x3x2() {
  return Domain({Attribute::integers("a", 0, 1), Attribute::integers("b", 0, 2),
                 Attribute::integers("c", 0, 1)});
}

const Weights twelve_weights{0, 1.5, 2, 0, 0.25, 3, 0, 0.125, 0, 10, 0.5, 0};

std::vector<std::uint64_t> cell_counts(const Domain& domain_2x3x2, const Codes& records) {
  std::vector<std::uint64_t> counts(domain_2x3x2.size(), 0);
  const std::size_t width = domain_2x3x2.attributes().size();
  for (std::size_t i = 0; i < records.size(); i += width)
    ++counts.at(domain_2x3x2.cell_of(std::span<const std::uint32_t>(&records[i], width)));
  return counts;
}

TEST(SyntheticTable, HoldsWeights) {
  const SyntheticTable table(domain_2x3x2(), twelve_weights);
  EXPECT_EQ(table.domain(), domain_2x3x2());
  EXPECT_EQ(Weights(table.weights().begin(), table.weights().end()), twelve_weights);
  EXPECT_EQ(table.total(), 17.375);
  const Weights p = table.probabilities();
  EXPECT_NEAR(std::accumulate(p.begin(), p.end(), 0.0), 1.0, 1e-15);
  EXPECT_EQ(p[9], 10 / 17.375);
}

TEST(SyntheticTable, TotalDoesNotLoseSmallWeights) {
  const Domain many({Attribute::integers("a", 0, 1000000)});
  Weights w(1000001, 1e-11);
  w[0] = 1e5;  // half an ulp is 7e-12: a plain sum would be wrong by 45 percent of the small ones
  EXPECT_EQ(SyntheticTable(many, w).total(), 1e5 + 1e-5);
}

TEST(SyntheticTable, MarginalSumsTheOthers) {
  const SyntheticTable table(domain_2x3x2(), twelve_weights);
  const SyntheticTable ca = table.marginal(Places{2, 0});
  EXPECT_EQ(ca.domain(), domain_2x3x2().project({"c", "a"}));
  EXPECT_EQ(Weights(ca.weights().begin(), ca.weights().end()), (Weights{2.25, 0.5, 4.5, 10.125}));
  EXPECT_EQ(ca.total(), table.total());
  EXPECT_EQ(refusal([&] { table.marginal(Places{}); }),
            "lazygumbel: attributes.size() = 0: must be at least 1");
}

// 1e6 draws; refused at p < 1e-6, the false-alarm rate. Over seven cells a root mean square defect
// of 0.8 percent of the cells is found with probability 0.9. A cell without weight is never drawn.
TEST(SyntheticTable, SampledRecordsFollowTheWeights) {
  const SyntheticTable table(domain_2x3x2(), twelve_weights);
  PhiloxEngine engine(1);
  const auto counts = cell_counts(domain_2x3x2(), table.sample_records(1000000, engine));
  EXPECT_GE(chi_square_p_value(counts, table.probabilities()), 1e-6);
}

TEST(SyntheticTable, EndsOfTheUniformGiveCellsWithWeight) {
  const SyntheticTable table(domain_2x3x2(), twelve_weights);
  ScriptedEngine<std::uint64_t> ends{1, ~std::uint64_t{0}};
  const auto counts = cell_counts(domain_2x3x2(), table.sample_records(2, ends));
  EXPECT_EQ(counts[1], 1U);
  EXPECT_EQ(counts[10], 1U);
  // A target that rounds up to the total.
  const SyntheticTable tiny(domain_2x3x2(), {0, 0, 5e-324, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  ScriptedEngine<std::uint64_t> high{~std::uint64_t{0}};
  EXPECT_EQ(cell_counts(domain_2x3x2(), tiny.sample_records(1, high))[2], 1U);
}

TEST(SyntheticTable, SystematicRecordsAreLessThanOneAwayFromTheirShare) {
  const SyntheticTable table(domain_2x3x2(), twelve_weights);
  const Weights p = table.probabilities();
  PhiloxEngine engine(2);
  for (const std::size_t count : {0, 1, 2, 3, 10, 17, 100, 12345})
    for (int trial = 0; trial < 50; ++trial) {
      const Codes records = table.systematic_records(count, engine);
      ASSERT_EQ(records.size(), 3 * count);
      const auto counts = cell_counts(domain_2x3x2(), records);
      for (std::size_t x = 0; x < p.size(); ++x) {
        const double share = static_cast<double>(count) * p[x];
        ASSERT_LT(std::abs(static_cast<double>(counts[x]) - share), 1.0 + 1e-9)
            << count << " " << x;
        if (p[x] == 0.0) {
          ASSERT_EQ(counts[x], 0U);
        }
      }
    }
}

TEST(SyntheticTable, SystematicRecordsOfWholeCountsAreTheCounts) {
  const SyntheticTable table(domain_2x3x2(), {0, 1, 2, 0, 0, 3, 0, 7, 0, 10, 5, 0});
  for (const std::uint64_t bits : {std::uint64_t{1}, std::uint64_t{1} << 63}) {
    ScriptedEngine<std::uint64_t> engine{bits};
    EXPECT_EQ(cell_counts(domain_2x3x2(), table.systematic_records(28, engine)),
              (std::vector<std::uint64_t>{0, 1, 2, 0, 0, 3, 0, 7, 0, 10, 5, 0}));
  }
  ScriptedEngine<std::uint64_t> last{~std::uint64_t{0}};  // even where n + u rounds up
  EXPECT_EQ(table.systematic_records(1000000, last).size(), 3000000U);
}

// Unbiased: the mean of 1e5 numbers of a cell against count p_x; each has |z| < 5.0 but with
// probability 6e-7. A bias of 0.01 records is found with probability 0.9 or more.
TEST(SyntheticTable, SystematicRecordsAreUnbiased) {
  const SyntheticTable table(domain_2x3x2(), twelve_weights);
  const Weights p = table.probabilities();
  constexpr int trials = 100000;
  PhiloxEngine engine(3);
  std::vector<double> sums(p.size(), 0.0);
  for (int trial = 0; trial < trials; ++trial) {
    const auto counts = cell_counts(domain_2x3x2(), table.systematic_records(7, engine));
    for (std::size_t x = 0; x < p.size(); ++x) sums[x] += static_cast<double>(counts[x]);
  }
  for (std::size_t x = 0; x < p.size(); ++x) {
    const double share = 7 * p[x], fraction = share - std::floor(share);
    const double deviation = std::sqrt(fraction * (1 - fraction) / trials);
    EXPECT_LE(std::abs(sums[x] / trials - share), 5.0 * deviation) << x;
  }
}

TEST(SyntheticTable, WithoutWeightHasNoLaw) {
  const SyntheticTable none(domain_2x3x2(), Weights(12, 0.0));
  PhiloxEngine engine(4);
  EXPECT_EQ(none.total(), 0.0);
  EXPECT_TRUE(none.sample_records(0, engine).empty());
  EXPECT_TRUE(none.systematic_records(0, engine).empty());
  const std::string refused = "lazygumbel: total() = 0: must be positive to have a law";
  EXPECT_EQ(refusal([&] { none.probabilities(); }), refused);
  EXPECT_EQ(refusal([&] { none.sample_records(1, engine); }), refused);
  EXPECT_EQ(refusal([&] { none.systematic_records(1, engine); }), refused);
}

TEST(SyntheticTable, Refusals) {
  const auto with = [](double w) {
    Weights changed = twelve_weights;
    changed[4] = w;
    return refusal([&] { SyntheticTable(domain_2x3x2(), changed); });
  };
  EXPECT_EQ(with(-1.0), "lazygumbel: weights[4] = -1: must be finite and not negative");
  EXPECT_EQ(with(std::nan("")), "lazygumbel: weights[4] = nan: must be finite and not negative");
  EXPECT_EQ(with(std::numeric_limits<double>::infinity()),
            "lazygumbel: weights[4] = inf: must be finite and not negative");
  EXPECT_EQ(refusal([] { SyntheticTable(domain_2x3x2(), Weights(12, 1e308)); }),
            "lazygumbel: the sum of weights = inf: must be finite");
  EXPECT_EQ(refusal([] { SyntheticTable(domain_2x3x2(), {1}); }),
            "lazygumbel: weights.size() = 1: must equal the domain's size 12");
  const SyntheticTable table(domain_2x3x2(), twelve_weights);
  PhiloxEngine engine(5);
  EXPECT_EQ(refusal([&] { table.sample_records(SIZE_MAX / 3, engine); }),
            "lazygumbel: count = 6148914691236517205: times the number of attributes is too large");
  EXPECT_EQ(refusal([&] { table.systematic_records(std::size_t{1} << 52, engine); }),
            "lazygumbel: count = 4503599627370496: must be below 2^52");
}

}  // namespace
}  // namespace lazygumbel::testing

// Whether KnnAttention::decode keeps its word on data that hide from draws what matters: answers
// that say that a target is met miss it with probability at most delta, and errors of a fixed
// budget hold with probability 95%. Every family has several problems; one's data come from a
// model.

#include "decode_honesty.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <vector>

#include "real_heads.hpp"

namespace lazygumbel::testing {
namespace {

constexpr std::size_t problems = 10, repeats = 4;

void expect_honest(KeyIndex index, bool fixed_budget) {
  for (std::size_t f = 0; f < hostile::families().size(); ++f) {
    HonestyCount count;
    std::string name;
    for (std::size_t i = 0; i < problems; ++i) {
      const HostileDecode made = hostile::families()[f](1000 * f + 10 * i + 1);
      name = made.name;
      count_decodes(made, honesty_options(index, fixed_budget, made.epsilon), repeats, i, count);
    }
    std::cout << name << (index == KeyIndex::codes ? ", codes" : ", lists")
              << (fixed_budget ? ", fixed budget: " : ", accuracy: ") << text_of(count) << "\n";
    EXPECT_TRUE(keeps_its_word(count, 0.1)) << name << ": " << text_of(count);
    EXPECT_TRUE(reports_hold(count, fixed_budget ? 0.05 : 0.1)) << name << ": " << text_of(count);
  }
}

TEST(DecodeHonesty, TargetsAreMetByCodes) { expect_honest(KeyIndex::codes, false); }
TEST(DecodeHonesty, ReportsHoldByCodes) { expect_honest(KeyIndex::codes, true); }
TEST(DecodeHonesty, TargetsAreMetByLists) { expect_honest(KeyIndex::lists, false); }
TEST(DecodeHonesty, ReportsHoldByLists) { expect_honest(KeyIndex::lists, true); }

/// 20,000 answers to one query, each within epsilon with probability 1 - delta.
HonestyCount many_answers(HostileDecode& made, double epsilon, double delta, std::uint64_t seed) {
  auto& [keys, values, queries] = made.problem;
  queries.setZero();  // flat scores
  KnnAttentionOptions options = honesty_options(KeyIndex::codes, false, delta);
  options.accuracy = Accuracy(epsilon, delta);
  options.sinks = options.window = 0;
  const KeyValueCache<float> cache = cache_of(made.problem);
  const DecodeTruth truth = plain_decode(keys, values, Vector<double>::Zero(keys.cols()));
  auto decoder = decoder_of(made.problem, options);
  HonestyCount count;
  AttentionOutput out;
  for (std::uint64_t run = 0; run < 20'000; ++run) {
    PhiloxEngine engine(seed, run);
    decoder.decode(cache, queries, engine, out);
    const Vector<double> found = out.values.row(0).transpose().cast<double>();
    const double error = (found - truth.output).norm(), unit = found.norm() * (1.0 + 1e-5);
    count.add(out.rows[0].target_met, error > epsilon * unit,
              error > static_cast<double>(out.rows[0].error) * unit + 1e-6,
              out.rows[0].path == AttentionPath::exact);
  }
  std::cout << text_of(count) << "\n";
  return count;
}

// A tenth of the values 1 and the others 0; some samples of 256 stop at once, which are those that
// met too few ones. The normal law alone missed the target 11.3% of the time and left 13.4% outside
// their errors; 20,000 answers find .113 for .1 with probability .9, .134 always.
TEST(DecodeHonesty, SamplesThatStopEarlyKeepTheirWord) {
  constexpr std::size_t n = 16384;
  HostileDecode made{"values that stop early", hostile::normal(8, 2, 1.0, 5, 0.0, n)};
  auto& values = made.problem.values;
  values.col(0).setOnes();
  values.col(1).setZero();
  for (const Eigen::Index row : hostile::some_rows(n / 10, n, 6)) values(row, 1) = 1.0F;
  const HonestyCount count = many_answers(made, 0.0214, 0.1, 11);
  EXPECT_EQ(count.exact, 0);
  EXPECT_TRUE(keeps_its_word(count, 0.1)) << text_of(count);
  EXPECT_TRUE(reports_hold(count, 0.1)) << text_of(count);
}

// One direction has a quarter of the variance, 62 have the rest: for one answer in a thousand two
// moments do not tell. By them 4.3 in a thousand missed; 20,000 answers always find that.
TEST(DecodeHonesty, OneDirectionAmongMany) {
  constexpr std::size_t n = 16384;
  HostileDecode made{"one direction among many", hostile::normal(8, 64, 1.0, 7, 0.0, n)};
  auto& values = made.problem.values;
  PhiloxEngine coins(8);
  for (Eigen::Index row = 0; row < values.rows(); ++row) {
    auto others = values.row(row).tail(62);
    others *= std::sqrt(0.75F) / others.norm();
    values(row, 0) = 1.0F;
    values(row, 1) = uniform_bits(coins) % 2 == 0 ? 0.5F : -0.5F;
  }
  const HonestyCount count = many_answers(made, 0.05, 0.001, 12);
  EXPECT_LT(count.exact, 2000);
  EXPECT_TRUE(keeps_its_word(count, 0.001)) << text_of(count);
  EXPECT_TRUE(reports_hold(count, 0.001)) << text_of(count);
}

TEST(DecodeHonesty, HoldsOnAHeadOfAModel) {
  const auto head = real_head(1);
  if (!head) GTEST_SKIP() << "transformer-l0-q.npy is not in $LAZYGUMBEL_DATA";
  for (const KeyIndex index : {KeyIndex::codes, KeyIndex::lists})
    for (const bool fixed_budget : {false, true}) {
      HonestyCount count;
      for (Eigen::Index i = 0; i < 24; ++i) {
        HostileDecode made{"a head of a model",
                           {head->keys, head->values, head->queries.row(8191 - 40 * i)}};
        made.problem.queries *= 0.125F;
        const std::size_t times = index == KeyIndex::codes ? 3 : 1;
        count_decodes(made, honesty_options(index, fixed_budget, made.epsilon), times,
                      static_cast<std::uint64_t>(i), count);
      }
      std::cout << "a head of a model" << (index == KeyIndex::codes ? ", codes" : ", lists")
                << (fixed_budget ? ", fixed budget: " : ", accuracy: ") << text_of(count) << "\n";
      EXPECT_TRUE(keeps_its_word(count, 0.1)) << text_of(count);
      EXPECT_TRUE(reports_hold(count, fixed_budget ? 0.05 : 0.1)) << text_of(count);
    }
}

}  // namespace
}  // namespace lazygumbel::testing

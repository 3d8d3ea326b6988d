#include <gtest/gtest.h>

#include <iostream>
#include <lazygumbel/attention/knn/knn_attention.hpp>
#include <lazygumbel/attention/window/residual_mass.hpp>

#include "shard_problems.hpp"

// What `merge` says of sampled shards, where what they are unsure of is their share of Z^: values
// that are constant inside a shard, or nearly so, leave each shard's own output without error.

namespace lazygumbel::testing {
namespace {

constexpr std::size_t merge_queries = 80;
const auto as_it_is = [](AttentionOutput&) {};

void expect_honest(const ShardCounts& counts, const std::string& what) {
  std::cout << what << ": " << text_of(counts.merged) << ", mean error stated " << counts.width
            << "; log Z: " << counts.log_z.outside << " outside\n";
  EXPECT_TRUE(reports_hold(counts.merged, 0.05)) << what << ": " << text_of(counts.merged);
  EXPECT_TRUE(reports_hold(counts.log_z, 0.05)) << what << ": " << text_of(counts.log_z);
}

TEST(MergeHonesty, ShardsThatDifferMoreThanTheirValues) {
  for (const float spread : {0.0F, 0.1F, 1.0F})
    for (const auto& [sigma, draws] : shard_settings) {
      const auto shards = shard_problems(2, sigma, spread, merge_queries, 100);
      const ShardCounts counts = merge_shards(shards, shard_options(draws), 1, as_it_is);
      expect_honest(counts, "spread " + std::to_string(spread) + ", sigma " +
                                std::to_string(sigma) + ", " + std::to_string(draws) + " draws");
      EXPECT_LT(counts.width, 0.75);  // it says something
    }
}

TEST(MergeHonesty, ThreeShards) {
  for (const float spread : {0.0F, 0.3F})
    expect_honest(merge_shards(shard_problems(3, 2.0, spread, merge_queries, 200),
                               shard_options(64), 2, as_it_is),
                  "three, spread " + std::to_string(spread));
}

TEST(MergeHonesty, ProvedErrors) {
  KnnAttentionOptions options = shard_options(256);
  options.interval = Interval::empirical_bernstein;
  expect_honest(
      merge_shards(shard_problems(2, 2.0, 0.0F, merge_queries, 300), options, 3, as_it_is),
      "proved");
}

// Each shard meets its target; where means of values nearly cancel the sum does not.
TEST(MergeHonesty, TargetsOfShardsAreNotTheSums) {
  KnnAttentionOptions options = shard_options(64);
  options.accuracy = Accuracy(0.02, 0.1);
  auto shards = shard_problems(2, 2.0, 0.02F, merge_queries, 400);
  shards[1].values = -shards[0].values;
  const ShardCounts counts = merge_shards(shards, options, 4, as_it_is, 0.02);
  std::cout << "cancelling: " << text_of(counts.merged) << "\n";
  EXPECT_TRUE(keeps_its_word(counts.merged, 0.1)) << text_of(counts.merged);
  EXPECT_TRUE(reports_hold(counts.merged, 0.1)) << text_of(counts.merged);
}

TEST(MergeHonesty, ASampledShardAndAResidualMass) {
  constexpr double mass = 4096.0;
  for (const auto& [sigma, draws] : shard_settings) {
    const DecodeProblem shard = shard_problems(1, sigma, 0.0F, merge_queries, 500).front();
    const KeyValueCache<float> cache = cache_of(shard);
    auto decoder = decoder_of(shard, shard_options(draws));
    HonestyCount count, log_z;
    PhiloxEngine engine(6);
    const ResidualMass residual{0.0, mass, mass * gaussian_rows<double>(1, 16, 7).row(0)};
    const ShardTruth truth(shard);
    for (Eigen::Index i = 0; i < shard.queries.rows(); ++i) {
      const double z = truth.normalisers[i] + mass;
      AttentionOutput out;
      decoder.decode(cache, shard.queries.row(i), engine, out);
      add_residual(residual, 0, 0, out);
      const Vector<double> o = (truth.numerators.row(i).transpose() + residual.value_sum) / z;
      count.add(false, false, is_outside(out, o), false);
      log_z.add(false, false, is_log_z_outside(out, z), false);
    }
    EXPECT_TRUE(reports_hold(count, 0.05)) << sigma << ": " << text_of(count);
    EXPECT_TRUE(reports_hold(log_z, 0.05)) << sigma << ": " << text_of(log_z);
  }
}

// Uniform draws, and lists: rows of `forward`, each half of the keys by itself.
TEST(MergeHonesty, ShardsOfAForwardPass) {
  constexpr std::size_t n = 4096, m = 1024, d = 16, dv = 8;
  for (const double sigma : {1.0, 2.0}) {
    RowMatrix<float> queries = gaussian_rows<float>(m, d, 1);
    for (Eigen::Index i = 0; i < queries.rows(); ++i)
      queries.row(i) *= static_cast<float>(sigma) / queries.row(i).norm();
    KnnAttentionOptions options;
    options.attention.scale = 1.0;
    options.accuracy = std::nullopt;
    options.minimum_keys = 64;
    options.index = KeyIndex::lists;
    const KnnAttention<> attention(1, 1, d, dv, options);
    std::vector<AttentionOutput> rows(m);
    std::vector<ShardTruth> truths;
    for (const std::uint64_t s : {0u, 1u}) {
      const DecodeProblem shard{gaussian_rows<float>(n, d, 10 + s),
                                gaussian_rows<float>(1, dv, 20 + s).replicate(n, 1), queries};
      PhiloxEngine engine(30, s);
      const AttentionOutput out =
          attention.forward(shard.queries, shard.keys, shard.values, engine);
      truths.emplace_back(shard);
      for (std::size_t i = 0; i < m; ++i) {
        const auto at = static_cast<Eigen::Index>(i);
        const AttentionOutput own{out.values.row(at), out.log_sum_exp.row(at), {out.rows[i]}};
        rows[i] = s == 0 ? own : merge(rows[i], own);
      }
    }
    HonestyCount count, log_z;
    for (std::size_t i = 0; i < m; ++i) {
      const auto at = static_cast<Eigen::Index>(i);
      const double z = truths[0].normalisers[at] + truths[1].normalisers[at];
      const Vector<double> o = (truths[0].numerators.row(at) + truths[1].numerators.row(at)) / z;
      const bool exact = rows[i].rows[0].path == AttentionPath::exact;
      count.add(false, false, is_outside(rows[i], o), exact);
      log_z.add(false, false, is_log_z_outside(rows[i], z), exact);
    }
    std::cout << "forward, sigma " << sigma << ": " << text_of(count)
              << "; log Z: " << text_of(log_z) << "\n";
    EXPECT_TRUE(reports_hold(count, 0.05)) << sigma << ": " << text_of(count);
    EXPECT_TRUE(reports_hold(log_z, 0.05)) << sigma << ": " << text_of(log_z);
  }
}

}  // namespace
}  // namespace lazygumbel::testing

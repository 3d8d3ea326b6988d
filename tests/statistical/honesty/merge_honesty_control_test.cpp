#include <gtest/gtest.h>

#include "shard_problems.hpp"

// What merge_honesty_test.cpp must reject: a merge that drops what shards do not know of their Z.

namespace lazygumbel::testing {
namespace {

TEST(MergeHonestyControl, WithoutTheErrorsOfLogZ) {
  const auto drop = [](AttentionOutput& out) { out.rows[0].log_z_error = 0.0F; };
  for (const auto& [sigma, draws] : shard_settings) {
    const auto shards = shard_problems(2, sigma, 0.0F, 100, 100);
    const ShardCounts counts = merge_shards(shards, shard_options(draws), 1, drop);
    EXPECT_FALSE(reports_hold(counts.merged, 0.05)) << sigma << ": " << text_of(counts.merged);
    EXPECT_FALSE(reports_hold(counts.log_z, 0.05)) << sigma << ": " << text_of(counts.log_z);
    EXPECT_TRUE(reports_hold(counts.parts, 0.05)) << sigma << ": " << text_of(counts.parts);
  }
}

TEST(MergeHonestyControl, WithATwentiethOfThem) {
  const auto shrink = [](AttentionOutput& out) { out.rows[0].log_z_error /= 20.0F; };
  for (const auto& [sigma, draws] : shard_settings) {
    const auto shards = shard_problems(2, sigma, 0.0F, 100, 100);
    const ShardCounts counts = merge_shards(shards, shard_options(draws), 1, shrink);
    EXPECT_FALSE(reports_hold(counts.log_z, 0.05)) << sigma << ": " << text_of(counts.log_z);
  }
}

}  // namespace
}  // namespace lazygumbel::testing

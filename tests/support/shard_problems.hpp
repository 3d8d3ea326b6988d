#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "decode_problems.hpp"
#include "honesty.hpp"

/// \file
/// Keys and values in shards that are sampled one by one, and whether what `merge` says of the
/// union is true.

namespace lazygumbel::testing {

struct ShardSetting {
  double sigma;       ///< standard deviation of logits
  std::size_t draws;  ///< from each shard
};

inline constexpr ShardSetting shard_settings[] = {{1.0, 64},  {1.0, 256}, {2.0, 64},
                                                  {2.0, 256}, {3.0, 64},  {3.0, 256}};

/// Shards of 16,384 normal keys and the same queries. Values of a shard: a normal vector of its
/// own, and normal deviations of `spread` from it.
inline std::vector<DecodeProblem> shard_problems(std::size_t shards, double sigma, float spread,
                                                 std::size_t queries, std::uint64_t seed) {
  constexpr std::size_t n = 16384, d = 32, dv = 16;
  std::vector<DecodeProblem> all;
  for (std::size_t s = 0; s < shards; ++s) {
    all.push_back(gaussian_decode(n, d, dv, sigma, queries, seed + 10 * s, 0.0F));
    all.back().values *= spread;
    all.back().values.rowwise() += gaussian_rows<float>(1, dv, seed + 10 * s + 5).row(0);
    all.back().queries = all.front().queries;
  }
  return all;
}

/// Z and N = Z o of every query of a shard, scores being those of plain_options().
struct ShardTruth {
  RowMatrix<double> numerators;
  Vector<double> normalisers;

  explicit ShardTruth(const DecodeProblem& shard) {
    const RowMatrix<double> weights =
        (shard.queries * shard.keys.transpose()).cast<double>().array().exp();
    numerators = weights * shard.values.cast<double>();
    normalisers = weights.rowwise().sum();
  }
  Vector<double> output(Eigen::Index i) const { return numerators.row(i) / normalisers[i]; }
};

/// Whether the one row of `out` is farther from the truth than it says; outputs are float.
inline bool is_outside(const AttentionOutput& out, const Vector<double>& truth) {
  const Vector<double> found = out.values.row(0).transpose().cast<double>();
  return (found - truth).norm() >
         static_cast<double>(out.rows[0].error) * found.norm() + 1e-5 * truth.norm();
}
inline bool is_log_z_outside(const AttentionOutput& out, double z) {
  return std::abs(out.log_sum_exp(0, 0) - std::log(z)) >
         static_cast<double>(out.rows[0].log_z_error) + 1e-5;
}

/// A fixed budget of draws by codes.
inline KnnAttentionOptions shard_options(std::size_t draws) {
  KnnAttentionOptions options = plain_options();
  options.accuracy = std::nullopt;
  options.tail_samples = draws;
  return options;
}

/// What happened to `log_z_error` beside `error`.
struct ShardCounts {
  HonestyCount merged, log_z, parts;
  double width = 0.0;  ///< mean reported error of the merged rows
};

/// Decodes every query in each shard and merges the rows, after `prepare` has seen each of them.
/// `epsilon`: what a row that says "met" promises.
template <class Prepare>
ShardCounts merge_shards(const std::vector<DecodeProblem>& shards,
                         const KnnAttentionOptions& options, std::uint64_t seed, Prepare&& prepare,
                         double epsilon = std::numeric_limits<double>::infinity()) {
  ShardCounts counts;
  std::vector<AttentionOutput> sums;
  ShardTruth all(shards.front());
  for (std::size_t s = 0; s < shards.size(); ++s) {
    const ShardTruth own(shards[s]);
    if (s > 0) {
      all.numerators += own.numerators;
      all.normalisers += own.normalisers;
    }
    const KeyValueCache<float> cache = cache_of(shards[s]);
    auto decoder = decoder_of(shards[s], options);
    PhiloxEngine engine(seed, s);
    for (Eigen::Index i = 0; i < own.normalisers.size(); ++i) {
      AttentionOutput out;
      decoder.decode(cache, shards[s].queries.row(i), engine, out);
      counts.parts.add(false, false, is_outside(out, own.output(i)),
                       out.rows[0].path == AttentionPath::exact);
      prepare(out);
      const auto at = static_cast<std::size_t>(i);
      if (s == 0)
        sums.push_back(std::move(out));
      else
        sums[at] = merge(sums[at], out);
    }
  }
  for (Eigen::Index i = 0; i < all.normalisers.size(); ++i) {
    const AttentionOutput& out = sums[static_cast<std::size_t>(i)];
    const Vector<double> truth = all.output(i);
    const double off = (out.values.row(0).transpose().cast<double>() - truth).norm();
    const bool exact = out.rows[0].path == AttentionPath::exact;
    counts.merged.add(out.rows[0].target_met, off > epsilon * truth.norm(), is_outside(out, truth),
                      exact);
    counts.log_z.add(false, false, is_log_z_outside(out, all.normalisers[i]), exact);
    counts.width += static_cast<double>(out.rows[0].error) / static_cast<double>(sums.size());
  }
  return counts;
}

}  // namespace lazygumbel::testing

#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <lazygumbel/attention/knn/knn_attention.hpp>
#include <vector>

#include "attention_reference.hpp"
#include "statistics.hpp"

/// \file
/// What the laws of sampled prefill are tested on, for the tests and for their negative controls.

namespace lazygumbel::testing {

inline AttentionOutput run_prefill(const HeadsProblem& problem, const KnnAttentionOptions& options,
                                   std::uint64_t seed, AttentionTape* tape = nullptr) {
  const KnnAttention<> attention(problem.sizes.heads, problem.sizes.kv_heads, problem.sizes.d,
                                 problem.sizes.dv, options);
  PhiloxEngine engine(seed);
  return attention.forward(problem.q(), problem.k(), problem.v(), engine, tape);
}

/// 32 draws from a tail of 640 keys, 20 to a stretch, behind 4 sinks and before 12 last keys; a few
/// lists are met.
inline KnnAttentionOptions fixed_prefill() {
  KnnAttentionOptions options;
  options.index = KeyIndex::lists;  // however few the queries are
  options.accuracy = std::nullopt;
  options.tail_samples = 32;
  options.sinks = 4;
  options.window = 12;
  options.top_k = 40;
  options.minimum_keys = 64;
  return options;
}
inline constexpr std::size_t fixed_keys = 656;

/// The keys that a query (one head, one kv head) meets with certainty.
inline std::vector<item_id> certain_keys(const AttentionTape& tape, std::size_t query) {
  std::vector<item_id> keys;
  for (const auto& segment : tape.segments)
    for (std::size_t p = 0; p < segment.queries; ++p) {
      if (tape.order[segment.first + p] != query) continue;
      for (const auto& block : segment.blocks)
        for (std::size_t i = 0; i < block.rows.size(); ++i) {
          if (block.sampled || block.rows[i] != p) continue;
          const std::size_t met = block.limits.empty() ? block.keys.size() : block.limits[i];
          keys.insert(keys.end(), block.keys.begin(),
                      block.keys.begin() + static_cast<std::ptrdiff_t>(met));
        }
    }
  return keys;
}

/// Log Z^ and o^ of one seed: m rows of dv.
using PrefillRun = std::function<AttentionOutput(std::uint64_t seed)>;

/// z-scores of the means, over seeds, of Z^ / Z and of the coordinates of N^ / Z of every query.
/// One head.
inline std::vector<double> prefill_z_scores(const ReferenceAttention& truth, std::size_t runs,
                                            const PrefillRun& run) {
  const Eigen::Index m = truth.values.rows(), dv = truth.values.cols();
  std::vector<std::vector<double>> seen(static_cast<std::size_t>(m * (dv + 1)));
  for (std::size_t seed = 0; seed < runs; ++seed) {
    const AttentionOutput out = run(seed);
    for (Eigen::Index i = 0; i < m; ++i) {
      const double z = std::exp(out.log_sum_exp(i, 0) - truth.log_sum_exp(i, 0));
      auto* const of = seen.data() + i * (dv + 1);
      for (Eigen::Index c = 0; c < dv; ++c)
        of[c].push_back(z * static_cast<double>(out.values(i, c)) - truth.values(i, c));
      of[dv].push_back(z - 1.0);
    }
  }
  std::vector<double> scores;
  for (const auto& values : seen) scores.push_back(z_of_mean(values, 0.0));
  return scores;
}

/// Rows whose error exceeds what was allowed, of those that were sampled. Rows of one run share
/// their draws: the standard error is over runs.
class PrefillCoverage {
 public:
  /// `allowed` of a row: relative to |o^|.
  template <class Allowed>
  void add(const AttentionOutput& out, const ReferenceAttention& truth, Allowed&& allowed) {
    double sampled = 0.0, missed = 0.0;
    for (std::size_t i = 0; i < out.rows.size(); ++i) {
      if (out.rows[i].path == AttentionPath::exact) continue;
      const auto row = static_cast<Eigen::Index>(i);
      const auto found = out.values.row(row).cast<double>();
      ++sampled;
      missed += (found - truth.values.row(row)).norm() > allowed(out.rows[i]) * found.norm();
    }
    sampled_.push_back(sampled);
    missed_.push_back(missed);
    rows_ += static_cast<double>(out.rows.size());
  }

  double sampled() const { return sum(sampled_); }
  double rows() const { return rows_; }
  double misses() const { return sum(missed_) / sampled(); }
  double standard_error() const {
    double squares = 0.0;
    for (std::size_t s = 0; s < sampled_.size(); ++s)
      squares += std::pow(missed_[s] - misses() * sampled_[s], 2);
    return std::sqrt(squares) / sampled();
  }

 private:
  static double sum(const std::vector<double>& values) {
    double total = 0.0;
    for (const double x : values) total += x;
    return total;
  }

  std::vector<double> sampled_, missed_;
  double rows_ = 0.0;
};

/// P(|X|^2 > c^2 E |X|^2) of a Gaussian vector X of `freedom` equal directions.
inline double factor_misses(double freedom, double c) {
  return boost::math::gamma_q(0.5 * freedom, 0.5 * freedom * c * c);
}

}  // namespace lazygumbel::testing

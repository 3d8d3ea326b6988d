#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "mwem_selection.hpp"

namespace lazygumbel::testing {

/// A SelectionCase and other weights, at which a scan was made before.
struct ClippedCase {
  SelectionCase selection;
  std::vector<double> scanned;

  static ClippedCase make(std::size_t m, double spread, std::uint64_t seed) {
    SelectionCase c = SelectionCase::make(m, spread, seed);
    // A third of the way to the table: errors were smaller then, so that they are clipped now.
    std::vector<double> scanned(c.weights);
    for (std::size_t x = 0; x < scanned.size(); ++x)
      scanned[x] += 0.3 * (static_cast<double>(c.table.counts()[x]) - scanned[x]);
    return {std::move(c), std::move(scanned)};
  }

  Vector<double> theta() const { return theta_of(selection.weights, selection.scale()); }
  Vector<double> scanned_theta() const { return theta_of(scanned, selection.scale()); }

  /// min(s |e_j(A)|, s |e_j(A0)| + allowance).
  std::vector<double> clipped_scores(double allowance) const {
    std::vector<double> scores = exact_scores(selection.weights);
    const std::vector<double> then = exact_scores(scanned);
    for (std::size_t j = 0; j < scores.size(); ++j)
      scores[j] = std::min(scores[j], then[j] + allowance);
    return scores;
  }

  std::vector<double> law(double allowance) const { return softmax(clipped_scores(allowance)); }

  /// How many scores are clipped, by more than .05.
  std::size_t clipped(double allowance) const {
    const std::vector<double> scores = exact_scores(selection.weights);
    const std::vector<double> low = clipped_scores(allowance);
    std::size_t count = 0;
    for (std::size_t j = 0; j < scores.size(); ++j) count += scores[j] > low[j] + 0.05;
    return count;
  }

  std::vector<double> exact_scores(const std::vector<double>& weights) const {
    return brute_force_scores(selection.workload, selection.table, weights, selection.scale());
  }

  /// Of a sample of one query, which moved a little but not much.
  std::uint64_t seed() const {
    const auto now = exact_scores(selection.weights);
    double most = 0.0;
    for (const double score : now) most = std::max(most, score);
    const ErrorScores scores(selection.workload, selection.table);
    for (std::uint64_t seed = 1;; ++seed) {
      ClippedErrorIndex index(
          scores, {.code_bits = 0, .largest_drift = 1e9, .sample = 1, .margin = 1.0, .seed = seed});
      index.prepare(scanned_theta());
      index.prepare(theta());
      if (index.allowance() > 0.01 * most && index.allowance() < 0.1 * most) return seed;
    }
  }
};

}  // namespace lazygumbel::testing

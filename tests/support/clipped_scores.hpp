#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <lazygumbel/core/log_sum_exp.hpp>
#include <lazygumbel/privacy/accounting/neighbours.hpp>
#include <utility>
#include <vector>

#include "workloads.hpp"

/// \file
/// Clipped scores by the definition in clipped_error_index.hpp, in plain loops, right and with two
/// mistakes that would not be private; neighbouring tables and sequences of weights to try them on.

namespace lazygumbel::testing {

using Counts = std::vector<std::int64_t>;

/// Counts and a neighbour of them. Under replace_one the table has a record at least.
inline std::pair<Counts, Counts> random_neighbours(std::size_t cells, std::int64_t records,
                                                   Neighbours neighbours, PhiloxEngine& engine) {
  const auto any = [&] { return uniform_index(static_cast<std::uint32_t>(cells), engine); };
  Counts before(cells, 0);
  // Most records in a few cells.
  for (int part = 0; part < 4; ++part) before[any()] += records / 4;
  std::size_t from = any();
  const std::size_t to = any();
  if (neighbours == Neighbours::replace_one && before[from] == 0) ++before[from];
  Counts after = before;
  if (neighbours == Neighbours::replace_one) --after[from];
  ++after[to];
  if (uniform_index(2, engine) == 0) std::swap(before, after);
  return {std::move(before), std::move(after)};
}

/// Moves weights as fits do, by factors exp(+-size), the sum kept.
inline void move_weights(std::vector<double>& weights, double size, PhiloxEngine& engine) {
  double sum = 0.0, moved = 0.0;
  for (const double w : weights) sum += w;
  for (double& w : weights) moved += w *= std::exp(size * (2.0 * open_uniform(engine) - 1.0));
  for (double& w : weights) w *= sum / moved;
}

enum class Clipping {
  right,
  allowance_from_errors,  ///< U from how far the errors moved, which depends on h: | |e| - |e0| |
  schedule_from_errors    ///< scans when many proposals are expected, which depends on h
};

class PlainClippedScores {
 public:
  PlainClippedScores(std::vector<std::vector<int>> queries, Counts counts, Clipping clipping,
                     double largest_drift, std::vector<std::size_t> sample)
      : queries_(std::move(queries)),
        counts_(std::move(counts)),
        sample_(std::move(sample)),
        largest_drift_(largest_drift),
        clipping_(clipping) {}

  /// Of all queries, with a margin of 1; scans first where the rule says so.
  std::vector<double> next(const std::vector<double>& weights, double scale) {
    const std::vector<double> now = errors_at(weights);
    double allowance = 0.0;
    if (!base_.empty()) {
      double moved = 0.0;
      for (const std::size_t i : sample_) {
        double answer = 0.0;
        for (std::size_t x = 0; x < weights.size(); ++x)
          answer += queries_[i][x] * (weights[x] - scanned_[x]);
        moved = std::max(moved, clipping_ == Clipping::allowance_from_errors
                                    ? std::abs(std::abs(now[i]) - std::abs(base_[i]))
                                    : std::abs(answer));
      }
      allowance = scale * moved;
    }
    if (base_.empty() || must_scan(now, allowance, scale)) {
      base_ = now;
      scanned_ = weights;
      allowance = 0.0;
      ++scans;
    }
    std::vector<double> scores;
    for (std::size_t j = 0; j < now.size(); ++j) {
      const double clip = scale * std::abs(base_[j]) + allowance, score = scale * std::abs(now[j]);
      clipped += score > clip;
      scores.push_back(std::min(score, clip));
    }
    return scores;
  }

  std::size_t clipped = 0, scans = 0;  ///< how many scores were, so far

 private:
  std::vector<double> errors_at(const std::vector<double>& weights) const {
    std::vector<double> errors;
    for (const auto& query : queries_) {
      double error = 0.0;
      for (std::size_t x = 0; x < query.size(); ++x)
        error += query[x] * (static_cast<double>(counts_[x]) - weights[x]);
      errors.push_back(error);
    }
    return errors;
  }

  bool must_scan(const std::vector<double>& now, double allowance, double scale) const {
    if (clipping_ != Clipping::schedule_from_errors) return allowance > largest_drift_;
    std::vector<double> bounds, scores;
    for (std::size_t j = 0; j < now.size(); ++j) {
      bounds.push_back(scale * std::abs(base_[j]) + allowance);
      scores.push_back(std::min(bounds.back(), scale * std::abs(now[j])));
    }
    return log_sum_exp(std::span<const double>(bounds)) -
               log_sum_exp(std::span<const double>(scores)) >
           largest_drift_;
  }

  std::vector<std::vector<int>> queries_;
  Counts counts_;
  std::vector<std::size_t> sample_;
  std::vector<double> base_, scanned_;
  double largest_drift_;
  Clipping clipping_;
};

}  // namespace lazygumbel::testing

#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "lazygumbel/core/log_sum_exp.hpp"
#include "lazygumbel/core/types.hpp"
#include "lazygumbel/index/ivf/detail/grouped_tail.hpp"
#include "lazygumbel/index/ivf/detail/list_directory.hpp"
#include "lazygumbel/index/tail.hpp"
#include "lazygumbel/random/uniform.hpp"

namespace lazygumbel {

/// Proposals for importance sampling after a search in inverted lists. The items of scanned lists
/// have intensity exp(score), so their weight is 1. An item of another list g has intensity
/// exp(t_g) + u: t_g is what the list's centroid and spread say of the scores in it, and the
/// defensive u, the same for all of them, keeps weights bounded when a list is not what it seemed
/// [Hesterberg, "Weighted Average Importance Sampling and Defensive Mixture Distributions",
/// Technometrics 37(2), 1995].
///
/// Refers to the index that filled it, which must stay where and as it is. const members are
/// thread-safe.
template <std::same_as<double> Real>  // a template: core/detail/later.hpp
class BasicListProposals {
 public:
  /// The uniform component's share of the total rate.
  static constexpr double defensive_share = 0.1;

  BasicListProposals() = default;

  /// `tilts[g]` = t_g, or -inf for a scanned list; `ids` and `scores`: the scanned items that are
  /// not in the head, no score above that of `scores`; `bounds`: on the scores in each list,
  /// for `hidden_excess`. O(lists + ids).
  void assign(const detail::ListDirectory& directory, Eigen::ArrayX<Real> tilts,
              std::vector<item_id> ids, std::vector<double> scores,
              Eigen::ArrayX<Real> bounds = {}) {
    directory_ = &directory;
    bounds_ = std::move(bounds);
    assign_scanned(std::move(ids), std::move(scores));
    std::size_t unscanned = 0;
    LogSumExp tilted;
    for (std::size_t g = 0; g < directory.lists(); ++g) {
      const double tilt = tilts[static_cast<Eigen::Index>(g)];
      if (tilt == none) continue;
      unscanned += directory.items(g).size();
      tilted.add(directory.log_count(g) + tilt);
    }
    smallest_ = -none;
    if (unscanned > 0) {
      const double uniform = std::log(defensive_share / (1.0 - defensive_share)) +
                             log_add_exp(tilted.value(), log_scanned_) -
                             std::log(static_cast<double>(unscanned));
      for (double& t : tilts) {
        if (t == none) continue;
        t = log_add_exp(t, uniform);
        smallest_ = (std::min)(smallest_, t);
      }
    }
    unscanned_.assign(directory, std::move(tilts));
    log_rate_ = log_add_exp(unscanned_.log_rate(), log_scanned_);
    scanned_share_ = log_scanned_ == none ? 0.0 : std::exp(log_scanned_ - log_rate_);
  }

  double log_rate() const noexcept { return log_rate_; }

  /// O(log lists + log scanned items). Throws std::invalid_argument when log_rate() is -inf.
  template <BitGenerator Engine>
  Proposal propose(Engine& engine) const {
    if (ids_.empty() || (smallest_ != -none && open_uniform(engine) >= scanned_share_))
      return unscanned_.propose(engine);
    const double target = open_uniform(engine) * cumulative_.back();
    const auto found = std::upper_bound(cumulative_.begin(), cumulative_.end() - 1, target);
    const auto i = static_cast<std::size_t>(found - cumulative_.begin());
    return {ids_[i], log_intensities_[i]};
  }

  /// The most by which the weights exp(score - log intensity) of items with `share` of all
  /// intensity may exceed `mean` on average, times that share: the lists first that may weigh most
  /// for how often they are proposed. In list g weights are at most exp(U_g - t_g), with U_g the
  /// list's bound, in scanned lists 1. Scores are cap tanh(score / cap) where cap > 0. inf where
  /// that overflows. Precondition: bounds were given. O(lists).
  double hidden_excess(double share, double mean, double cap = 0.0) const {
    const auto capped = [&](double score) {
      return cap > 0.0 ? cap * std::tanh(score / cap) : score;
    };
    std::vector<std::pair<double, double>> parts;  // log of the largest weight, mass
    for (Eigen::Index g = 0; g < unscanned_.bounds().size(); ++g) {
      const double intensity = unscanned_.bounds()[g];
      if (intensity == none) continue;
      parts.emplace_back(
          capped(bounds_[g]) - intensity,
          std::exp(directory_->log_count(static_cast<std::size_t>(g)) + intensity - log_rate_));
    }
    if (!ids_.empty())
      parts.emplace_back((std::max)(0.0, capped(least_scanned_) - least_scanned_), scanned_share_);
    std::make_heap(parts.begin(), parts.end());
    double sum = 0.0;
    for (auto end = parts.end(); end != parts.begin() && share > 0.0; --end) {
      std::pop_heap(parts.begin(), end);
      const double above = std::exp((end - 1)->first) - mean;
      if (above <= 0.0) break;
      const double taken = (std::min)(share, (end - 1)->second);
      sum += taken * above;
      share -= taken;
    }
    return sum;
  }

  /// Scanned items have weight at most 1; the others at most exp(U) over their intensity.
  double log_largest_weight(double bound) const noexcept {
    const double unscanned = smallest_ == -none ? none : bound - smallest_;
    return ids_.empty() ? unscanned : (std::max)(0.0, unscanned);
  }

 private:
  static constexpr double none = -std::numeric_limits<double>::infinity();

  void assign_scanned(std::vector<item_id> ids, std::vector<double> scores) {
    ids_ = std::move(ids);
    log_intensities_ = std::move(scores);
    cumulative_.resize(ids_.size());
    log_scanned_ = none;
    if (ids_.empty()) return;
    const auto count = static_cast<Eigen::Index>(ids_.size());
    Eigen::Map<Eigen::ArrayX<Real>> logs(log_intensities_.data(), count);
    Eigen::Map<Eigen::ArrayX<Real>> weights(cumulative_.data(), count);
    const double high = logs.maxCoeff();
    least_scanned_ = logs.minCoeff();
    logs = (logs.max)(high - 700.0);  // no weight may underflow to zero
    weights = (logs - high).exp();
    std::partial_sum(cumulative_.begin(), cumulative_.end(), cumulative_.begin());
    log_scanned_ = high + std::log(cumulative_.back());
  }

  std::vector<item_id> ids_;             // scanned, outside the head
  std::vector<double> log_intensities_;  // of ids_
  std::vector<double> cumulative_;       // of their weights
  BasicGroupedTail<Real> unscanned_;
  const detail::ListDirectory* directory_ = nullptr;
  Eigen::ArrayX<Real> bounds_;
  double least_scanned_ = none;
  double smallest_ = -none;  // log intensity outside the scanned lists
  double log_scanned_ = none, log_rate_ = none, scanned_share_ = 0.0;
};

using ListProposals = BasicListProposals<double>;

static_assert(TailProposals<ListProposals>);

}  // namespace lazygumbel

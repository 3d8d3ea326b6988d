#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/core/log_sum_exp.hpp"
#include "lazygumbel/index/mips_index.hpp"
#include "lazygumbel/index/tail.hpp"
#include "lazygumbel/privacy/accounting/detail/rounding.hpp"
#include "lazygumbel/privacy/lp/detail/vertex_scores.hpp"
#include "lazygumbel/random/categorical.hpp"

namespace lazygumbel::detail {

/// The process of proposals of a StaleVertexIndex: vertex j with intensity exp(b_j), b_j its bound
/// in nats.
class VertexTail {
 public:
  VertexTail() = default;
  explicit VertexTail(std::vector<double> log_intensities)
      : bounds_(std::move(log_intensities)), law_(bounds_) {}

  double log_rate() const noexcept { return law_.log_total(); }

  template <BitGenerator Engine>
  Proposal propose(Engine& engine) const {
    const auto id = static_cast<item_id>(law_(engine));
    return {id, bounds_[id]};
  }

  bool may_exceed(item_id id, double t) const noexcept { return bounds_[id] > t; }

 private:
  std::vector<double> bounds_;
  Categorical law_;
};

static_assert(DominatingTail<VertexTail>);

/// The index of certified lazy selection over VertexScores. Items are the scores at the weights y
/// of the last `moved`, in one dimension, a query is theta = (c), c > 0: score(theta, j) = c
/// S_j(y). A score that was computed for earlier weights y_u bounds the one for y_t:
///
///   S_j(y_t) <= S_j(y_u) + h_j (|y_{u+1} - y_u|_1 + ... + |y_t - y_{t-1}|_1),
///
/// h_j half of the range of C_{., j}, as the sum of y does not change. A search rescores the
/// vertices of largest bounds, one by one, while one is expected to be proposed once or more, or
/// all the others together more often than `proposal_budget`. Every rescored vertex has a fresh
/// bound, proposals included. Certified: the law is that of the scores.
///
/// PRIVATE. Not thread-safe: searches and scores remember what they computed. Refers to the scores,
/// which must outlive it.
template <std::same_as<double> Real>  // a template: core/detail/later.hpp
class BasicStaleVertexIndex {
 public:
  using scalar_type = double;
  using tail_type = VertexTail;
  static constexpr std::size_t preferred_k = 32;

  /// Throws std::invalid_argument on a negative or NaN budget; 0 is for max(1, d / 64).
  explicit BasicStaleVertexIndex(const VertexScores& scores, double proposal_budget = 0.0)
      : scores_(&scores), budget_(proposal_budget), known_(scores.size()) {
    if (!(proposal_budget >= 0.0))
      throw_invalid("proposal_budget", proposal_budget, "must not be negative");
    if (budget_ == 0.0) budget_ = (std::max)(1.0, static_cast<double>(scores.size()) / 64.0);
    for (std::size_t j = 0; j < known_.size(); ++j) known_[j].half_range = scores.half_range(j);
  }
  explicit BasicStaleVertexIndex(const VertexScores&&, double = 0.0) = delete;

  /// The weights are now `weights`, which must outlive the next searches, at most `distance` in
  /// |.|_1 from where they were.
  void moved(std::span<const double> weights, double distance) {
    weights_ = weights;
    path_ = next_up(path_ + distance);
    ++step_;
  }

  std::size_t size() const noexcept { return scores_->size(); }
  static constexpr std::size_t dimension() noexcept { return 1; }
  /// Scores computed so far, O(m) each.
  std::size_t rows_scored() const noexcept { return rows_scored_; }

  double score(const VectorView<double>& theta, item_id id) const {
    return theta[0] * fresh_score(id);
  }

  void search(const VectorView<double>& theta, std::size_t k, Retrieval& found) const {
    VertexTail tail;
    search_with_tail(theta, k, found, tail, 1);
  }

  /// Throws std::invalid_argument unless theta is one positive number and k >= 1.
  void search_with_tail(const VectorView<double>& theta, std::size_t k, Retrieval& found,
                        VertexTail& tail, std::size_t) const {
    require_query<Real>("theta", theta, 1);
    if (!(theta[0] > 0.0)) throw_invalid("theta(0)", theta[0], "must be positive");
    if (k == 0) throw_invalid("k", k, "must be at least 1");
    rescore_in_reach(theta[0]);

    std::vector<item_id> fresh;
    for (item_id id = 0; id < size(); ++id)
      if (is_fresh(id)) fresh.push_back(id);
    const std::size_t count = (std::min)(k, fresh.size());
    const auto better = [&](item_id a, item_id b) { return known_[a].score > known_[b].score; };
    std::partial_sort(fresh.begin(), fresh.begin() + static_cast<std::ptrdiff_t>(count),
                      fresh.end(), better);
    found.clear();
    found.ids.assign(fresh.begin(), fresh.begin() + static_cast<std::ptrdiff_t>(count));
    std::vector<double> bounds(size());
    for (item_id id = 0; id < size(); ++id) bounds[id] = next_up(theta[0] * bound(id));
    for (const item_id id : found.ids) {
      found.scores.push_back(score(theta, id));
      bounds[id] = -std::numeric_limits<double>::infinity();
    }
    found.residual_bound = *std::max_element(bounds.begin(), bounds.end());
    found.guarantee = Guarantee::certified();
    tail = VertexTail(std::move(bounds));
  }

 private:
  struct Known {
    double score = 0.0, path = 0.0, half_range = 0.0;
    std::size_t step = 0;  // of the score; 0: none yet
  };

  bool is_fresh(item_id id) const noexcept { return known_[id].step == step_; }

  double fresh_score(item_id id) const {
    Known& known = known_[id];
    if (known.step != step_) {
      ++rows_scored_;
      known.score = scores_->score(weights_, id);
      known.path = path_;
      known.step = step_;
    }
    return known.score;
  }

  /// Of S_j as computed now. 2^-38 is for the roundings of both scores and of the sum of y, as in
  /// constraint_lp_sensitivity; the path is rounded up.
  double bound(item_id id) const noexcept {
    const Known& known = known_[id];
    if (known.step == step_) return known.score;
    if (known.step == 0) return 1.0 + 0x1p-38;  // |C| <= 1, sum y <= 1
    const double raise = known.half_range * ((path_ - known.path) * (1.0 + 0x1p-40));
    return (std::min)(1.0, known.score + raise) + 0x1p-38;
  }

  void rescore_in_reach(double scale) const {
    std::vector<std::pair<double, item_id>> stale;
    LogSumExp reached;
    for (item_id id = 0; id < size(); ++id) {
      if (is_fresh(id))
        reached.add(scale * known_[id].score);
      else
        stale.emplace_back(scale * bound(id), id);
    }
    std::sort(stale.begin(), stale.end(), [](const auto& a, const auto& b) { return a > b; });
    std::vector<double> log_rest(stale.size());  // of the bounds from here on
    LogSumExp rest;
    for (std::size_t i = stale.size(); i-- > 0;) {
      rest.add(stale[i].first);
      log_rest[i] = rest.value();
    }
    for (std::size_t i = 0; i < stale.size(); ++i) {
      const double log_partition = reached.value();  // at most
      if (stale[i].first < log_partition && log_rest[i] <= log_partition + std::log(budget_)) break;
      reached.add(scale * fresh_score(stale[i].second));
    }
  }

  const VertexScores* scores_;
  double budget_;
  std::span<const double> weights_;
  double path_ = 0.0;
  std::size_t step_ = 0;
  mutable std::vector<Known> known_;
  mutable std::size_t rows_scored_ = 0;
};

using StaleVertexIndex = BasicStaleVertexIndex<double>;

static_assert(TailIndex<StaleVertexIndex>);

}  // namespace lazygumbel::detail

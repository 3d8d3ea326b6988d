#pragma once

#include <algorithm>
#include <cstddef>
#include <lazygumbel/index/mips_index.hpp>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

namespace lazygumbel::testing {

/// An index over one-dimensional rows, so that its scores for theta = (1) are any numbers that a
/// test wants (-inf: masked), with every way to be right or wrong about them: items that search
/// never finds, fewer than k answers, a stated bound that is too low or too high. Search is O(k).
/// theta must be positive.
class ScoreIndex {
 public:
  using scalar_type = double;

  explicit ScoreIndex(std::vector<double> item_scores) : scores_(std::move(item_scores)) {
    order_.resize(scores_.size());
    std::iota(order_.begin(), order_.end(), item_id{0});
    std::stable_sort(order_.begin(), order_.end(),
                     [&](item_id a, item_id b) { return scores_[a] > scores_[b]; });
  }

  /// Search never returns these.
  ScoreIndex& hide(const std::vector<item_id>& ids) {
    std::erase_if(order_,
                  [&](item_id id) { return std::find(ids.begin(), ids.end(), id) != ids.end(); });
    return *this;
  }

  /// Search returns at most this many items.
  ScoreIndex& limit(std::size_t at_most) {
    at_most_ = at_most;
    return *this;
  }

  /// States the bound: the best score left out (hidden items included) plus `offset`.
  ScoreIndex& state_bound(double offset, Guarantee guarantee) {
    offset_ = offset;
    guarantee_ = guarantee;
    states_bound_ = true;
    return *this;
  }

  std::size_t size() const { return scores_.size(); }
  std::size_t dimension() const { return 1; }

  double score(const VectorView<double>& query, item_id id) const {
    const double y = scores_[id];
    return y == -std::numeric_limits<double>::infinity() ? y : query[0] * y;
  }

  void search(const VectorView<double>& query, std::size_t k, Retrieval& found) const {
    found.clear();
    const std::size_t count = (std::min)({k, at_most_, order_.size()});
    for (std::size_t i = 0; i < count; ++i) {
      found.ids.push_back(order_[i]);
      found.scores.push_back(score(query, order_[i]));
    }
    if (!states_bound_) return;
    double best = count < order_.size() ? score(query, order_[count])
                                        : -std::numeric_limits<double>::infinity();
    if (order_.size() < scores_.size()) {
      std::vector<bool> visible(scores_.size(), false);
      for (const item_id id : order_) visible[id] = true;
      for (item_id id = 0; id < scores_.size(); ++id)
        if (!visible[id]) best = (std::max)(best, score(query, id));
    }
    found.residual_bound = best + offset_;
    found.guarantee = guarantee_;
  }

 private:
  std::vector<double> scores_;
  std::vector<item_id> order_;
  std::size_t at_most_ = std::numeric_limits<std::size_t>::max();
  double offset_ = 0.0;
  Guarantee guarantee_{};
  bool states_bound_ = false;
};

static_assert(MipsIndex<ScoreIndex>);

}  // namespace lazygumbel::testing

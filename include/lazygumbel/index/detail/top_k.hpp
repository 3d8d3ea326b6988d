#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "lazygumbel/core/types.hpp"

namespace lazygumbel {

/// Keeps the k largest of a stream of (score, id), ties broken by the smaller id, in O(1) amortised
/// a push and O(k) memory. NaN must not be pushed.
template <class Score>
class TopK {
 public:
  explicit TopK(std::size_t k) : k_(k) { kept_.reserve(2 * k); }

  /// Only scores >= threshold() can still enter: test it before `push` in a hot loop.
  Score threshold() const noexcept { return threshold_; }

  void push(Score score, item_id id) {
    kept_.emplace_back(score, id);
    if (kept_.size() >= 2 * k_) shrink();
  }

  /// Sorts what was kept, best first, and returns it; at most k pairs.
  std::vector<std::pair<Score, item_id>>& finish() {
    shrink();
    std::sort(kept_.begin(), kept_.end(), before);
    return kept_;
  }

 private:
  static bool before(const std::pair<Score, item_id>& a, const std::pair<Score, item_id>& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  }

  void shrink() {
    if (k_ == 0) kept_.clear();
    if (kept_.size() < k_ || k_ == 0) return;
    const auto kth = kept_.begin() + static_cast<std::ptrdiff_t>(k_) - 1;
    std::nth_element(kept_.begin(), kth, kept_.end(), before);
    threshold_ = kth->first;
    kept_.resize(k_);
  }

  std::size_t k_;
  Score threshold_ = -std::numeric_limits<Score>::infinity();
  std::vector<std::pair<Score, item_id>> kept_;
};

}  // namespace lazygumbel

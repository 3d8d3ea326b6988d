#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "lazygumbel/core/log_sum_exp.hpp"
#include "lazygumbel/estimation/estimate.hpp"
#include "lazygumbel/index/checked_search.hpp"
#include "lazygumbel/index/complement.hpp"

namespace lazygumbel {

namespace detail {

/// The k that the options ask for; throws std::invalid_argument when it exceeds n or the confidence
/// is out of range.
inline std::size_t resolve_options(const EstimatorOptions& options, std::size_t n) {
  static_cast<void>(Confidence(options.confidence));
  if (n == 0) throw_invalid("index.size()", n, "must be at least 1");
  if (options.k > n) throw_invalid("k", options.k, "exceeds n = " + text_of(n));
  if (options.k > 0) return options.k;
  return static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(n))));
}

}  // namespace detail

/// A retrieval and a growing uniform sample, with replacement, of the items outside it: what every
/// head + tail estimator is made of.
template <MipsIndex Index>
class HeadTail {
 public:
  using scalar_type = typename Index::scalar_type;

  /// Searches. Throws as search_checked does.
  HeadTail(const Index& index, const VectorView<scalar_type>& theta, std::size_t k)
      : index_(index), theta_(theta) {
    search_checked(index, theta, k, head_, sorted_);
    tail_ = Complement(index.size(), sorted_);
  }
  HeadTail(const HeadTail&) = delete;
  HeadTail& operator=(const HeadTail&) = delete;

  const Retrieval& head() const noexcept { return head_; }
  /// N = n - |S|.
  std::size_t tail_size() const noexcept { return tail_.size(); }
  /// True when nothing outside the head can have weight.
  bool tail_is_empty() const noexcept {
    return tail_.size() == 0 || (head_.guarantee.kind == Guarantee::Kind::certified &&
                                 head_.residual_bound == -std::numeric_limits<double>::infinity());
  }

  /// N exp(U) / Z_S: how large the tail could be, relative to the head, if the bound holds. +inf
  /// when the head has no weight.
  double range() const {
    const double log_head = log_sum_exp(std::span<const double>(head_.scores));
    if (log_head == -std::numeric_limits<double>::infinity())
      return std::numeric_limits<double>::infinity();
    return static_cast<double>(tail_.size()) * std::exp(head_.residual_bound - log_head);
  }

  /// visit(id, y) for `count` further uniform tail items. O(d + log k) each. Throws index_error on
  /// a score that is NaN, +inf or above a certified bound.
  template <BitGenerator Engine, class Visit>
  void sample_tail(std::size_t count, Engine& engine, Visit&& visit) const {
    std::array<item_id, 32> ids;
    std::array<double, 32> scores;
    while (count > 0) {
      const std::size_t block = (std::min)(count, ids.size());
      for (std::size_t i = 0; i < block; ++i) ids[i] = tail_.draw(engine);
      score_many(index_, theta_, std::span<const item_id>(ids.data(), block),
                 std::span<double>(scores.data(), block));
      for (std::size_t i = 0; i < block; ++i) {
        const double score = require_score(ids[i], scores[i]);
        if (head_.guarantee.kind == Guarantee::Kind::certified && score > head_.residual_bound)
          detail::throw_index_error("the index certified the bound " +
                                    detail::text_of(head_.residual_bound) + ", item " +
                                    detail::text_of(ids[i]) + " scores " + detail::text_of(score));
        visit(ids[i], score);
      }
      count -= block;
    }
  }

  /// visit(id, y) for all n items.
  template <class Visit>
  void scan(Visit&& visit) const {
    for_each_score(index_, theta_, [&](item_id first, std::span<const double> scores) {
      for (std::size_t i = 0; i < scores.size(); ++i) {
        const auto id = first + static_cast<item_id>(i);
        visit(id, require_score(id, scores[i]));
      }
    });
  }

  EstimateTrace trace() const noexcept {
    return {.head_size = head_.ids.size(), .guarantee = head_.guarantee};
  }

 private:
  static double require_score(item_id id, double score) {
    if (!(score < std::numeric_limits<double>::infinity()))
      detail::throw_index_error("score(theta, " + detail::text_of(id) + ") is " +
                                detail::text_of(score));
    return score;
  }

  const Index& index_;
  Vector<scalar_type> theta_;
  Retrieval head_;
  std::vector<item_id> sorted_;
  Complement tail_;
};

}  // namespace lazygumbel

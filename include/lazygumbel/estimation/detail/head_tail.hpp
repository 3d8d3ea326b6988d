#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/core/log_sum_exp.hpp"
#include "lazygumbel/estimation/estimate.hpp"
#include "lazygumbel/index/checked_search.hpp"
#include "lazygumbel/index/detail/complement.hpp"
#include "lazygumbel/index/tail.hpp"

namespace lazygumbel {

namespace detail {

/// The k that the options ask for; throws std::invalid_argument when it exceeds n or the confidence
/// is out of range.
template <MipsIndex Index>
std::size_t resolve_options(const EstimatorOptions& options, const Index& index) {
  const std::size_t n = index.size();
  static_cast<void>(Confidence(options.confidence));
  if (n == 0) throw_invalid("index.size()", n, "must be at least 1");
  if (options.k > n) throw_invalid("k", options.k, "exceeds n = " + text_of(n));
  return options.k > 0 ? options.k : default_k(index);
}

struct NoProposals {};

template <class Index>
struct OwnProposalsOf {
  using type = NoProposals;
};
template <ProposingIndex Index>
struct OwnProposalsOf<Index> {
  using type = typename Index::proposals_type;
};
template <class Index>
using OwnProposals = typename OwnProposalsOf<Index>::type;

}  // namespace detail

/// A retrieval and a growing sample, with replacement, of the items outside it: what every head +
/// tail estimator is made of. The sample comes from the index's own proposals where it is a
/// ProposingIndex, and is uniform otherwise. An item proposed with probability q_i counts
/// exp(y_i) / q_i = exp(y_i + log weight): the mean of that is the tail's sum, whatever the q.
template <MipsIndex Index>
class HeadTail {
 public:
  using scalar_type = typename Index::scalar_type;
  static constexpr bool has_proposals = ProposingIndex<Index>;

  /// Searches. Throws as search_checked does.
  HeadTail(const Index& index, const VectorView<scalar_type>& theta, std::size_t k)
      : index_(index), theta_(theta) {
    detail::require_query<scalar_type>("theta", theta, index.dimension());
    if constexpr (has_proposals)
      search_checked(index, theta, k, head_, sorted_, proposals_);
    else
      search_checked(index, theta, k, head_, sorted_);
    tail_ = Complement(index.size(), sorted_);
  }
  HeadTail(const HeadTail&) = delete;
  HeadTail& operator=(const HeadTail&) = delete;

  const Retrieval& head() const noexcept { return head_; }
  /// True when nothing outside the head can have weight.
  bool tail_is_empty() const noexcept {
    return tail_.size() == 0 || (head_.guarantee.kind == Guarantee::Kind::certified &&
                                 head_.residual_bound == -infinity);
  }

  /// The log of the largest exp(y_i) / q_i, if the bound holds: log N + U for a uniform sample.
  double log_largest_weight() const {
    return process().log_rate() + process().log_largest_weight(head_.residual_bound);
  }

  /// What the largest exp(y_i) / q_i is relative to the head, which is all of Z that is known
  /// without a sample; +inf when it has no weight. Where the index bounds the tail's sum, the
  /// relative width of these bounds: how much the weights can differ, in the mean over the tail.
  double range() const {
    const double log_head = log_sum_exp(std::span<const double>(head_.scores));
    if constexpr (knows_sum) {
      const double log_known = log_add_exp(log_head, proposals_.log_rate());
      return std::exp(proposals_.log_sum_upper() - log_known) -
             std::exp(proposals_.log_sum_lower() - log_known);
    } else {
      return log_head == -infinity ? infinity : std::exp(log_largest_weight() - log_head);
    }
  }

  /// The most by which the items that no draw met may move the tail's sum from `mean` times their
  /// share of the draws, up if the bound holds, or down; sum and mean in units of exp(unit). The
  /// share is log(1 / delta) / l: that of what l draws miss altogether but with probability delta.
  double hidden_weight(double share, double unit, double mean) const {
    if (share <= 0.0) return 0.0;
    const auto& tail = process();
    const double part = (std::min)(share, 1.0), rate = std::exp(tail.log_rate() - unit);
    if (!(rate < infinity)) return infinity;
    double more = 0.0, less = part * mean;  // weights are at least 0
    if constexpr (requires { tail.hidden_excess(part, mean); })
      more = rate > 0.0 ? rate * tail.hidden_excess(part, mean / rate) : 0.0;
    else
      more = part * (std::max)(0.0, std::exp(log_largest_weight() - unit) - mean);
    if constexpr (requires { tail.hidden_deficit(part, mean); })
      less = rate > 0.0 ? rate * tail.hidden_deficit(part, mean / rate) : 0.0;
    return (std::max)(more, less);
  }

  /// Whether `log_sum_bounds` says anything.
  static constexpr bool knows_sum = requires(const detail::OwnProposals<Index>& proposals) {
    proposals.log_sum_lower();
    proposals.log_sum_upper();
  };

  /// Certain bounds on log Z; -inf and +inf when the index proves none.
  std::pair<double, double> log_sum_bounds() const {
    if constexpr (knows_sum) {
      const double log_head = log_sum_exp(std::span<const double>(head_.scores));
      return {log_add_exp(log_head, proposals_.log_sum_lower()),
              log_add_exp(log_head, proposals_.log_sum_upper())};
    } else {
      return {-infinity, infinity};
    }
  }

  /// visit(id, y, log weight) for `count` further proposals; y = -inf for one that fell on the
  /// head. O(d + log k) each. Throws index_error on a score that is NaN, +inf or above a certified
  /// bound.
  template <BitGenerator Engine, class Visit>
  void sample_tail(std::size_t count, Engine& engine, Visit&& visit) const {
    std::array<Proposal, 32> proposed;
    std::array<item_id, 32> ids;
    std::array<double, 32> scores, log_weights;
    const auto& proposals = process();
    const double log_rate = proposals.log_rate();
    while (count > 0) {
      const std::size_t block = (std::min)(count, ids.size());
      const std::span<Proposal> now(proposed.data(), block);
      if constexpr (requires { proposals.propose_many(now, engine); })
        proposals.propose_many(now, engine);
      else
        for (Proposal& proposal : now) proposal = proposals.propose(engine);
      for (std::size_t i = 0; i < block; ++i) {
        ids[i] = proposed[i].id;
        log_weights[i] = log_rate - proposed[i].log_intensity;
      }
      score_many(index_, theta_, std::span<const item_id>(ids.data(), block),
                 std::span<double>(scores.data(), block));
      for (std::size_t i = 0; i < block; ++i) {
        if (has_proposals && !tail_.contains(ids[i])) {
          visit(ids[i], -infinity, log_weights[i]);
          continue;
        }
        const double score = require_score(ids[i], scores[i]);
        if (head_.guarantee.kind == Guarantee::Kind::certified && score > head_.residual_bound)
          detail::throw_index_error("the index certified the bound " +
                                    detail::text_of(head_.residual_bound) + ", item " +
                                    detail::text_of(ids[i]) + " scores " + detail::text_of(score));
        visit(ids[i], score, log_weights[i]);
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
  static constexpr double infinity = std::numeric_limits<double>::infinity();

  decltype(auto) process() const {
    if constexpr (has_proposals)
      return (proposals_);
    else
      return UniformTail(tail_, 0.0);
  }

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
  detail::OwnProposals<Index> proposals_;
};

}  // namespace lazygumbel

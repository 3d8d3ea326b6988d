#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <memory>
#include <span>
#include <unordered_set>
#include <utility>
#include <vector>

#include "lazygumbel/core/detail/published.hpp"
#include "lazygumbel/core/log_sum_exp.hpp"
#include "lazygumbel/index/checked_search.hpp"
#include "lazygumbel/index/detail/complement.hpp"
#include "lazygumbel/index/gap.hpp"
#include "lazygumbel/index/tail.hpp"
#include "lazygumbel/random/categorical.hpp"
#include "lazygumbel/sampling/draw.hpp"

namespace lazygumbel {

namespace detail {

template <class Index>
struct OwnTail {
  struct type {};
};
template <TailIndex Index>
struct OwnTail<Index> {
  using type = typename Index::tail_type;
};

}  // namespace detail

/// One theta after its retrieval: the head S with its scores, and bounds b_i on the scores of the N
/// = n-|S| other items. Draws from p_i = exp(y_i) / Z by a lazy exponential race. Item i would
/// arrive first at a time Exp(rate exp(y_i)); the head's first arrival is one Exp(Z_S) with a
/// categorical winner; the tail's arrivals are proposed at rate L = sum exp(b_i), item i with
/// probability exp(b_i) / L, and accepted with probability exp(y_i - b_i); only those before the
/// head's first are ever made. Exact when y_i <= b_i for all of the tail (thinning of a Poisson
/// process; docs/algorithms.md, section 1); otherwise the law is that of the scores clipped at b_i,
/// and each clipped proposal is counted. About L / Z proposals a draw: n/k or fewer with an exact
/// top-k [Mussmann, Levy, Ermon 2017].
///
/// The bounds are those of the index's tail where it is a TailIndex, certified then, and otherwise
/// the retrieval's one residual bound U, gap included, for every item.
///
/// All n items are scored instead, once, and later draws taken from these scores in O(log n): after
/// a draw whose proposals went past n, where `score_all` or `assign_exhaustively` ask for it, and
/// where scores beyond 2^32 leave a double too few digits for the noise.
///
/// Holds a copy of theta and a reference to the index, which must outlive it. Sampling is const:
/// many threads may share an Envelope, each with its own engine. (Scores that one thread's draw had
/// to compute then serve the others: which items are drawn depends on who was first, their law does
/// not.) Copies do not take known scores along.
template <MipsIndex Index>
class Envelope {
 public:
  using scalar_type = typename Index::scalar_type;
  /// What the index tells of the tail: its tail_type, or nothing.
  using own_tail_type = typename detail::OwnTail<Index>::type;

  explicit Envelope(const Index& index) : index_(&index) {}
  explicit Envelope(const Index&&) = delete;

  /// Retrieves the head for theta, k items at most, and prepares to draw about `draws` times; `gap`
  /// >= 0 is added to the bounds. Keeps the memory of the last theta. O(search + k log k). Throws
  /// as search_checked does, and std::invalid_argument on a gap that is negative, NaN or infinite.
  void assign(const VectorView<scalar_type>& theta, std::size_t k, Gap gap = 0.0,
              std::size_t draws = 1);

  /// The same with a retrieval made elsewhere (a batch search), which is checked, then taken over:
  /// `retrieval` is left with memory of an earlier one, and so is `tail`.
  void assign(const VectorView<scalar_type>& theta, std::size_t k, Gap gap,
              Retrieval& retrieval) requires(!TailIndex<Index>);

  void assign(const VectorView<scalar_type>& theta, std::size_t k, Gap gap, Retrieval& retrieval,
              own_tail_type& tail) requires TailIndex<Index>;

  /// Scores all n items, and searches for none: draws rest on no bound then. O(n d). Throws
  /// std::invalid_argument on a bad theta, index_error on a score that is NaN or +infinity.
  void assign_exhaustively(const VectorView<scalar_type>& theta);

  /// Scores all n items, for all draws from now on; nothing if that was done. Scores of the tail
  /// above the residual bound are clipped there, and counted as violations, so that the law stays
  /// what it was. O(n d). Throws as `sample` does.
  void score_all(Trace& trace) const;
  /// Whether the search left all n scores, so that `score_all` need not compute them.
  bool has_scores() const noexcept { return !searched_.empty(); }
  /// Whether draws come from all n scores by now.
  bool knows_all() const noexcept { return scores_.get() != nullptr; }

  const Index& index() const noexcept { return *index_; }
  VectorView<scalar_type> theta() const { return theta_; }
  /// The head, best first, and the bound without the gap.
  const Retrieval& head() const noexcept { return retrieval_; }
  /// The items outside the head.
  Complement tail() const noexcept { return {index_->size(), sorted_}; }
  /// log Z_S = log sum over the head of exp(y_i).
  double log_head() const noexcept { return categorical_.log_total(); }
  /// U, gap included: no score of the tail exceeds it if the bound holds; -inf when it is empty.
  double residual_bound() const noexcept { return bound_; }
  /// log L: the log of the largest that the tail's sum can be if the bounds hold.
  double log_tail_bound() const noexcept { return log_tail_bound_; }
  /// The trace of no draw yet.
  Trace trace() const noexcept {
    return {.head_size = retrieval_.ids.size(),
            .rows_scored = exhaustive_ ? index_->size() : retrieval_.ids.size(),
            .exhaustive_scans = exhaustive_ ? 1U : 0U,
            .residual_bound = bound_,
            .guarantee = guarantee_};
  }

  /// One draw with its perturbed value; adds its counts to `trace`. O(log k) and O(d) a proposal.
  /// Throws index_error when an item breaks a certified bound, std::invalid_argument when every
  /// item is masked.
  template <BitGenerator Engine>
  Draw sample(Engine& engine, Trace& trace) const;

  /// The K first distinct arrivals, in order (Gumbel top-k). O(k log K) and about L K / Z
  /// proposals; past n proposals the rest of the tail is scored whole, so K = n is legal. Throws as
  /// sample does, and std::invalid_argument unless 1 <= K <= the number of unmasked items.
  template <BitGenerator Engine>
  RankedDraws sample_without_replacement(std::size_t K, Engine& engine) const;

 private:
  static constexpr double infinity = std::numeric_limits<double>::infinity();
  /// Scores of this size are 2^-20 apart.
  static constexpr double largest_score = 4294967296.0;

  void take(const VectorView<scalar_type>& theta, std::size_t k, Retrieval& retrieval);

  void prepare(const VectorView<scalar_type>& theta, Gap gap);

  void forget_scores() noexcept {
    scores_.reset();
    all_.reset();
    searched_.clear();
    exhaustive_ = too_large_ = false;
  }

  /// The index's own tail, or a uniform one at the residual bound (without the gap).
  decltype(auto) process() const noexcept {
    if constexpr (TailIndex<Index>)
      return (tail_);
    else
      return UniformTail(tail(), retrieval_.residual_bound);
  }

  struct Pending {
    double key;        // -log of the arrival time
    double bound;      // b_i, gap included
    double threshold;  // accepted when the score exceeds it: b_i + log(uniform)
    item_id id;
  };

  /// Runs the tail's arrivals in time order (falling keys) while their key exceeds threshold(), and
  /// calls accept(id, key) at the first acceptance of each item. Proposals come in growing blocks
  /// so that the rows of those that may be accepted are fetched together.
  template <class Threshold, class Accept, BitGenerator Engine>
  void race_tail(Threshold&& threshold, Accept&& accept, Engine& engine, Trace& trace) const;

  /// False when the proposal is known to fail without its row.
  template <class Tail>
  bool may_win(const Tail& proposals, const Pending& proposal) const {
    if constexpr (TailIndex<Index>)
      return proposals.may_exceed(proposal.id, proposal.threshold) &&
             !std::binary_search(sorted_.begin(), sorted_.end(), proposal.id);
    else
      return true;
  }

  /// Thinning: true with probability min(1, exp(score - b_i)).
  bool accepted(const Pending& proposal, double score, Trace& trace) const {
    if (score <= proposal.bound) return score > proposal.threshold;
    note_violation(proposal.id, score, proposal.bound, trace);  // NaN too
    return true;
  }

  void note_violation(item_id id, double score, double bound, Trace& trace) const;

  /// The race after the arrival at time exp(-key), with every item of the tail that was not seen
  /// given an arrival of its own: the exponential law has no memory, so item i arrives
  /// Exp(rate exp(min(y_i, U))) later. (`key` must be that of an arrival already dealt with: the
  /// next one would be known to lie before the threshold, and restarting there would be biased.)
  template <class Accept, BitGenerator Engine>
  void finish_exhaustively(double key, const std::unordered_set<item_id>& seen, Accept&& accept,
                           Engine& engine, Trace& trace) const;

  /// A draw from the scores of all items.
  template <BitGenerator Engine>
  Draw sample_known(const std::vector<double>& scores, Engine& engine) const;

  /// Scores all items, those of the tail clipped as a proposal would be, so that a broken bound
  /// gives one law, not a mixture. Violations by items in `seen` were counted before.
  const std::vector<double>& scan(const std::unordered_set<item_id>& seen, Trace& trace) const;

  const Index* index_;
  Vector<scalar_type> theta_;
  Retrieval retrieval_;
  std::vector<item_id> sorted_;
  Categorical categorical_;
  std::vector<double> searched_;                   // all scores, where the search left them
  detail::Published<std::vector<double>> scores_;  // of all items, in the order of their ids
  detail::Published<Categorical> all_;             // over them
  bool exhaustive_ = false;                        // assign_exhaustively
  own_tail_type tail_;
  bool too_large_ = false;  // for a race
  double gap_ = 0.0, bound_ = -infinity, log_tail_bound_ = -infinity;
  Guarantee guarantee_{};
};

}  // namespace lazygumbel

#include "lazygumbel/sampling/detail/envelope_impl.hpp"

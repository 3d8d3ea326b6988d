#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <span>
#include <unordered_set>
#include <utility>
#include <vector>

#include "lazygumbel/core/log_sum_exp.hpp"
#include "lazygumbel/index/checked_search.hpp"
#include "lazygumbel/index/detail/complement.hpp"
#include "lazygumbel/index/gap.hpp"
#include "lazygumbel/index/tail.hpp"
#include "lazygumbel/random/categorical.hpp"
#include "lazygumbel/random/poisson_race.hpp"
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
/// Holds a copy of theta and a reference to the index, which must outlive it. Sampling is const:
/// many threads may share an Envelope, each with its own engine.
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
            .rows_scored = retrieval_.ids.size(),
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

  void take(const VectorView<scalar_type>& theta, std::size_t k, Retrieval& retrieval);

  void prepare(const VectorView<scalar_type>& theta, Gap gap);

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

  const Index* index_;
  Vector<scalar_type> theta_;
  Retrieval retrieval_;
  std::vector<item_id> sorted_;
  Categorical categorical_;
  own_tail_type tail_;
  double gap_ = 0.0, bound_ = -infinity, log_tail_bound_ = -infinity;
  Guarantee guarantee_{};
};

template <MipsIndex Index>
void Envelope<Index>::assign(const VectorView<scalar_type>& theta, std::size_t k, Gap gap,
                             std::size_t draws) {
  if constexpr (TailIndex<Index>)
    search_checked(*index_, theta, k, retrieval_, sorted_, tail_, draws);
  else
    search_checked(*index_, theta, k, retrieval_, sorted_);
  prepare(theta, gap);
}

template <MipsIndex Index>
void Envelope<Index>::assign(const VectorView<scalar_type>& theta, std::size_t k, Gap gap,
                             Retrieval& retrieval) requires(!TailIndex<Index>) {
  take(theta, k, retrieval);
  prepare(theta, gap);
}

template <MipsIndex Index>
void Envelope<Index>::assign(const VectorView<scalar_type>& theta, std::size_t k, Gap gap,
                             Retrieval& retrieval, own_tail_type& tail) requires TailIndex<Index> {
  take(theta, k, retrieval);
  detail::require_certified(retrieval_);
  std::swap(tail_, tail);
  prepare(theta, gap);
}

template <MipsIndex Index>
template <BitGenerator Engine>
Draw Envelope<Index>::sample(Engine& engine, Trace& trace) const {
  Draw draw;
  draw.perturbed = -infinity;
  if (log_head() > -infinity) {
    draw.perturbed = log_head() + gumbel(engine);
    draw.id = retrieval_.ids[categorical_(engine)];
  }
  race_tail([&] { return draw.perturbed; },
            [&](item_id id, double value) {
              if (value > draw.perturbed) draw.id = id, draw.perturbed = value;
            },
            engine, trace);
  if (draw.perturbed == -infinity)
    detail::throw_invalid("theta", draw.perturbed, "every item is masked (scores -infinity)");
  return draw;
}

template <MipsIndex Index>
template <BitGenerator Engine>
RankedDraws Envelope<Index>::sample_without_replacement(std::size_t K, Engine& engine) const {
  if (K == 0 || K > index_->size())
    detail::throw_invalid("K", K, "must lie in 1 .. n = " + detail::text_of(index_->size()));
  // A heap of the K best so far, the worst on top.
  std::vector<std::pair<double, item_id>> best;
  constexpr auto better = std::greater<std::pair<double, item_id>>();
  const auto offer = [&](item_id id, double value) {
    if (best.size() == K && value <= best.front().first) return;
    if (best.size() == K) {
      std::pop_heap(best.begin(), best.end(), better);
      best.pop_back();
    }
    best.emplace_back(value, id);
    std::push_heap(best.begin(), best.end(), better);
  };
  for (std::size_t i = 0; i < retrieval_.ids.size(); ++i)
    if (retrieval_.scores[i] > -infinity)
      offer(retrieval_.ids[i], retrieval_.scores[i] + gumbel(engine));
  RankedDraws answer;
  answer.trace = trace();
  race_tail([&] { return best.size() < K ? -infinity : best.front().first; }, offer, engine,
            answer.trace);
  if (best.size() < K)
    detail::throw_invalid("K", K, "only " + detail::text_of(best.size()) + " items are unmasked");
  std::sort(best.begin(), best.end(), better);
  for (const auto& [value, id] : best) {
    answer.ids.push_back(id);
    answer.perturbed.push_back(value);
  }
  return answer;
}

template <MipsIndex Index>
void Envelope<Index>::take(const VectorView<scalar_type>& theta, std::size_t k,
                           Retrieval& retrieval) {
  detail::require_query<scalar_type>("theta", theta, index_->dimension());
  std::swap(retrieval_, retrieval);
  detail::require_retrieval(*index_, theta, k, retrieval_, sorted_);
}

template <MipsIndex Index>
void Envelope<Index>::prepare(const VectorView<scalar_type>& theta, Gap gap) {
  theta_ = theta;
  categorical_.assign(retrieval_.scores);
  gap_ = gap.value;
  bound_ = retrieval_.residual_bound + gap.value;
  guarantee_ = guarantee_of_sum(retrieval_.guarantee, gap);
  const bool empty = index_->size() == sorted_.size();
  if (empty) bound_ = -infinity;
  log_tail_bound_ = empty ? -infinity : process().log_rate() + gap_;
}

template <MipsIndex Index>
template <class Threshold, class Accept, BitGenerator Engine>
void Envelope<Index>::race_tail(Threshold&& threshold, Accept&& accept, Engine& engine,
                                Trace& trace) const {
  if (log_tail_bound_ == -infinity) return;
  // Bounds of the index's own are near the scores: a proposal or two will do.
  constexpr std::size_t first_block = TailIndex<Index> ? 1 : 4, largest_block = 32;
  std::array<Pending, largest_block> pending;
  std::array<double, largest_block> keys, scores;
  std::array<item_id, largest_block> ids;
  std::unordered_set<item_id> seen;  // accepted so far
  PoissonRace race(log_tail_bound_);
  const auto& proposals = process();
  double key = race.next(engine);
  std::size_t proposed = 0;
  for (std::size_t block = first_block; key > threshold();
       block = (std::min)(2 * block, largest_block)) {
    const bool last = proposed >= index_->size();
    if (last) block = 1;
    std::size_t drawn = 0, count = 0;
    for (; drawn < block && key > threshold(); key = race.next(engine)) {
      keys[drawn++] = key;
      const Proposal proposal = proposals.propose(engine);
      const double bound = proposal.log_intensity + gap_;
      pending[count] = {key, bound, bound + std::log(open_uniform(engine)), proposal.id};
      if (may_win(proposals, pending[count])) ids[count++] = proposal.id;
    }
    score_many(*index_, theta_, std::span<const item_id>(ids.data(), count),
               std::span<double>(scores.data(), count));
    proposed += drawn;
    trace.rows_scored += count;
    for (std::size_t i = 0; i < count && pending[i].key > threshold(); ++i)
      if (accepted(pending[i], scores[i], trace) && seen.insert(ids[i]).second)
        accept(ids[i], pending[i].key);
    while (drawn > 0 && keys[drawn - 1] < threshold()) --drawn;  // made for nothing
    trace.proposals += drawn;
    if (last) return finish_exhaustively(keys[0], seen, accept, engine, trace);
  }
}

template <MipsIndex Index>
void Envelope<Index>::note_violation(item_id id, double score, double bound, Trace& trace) const {
  if (!(score < infinity))
    detail::throw_index_error("score(theta, " + detail::text_of(id) + ") is " +
                              detail::text_of(score));
  if (retrieval_.guarantee.kind == Guarantee::Kind::certified)
    detail::throw_index_error("the index certified the bound " + detail::text_of(bound) +
                              ", item " + detail::text_of(id) + " scores " +
                              detail::text_of(score));
  ++trace.violations;
}

template <MipsIndex Index>
template <class Accept, BitGenerator Engine>
void Envelope<Index>::finish_exhaustively(double key, const std::unordered_set<item_id>& seen,
                                          Accept&& accept, Engine& engine, Trace& trace) const {
  ++trace.exhaustive_scans;
  trace.rows_scored += index_->size();
  std::vector<item_id> skip(sorted_);
  skip.insert(skip.end(), seen.begin(), seen.end());
  std::sort(skip.begin(), skip.end());
  auto next_skip = skip.begin();
  for_each_score(*index_, theta_, [&](item_id first, std::span<const double> scores) {
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const auto id = first + static_cast<item_id>(i);
      if (next_skip != skip.end() && *next_skip == id) {
        ++next_skip;
        continue;
      }
      if (scores[i] == -infinity) continue;
      if (!(scores[i] <= bound_)) note_violation(id, scores[i], bound_, trace);
      // Clipped as a proposal would be, so that a broken bound gives one law, not a mixture.
      const double score = (std::min)(scores[i], bound_);
      const double log_delay = std::log(standard_exponential(engine)) - score;
      accept(id, -log_add_exp(-key, log_delay));
    }
  });
}

}  // namespace lazygumbel

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
#include "lazygumbel/index/complement.hpp"
#include "lazygumbel/random/categorical.hpp"
#include "lazygumbel/random/poisson_race.hpp"
#include "lazygumbel/sampling/draw.hpp"

namespace lazygumbel {

/// One theta after its retrieval: the head S with its scores, and the bound U on the other N =
/// n-|S| items. Draws from p_i = exp(y_i) / Z by a lazy exponential race. Item i would arrive first
/// at a time Exp(rate exp(y_i)); the head's first arrival is one Exp(Z_S) with a categorical
/// winner; the tail's arrivals are proposed at rate L = N exp(U), each naming a uniform item that
/// is accepted with probability exp(y_i - U), and only those before the head's first are ever made.
/// Exact when y_i <= U for all of the tail (thinning of a Poisson process; docs/algorithms.md,
/// section 1); otherwise the law is that of the scores clipped at U, and each clipped proposal is
/// counted. About L / Z proposals a draw: n/k or fewer with an exact top-k [Mussmann, Levy, Ermon
/// 2017].
///
/// Holds a copy of theta and a reference to the index, which must outlive it. Sampling is const:
/// many threads may share an Envelope, each with its own engine.
template <MipsIndex Index>
class Envelope {
 public:
  using scalar_type = typename Index::scalar_type;

  explicit Envelope(const Index& index) : index_(&index) {}
  explicit Envelope(const Index&&) = delete;

  /// Retrieves the k best for theta and prepares to draw; `gap` >= 0 is added to the index's bound.
  /// Keeps the memory of the last theta. O(search + k log k). Throws as search_checked does, and
  /// std::invalid_argument on a gap that is negative, NaN or infinite.
  void assign(const VectorView<scalar_type>& theta, std::size_t k, double gap = 0.0) {
    search_checked(*index_, theta, k, retrieval_, sorted_);
    prepare(theta, gap);
  }

  /// The same with a retrieval made elsewhere (a batch search), which is checked, then taken over:
  /// `retrieval` is left with memory of an earlier one.
  void assign(const VectorView<scalar_type>& theta, std::size_t k, double gap,
              Retrieval& retrieval) {
    detail::require_query<scalar_type>("theta", theta, index_->dimension());
    std::swap(retrieval_, retrieval);
    detail::require_retrieval(*index_, theta, k, retrieval_, sorted_);
    prepare(theta, gap);
  }

  const Index& index() const noexcept { return *index_; }
  VectorView<scalar_type> theta() const { return theta_; }
  /// The head, best first, and the bound without the gap.
  const Retrieval& head() const noexcept { return retrieval_; }
  /// The items outside the head.
  Complement tail() const noexcept { return {index_->size(), sorted_}; }
  /// log Z_S = log sum over the head of exp(y_i).
  double log_head() const noexcept { return categorical_.log_total(); }
  /// U, gap included; -inf when the tail is empty.
  double residual_bound() const noexcept { return bound_; }
  /// log L = log N + U: the largest that the tail's sum can be if the bound holds.
  double log_tail_bound() const noexcept { return log_tail_bound_; }
  /// The trace of no draw yet.
  Trace trace() const noexcept {
    return {.head_size = retrieval_.ids.size(),
            .rows_scored = retrieval_.ids.size(),
            .residual_bound = bound_,
            .guarantee = retrieval_.guarantee};
  }

  /// One draw with its perturbed value; adds its counts to `trace`. O(log k) and O(d) a proposal.
  /// Throws index_error when an item breaks a certified bound, std::invalid_argument when every
  /// item is masked.
  template <BitGenerator Engine>
  Draw sample(Engine& engine, Trace& trace) const {
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

  /// The K first distinct arrivals, in order (Gumbel top-k). O(k log K) and about L K / Z
  /// proposals; past n proposals the rest of the tail is scored whole, so K = n is legal. Throws as
  /// sample does, and std::invalid_argument unless 1 <= K <= the number of unmasked items.
  template <BitGenerator Engine>
  RankedDraws sample_without_replacement(std::size_t K, Engine& engine) const {
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

 private:
  static constexpr double infinity = std::numeric_limits<double>::infinity();

  void prepare(const VectorView<scalar_type>& theta, double gap) {
    if (!(gap >= 0.0 && gap < infinity))
      detail::throw_invalid("gap", gap, "must be finite and not negative");
    theta_ = theta;
    categorical_.assign(retrieval_.scores);
    bound_ = retrieval_.residual_bound + gap;
    log_tail_bound_ = std::log(static_cast<double>(tail().size())) + bound_;
    if (tail().size() == 0) bound_ = log_tail_bound_ = -infinity;
  }

  /// Runs the tail's arrivals in time order (falling keys) while their key exceeds threshold(), and
  /// calls accept(id, key) at the first acceptance of each item. Proposals come in growing blocks
  /// so that their rows are fetched together.
  template <class Threshold, class Accept, BitGenerator Engine>
  void race_tail(Threshold&& threshold, Accept&& accept, Engine& engine, Trace& trace) const {
    if (log_tail_bound_ == -infinity) return;
    constexpr std::size_t largest_block = 32;
    std::array<double, largest_block> keys, scores;
    std::array<item_id, largest_block> ids;
    std::unordered_set<item_id> seen;  // accepted so far
    PoissonRace race(log_tail_bound_);
    const Complement complement = tail();
    double key = race.next(engine);
    std::size_t proposed = 0;
    for (std::size_t block = 4; key > threshold(); block = (std::min)(2 * block, largest_block)) {
      const bool last = proposed >= index_->size();
      if (last) block = 1;
      std::size_t count = 0;
      for (; count < block && key > threshold(); ++count, key = race.next(engine)) {
        keys[count] = key;
        ids[count] = complement.draw(engine);
      }
      score_many(*index_, theta_, std::span<const item_id>(ids.data(), count),
                 std::span<double>(scores.data(), count));
      proposed += count;
      trace.rows_scored += count;
      for (std::size_t i = 0; i < count && keys[i] > threshold(); ++i) {
        ++trace.proposals;
        if (accepted(ids[i], scores[i], engine, trace) && seen.insert(ids[i]).second)
          accept(ids[i], keys[i]);
      }
      if (last) return finish_exhaustively(keys[0], seen, accept, engine, trace);
    }
  }

  /// Thinning: true with probability min(1, exp(score - U)).
  template <BitGenerator Engine>
  bool accepted(item_id id, double score, Engine& engine, Trace& trace) const {
    if (!(score <= bound_)) {  // NaN too
      note_violation(id, score, trace);
      return true;
    }
    return open_uniform(engine) < std::exp(score - bound_);
  }

  void note_violation(item_id id, double score, Trace& trace) const {
    if (!(score < infinity))
      detail::throw_index_error("score(theta, " + detail::text_of(id) + ") is " +
                                detail::text_of(score));
    if (retrieval_.guarantee.kind == Guarantee::Kind::certified)
      detail::throw_index_error("the index certified the bound " + detail::text_of(bound_) +
                                ", item " + detail::text_of(id) + " scores " +
                                detail::text_of(score));
    ++trace.violations;
  }

  /// The race after the arrival at time exp(-key), with every item of the tail that was not seen
  /// given an arrival of its own: the exponential law has no memory, so item i arrives
  /// Exp(rate exp(min(y_i, U))) later. (`key` must be that of an arrival already dealt with: the
  /// next one would be known to lie before the threshold, and restarting there would be biased.)
  template <class Accept, BitGenerator Engine>
  void finish_exhaustively(double key, const std::unordered_set<item_id>& seen, Accept&& accept,
                           Engine& engine, Trace& trace) const {
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
        if (!(scores[i] <= bound_)) note_violation(id, scores[i], trace);
        // Clipped as a proposal would be, so that a broken bound gives one law, not a mixture.
        const double score = (std::min)(scores[i], bound_);
        const double log_delay = std::log(standard_exponential(engine)) - score;
        accept(id, -log_add_exp(-key, log_delay));
      }
    });
  }

  const Index* index_;
  Vector<scalar_type> theta_;
  Retrieval retrieval_;
  std::vector<item_id> sorted_;
  Categorical categorical_;
  double bound_ = -infinity, log_tail_bound_ = -infinity;
};

}  // namespace lazygumbel

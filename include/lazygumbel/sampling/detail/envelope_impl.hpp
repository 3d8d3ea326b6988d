#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <unordered_set>
#include <utility>
#include <vector>

#include "lazygumbel/core/log_sum_exp.hpp"
#include "lazygumbel/index/checked_search.hpp"
#include "lazygumbel/random/gumbel.hpp"
#include "lazygumbel/random/poisson_race.hpp"
#include "lazygumbel/sampling/envelope.hpp"
#include "lazygumbel/sampling/exhaustive.hpp"

namespace lazygumbel {

template <MipsIndex Index>
void Envelope<Index>::assign(const VectorView<scalar_type>& theta, std::size_t k, Gap gap,
                             std::size_t draws) {
  detail::require_query<scalar_type>("theta", theta, index_->dimension());
  forget_scores();
  if constexpr (TailIndex<Index>)
    search_checked(*index_, theta, k, retrieval_, sorted_, tail_, draws);
  else if constexpr (requires { index_->search_scored(theta, k, retrieval_, searched_); })
    if (draws > 1)
      search_checked(*index_, theta, k, retrieval_, sorted_, searched_);
    else
      search_checked(*index_, theta, k, retrieval_, sorted_);
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
void Envelope<Index>::assign_exhaustively(const VectorView<scalar_type>& theta) {
  detail::require_query<scalar_type>("theta", theta, index_->dimension());
  theta_ = theta;
  retrieval_.ids.clear();
  retrieval_.scores.clear();
  sorted_.clear();
  categorical_.assign({});
  forget_scores();
  retrieval_.residual_bound = bound_ = infinity;
  Trace trace;
  scan({}, trace);
  exhaustive_ = true;
  retrieval_.residual_bound = bound_ = log_tail_bound_ = -infinity;
  retrieval_.guarantee = guarantee_ = Guarantee::certified();
}

template <MipsIndex Index>
void Envelope<Index>::score_all(Trace& trace) const {
  if (!knows_all()) scan({}, trace);
}

template <MipsIndex Index>
const std::vector<double>& Envelope<Index>::scan(const std::unordered_set<item_id>& seen,
                                                 Trace& trace) const {
  auto all = std::make_unique<std::vector<double>>(searched_);
  if (!has_scores()) {
    ++trace.exhaustive_scans;
    trace.rows_scored += index_->size();
    all->resize(index_->size());
    for_each_score(*index_, theta_, [&](item_id first, std::span<const double> scores) {
      std::copy(scores.begin(), scores.end(), all->begin() + first);
    });
  }
  auto head = sorted_.begin();
  for (std::size_t i = 0; i < all->size(); ++i) {
    double& score = (*all)[i];
    if (head != sorted_.end() && *head == i) {
      ++head;
      continue;
    }
    const auto id = static_cast<item_id>(i);
    if (!(score <= bound_ && score < infinity) && !seen.contains(id))
      note_violation(id, score, bound_, trace);
    score = (std::min)(score, bound_);
  }
  for (std::size_t i = 0; i < retrieval_.ids.size(); ++i)
    (*all)[retrieval_.ids[i]] = retrieval_.scores[i];
  return scores_.publish(std::move(all));
}

template <MipsIndex Index>
template <BitGenerator Engine>
Draw Envelope<Index>::sample_known(const std::vector<double>& scores, Engine& engine) const {
  const Categorical* all = all_.get();
  if (all == nullptr) all = &all_.publish(std::make_unique<const Categorical>(scores));
  if (all->log_total() == -infinity)
    detail::throw_invalid("theta", -infinity, "every item is masked (scores -infinity)");
  Draw draw;
  draw.id = static_cast<item_id>((*all)(engine));
  draw.perturbed = all->log_total() + gumbel(engine);
  return draw;
}

template <MipsIndex Index>
template <BitGenerator Engine>
Draw Envelope<Index>::sample(Engine& engine, Trace& trace) const {
  if (too_large_) score_all(trace);
  if (const auto* scores = scores_.get()) return sample_known(*scores, engine);
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
  if (scores_.get() || too_large_) {
    Trace scanned = trace();
    score_all(scanned);
    const std::span<const double> scores = *scores_.get();
    const auto masked =
        static_cast<std::size_t>(std::count(scores.begin(), scores.end(), -infinity));
    if (scores.size() - masked < K)
      detail::throw_invalid(
          "K", K, "only " + detail::text_of(scores.size() - masked) + " items are unmasked");
    RankedDraws answer = gumbel_top_k(scores, K, engine);
    answer.trace = scanned;
    return answer;
  }
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
  forget_scores();
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
  const auto large = [](double x) { return std::isfinite(x) && std::abs(x) > largest_score; };
  too_large_ = large(log_head()) || large(bound_) || large(log_tail_bound_);
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
  const std::vector<double>& scores = scan(seen, trace);
  std::vector<item_id> skip(sorted_);
  skip.insert(skip.end(), seen.begin(), seen.end());
  std::sort(skip.begin(), skip.end());
  auto next_skip = skip.begin();
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (next_skip != skip.end() && *next_skip == i) {
      ++next_skip;
      continue;
    }
    if (scores[i] == -infinity) continue;
    const double log_delay = std::log(standard_exponential(engine)) - scores[i];
    accept(static_cast<item_id>(i), -log_add_exp(-key, log_delay));
  }
}

}  // namespace lazygumbel

#pragma once

#include <cmath>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "lazygumbel/attention/knn/detail/prefill/list_choice.hpp"
#include "lazygumbel/attention/knn/detail/prefill/prefill_problem.hpp"
#include "lazygumbel/attention/knn/detail/prefill/row_states.hpp"
#include "lazygumbel/attention/knn/detail/prefill/timed_lists.hpp"
#include "lazygumbel/attention/knn/knn_attention_options.hpp"
#include "lazygumbel/estimation/normal_quantile.hpp"

namespace lazygumbel::detail {

/// When rows are looked at, and what is then promised of them.
///
/// Draws come in batches, each of which makes half as many more. A row is looked at after batch
/// `first_look`, chosen before anything is drawn, and, if it misses its target, a second time
/// after two or four further batches. delta is shared out among these looks - .7, .15 and .15 of it
/// - and half of each share is for what no draw met, half for what the draws say of the rest, so
/// that the promise holds wherever a row stops.
class RowPromises {
 public:
  explicit RowPromises(const KnnAttentionOptions& options) : options_(&options) {}

  /// The draws of batches 0 .. batch.
  std::size_t total_of(std::size_t batch) const {
    std::size_t total = options_->tail_samples;
    for (; batch > 0; --batch) total += total / 2;
    return total;
  }

  /// Where rows of a block over a tail of so many keys may start.
  void set_starts(double tail, PrefillBlock& block) const {
    block.starts = {static_cast<double>(options_->tail_samples)};
    while (options_->accuracy && 12.0 * block.starts.back() <= tail)
      block.starts.push_back(static_cast<double>(total_of(block.starts.size())));
    block.missed.clear();
    for (const double draws : block.starts)
      block.missed.push_back(tail * -std::log(share(0)) / draws);
  }

  /// What a row asks of the lists, after `finish` with the keys that it has met so far: all of it
  /// guesses, which cost time where they are wrong, and nothing else.
  std::optional<ListChoice<>::Start> start(const PrefillBlock& block, const RowStates& states,
                                           const std::vector<double>& center) const {
    if (!options_->accuracy || options_->top_k > 0) return std::nullopt;
    const bool relative = options_->accuracy->scale() == ErrorScale::relative;
    return ListChoice<>::Start{.share = 0.55 * options_->accuracy->epsilon(),
                               .center = 0.5 * states.distance(center),
                               .size = relative ? (std::max)(states.result_norm(), 1e-30) : 1.0,
                               .missed = block.missed,
                               .draws = block.starts};
  }

  /// Error and verdict of row r, after `finish`.
  void judge(const PrefillBlock& block, double tail, const TimedLists<float>& lists,
             std::size_t seen, const RowStates& states, std::size_t r, PrefillRow& row) const {
    const double size = states.result_norm(), delta = share(row.look - row.first_look);
    const auto [error, spread, unseen, of_sum] =
        states.error(r, row.log_sum,
                     {.count = static_cast<double>(row.draws),
                      .size = tail,
                      .reach = block.reach_of(row.look),
                      .most = lists.reach(seen),
                      .degrees = row.degrees,
                      .log_delta = -std::log(delta),
                      .quantile = normal_quantile(1.0 - delta),
                      .unseen = &row.unseen,
                      .center = &lists.center()});
    row.unseen_share = unseen;
    row.of_sum = of_sum;
    row.error = error == 0.0 ? 0.0 : error / size;
    if (!options_->accuracy) return;
    const double epsilon = options_->accuracy->epsilon();
    const double allowed =
        options_->accuracy->scale() == ErrorScale::relative ? epsilon * size : epsilon;
    row.met = error <= allowed;
    row.wanted = 1.2 * static_cast<double>(row.draws) * std::pow(error / allowed, 1.0 + spread);
  }

  /// How many batches to draw before the second look of a row that missed its target; 0: it wants
  /// more draws than pay.
  std::size_t later_look(const PrefillRow& row, std::size_t window) const {
    for (const std::size_t batches : later_looks) {
      const auto total = static_cast<double>(total_of(row.first_look + batches));
      if (row.wanted <= total && 6.0 * total <= static_cast<double>(window)) return batches;
    }
    return 0;
  }

 private:
  static constexpr std::size_t later_looks[] = {2, 4};

  /// The part of delta for either of the two things that may go wrong, at the look after `later`
  /// batches.
  double share(std::size_t later) const {
    if (!options_->accuracy) return 0.5 * 0.05;
    return 0.5 * options_->accuracy->delta() * (later == 0 ? 0.7 : 0.15);
  }

  const KnnAttentionOptions* options_;
};

}  // namespace lazygumbel::detail

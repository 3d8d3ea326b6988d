#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "lazygumbel/attention/exact/attention_output.hpp"
#include "lazygumbel/attention/exact/heads_view.hpp"
#include "lazygumbel/attention/knn/detail/prefill/unseen_bound.hpp"
#include "lazygumbel/attention/knn/knn_attention_options.hpp"

namespace lazygumbel::detail {

/// What all segments of one forward pass share.
template <StorageScalar T>
struct PrefillProblem {
  HeadsView<float> queries;
  HeadsView<T> keys, values;
  const KnnAttentionOptions* options;
  AttentionShape shape;
  std::vector<std::uint32_t> order;  ///< queries by the number of keys that they see
  std::vector<std::uint32_t> seen;   ///< of query order[p]
  std::uint64_t seed;
};

/// A block of queries of a segment, which share a window and draws from the tail.
struct PrefillBlock {
  std::size_t first, count;                       ///< rows
  std::size_t window;                             ///< keys from here on are met by all
  Eigen::ArrayXf counts{};                        ///< of each list's keys before the window
  Eigen::ArrayXf key_reaches{}, value_reaches{};  ///< of the same: TimedLists::reaches
  std::vector<double> drawn_reaches{};            ///< of the values that each batch drew
  std::vector<double> starts{}, missed{};         ///< ListChoice::Start
  bool has_tail = false;
  std::size_t tail = 0;  ///< the plan's block of its first draws

  void note_reach(std::size_t batch, double reach) {
    drawn_reaches.resize((std::max)(drawn_reaches.size(), batch + 1), 0.0);
    drawn_reaches[batch] = reach;
  }
  /// The largest reach of the batches up to `last`, whatever other rows drew.
  double reach_of(std::size_t last) const {
    return *std::max_element(drawn_reaches.begin(),
                             drawn_reaches.begin() + static_cast<std::ptrdiff_t>(last) + 1);
  }
};

/// What is known of one row of a segment.
struct PrefillRow {
  std::uint32_t touched = 0;  ///< keys met with certainty
  std::uint32_t draws = 0;
  double log_sum = 0.0, error = 0.0;
  double of_sum = 0.0;   ///< |Z^ - Z| / Z^
  double degrees = 1.0;  ///< error_degrees
  UnseenBound unseen;
  std::size_t first_look = 0, last_look = 0;  ///< the last batches of draws before each
  std::size_t look = 0;                       ///< the last batch so far
  double wanted = 0.0;                        ///< draws
  double unseen_share = 0.0;                  ///< PlanSegment::unseen
  bool exact = false, met = true;
  std::vector<std::uint32_t> lists;

  /// The row has met these keys, all that it sees.
  void set_exact(std::size_t seen) {
    touched = static_cast<std::uint32_t>(seen);
    draws = 0;
    error = of_sum = unseen_share = 0.0;
    met = true;
  }

  /// Work as a share of exact attention's, about: lists are scored for every row, draws and their
  /// squares cost more than keys, and what is done exactly in the end has mostly been tried before.
  double work(std::size_t seen) const {
    if (touched == seen) return 1.2;
    return 0.15 + (static_cast<double>(touched) + 1.5 * static_cast<double>(draws)) /
                      static_cast<double>(seen);
  }

  /// No tail is drawn: nothing is known of the error.
  void promise_nothing(std::size_t seen, bool with_target) {
    if (exact || touched == seen) return;
    error = of_sum = std::numeric_limits<double>::infinity();
    met = !with_target;
  }

  AttentionRow report(std::size_t seen, bool sample_tail) const {
    return {
        .keys_touched = static_cast<std::uint32_t>((std::min)(seen, std::size_t{touched} + draws)),
        .samples = draws,
        .error = static_cast<float>(error),
        .path = touched == seen ? AttentionPath::exact
                : sample_tail   ? AttentionPath::sampled
                                : AttentionPath::top_only,
        .target_met = met,
        .log_z_error = log_error(of_sum)};
  }
};

}  // namespace lazygumbel::detail

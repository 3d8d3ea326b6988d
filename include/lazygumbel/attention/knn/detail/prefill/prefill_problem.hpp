#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "lazygumbel/attention/exact/attention_output.hpp"
#include "lazygumbel/attention/exact/detail/draw_error.hpp"
#include "lazygumbel/attention/exact/heads_view.hpp"
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
  std::size_t first, count;  ///< rows
  std::size_t window;        ///< keys from here on are met by all
  Eigen::ArrayXf counts{};   ///< of each list's keys before the window
  bool has_tail = false;
  std::size_t tail = 0;  ///< the plan's block of its first draws
};

/// What is known of one row of a segment.
struct PrefillRow {
  std::uint32_t touched = 0;  ///< keys met with certainty
  std::uint32_t draws = 0;
  double log_sum = 0.0, error = 0.0;
  double of_sum = 0.0;                    ///< |Z^ - Z| / Z^
  double factor = 0.0, sum_factor = 0.0;  ///< norm_quantile, of o^ and of Z^
  double wanted = 0.0;                    ///< draws
  bool exact = false, met = true;
  std::vector<std::uint32_t> lists;

  void set_factors(double degrees, double quantile) {
    factor = norm_quantile(degrees, quantile);
    sum_factor = norm_quantile(1.0, quantile);
  }

  /// The row has met these keys, all that it sees.
  void set_exact(std::size_t seen) {
    touched = static_cast<std::uint32_t>(seen);
    draws = 0;
    error = of_sum = 0.0;
    met = true;
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

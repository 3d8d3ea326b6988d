#pragma once

#include <cstddef>

#include "lazygumbel/core/errors.hpp"

namespace lazygumbel {

/// Attention with a sliding window: the query of token t has its scores s_tj = cap(scale <q, k_j>)
/// with the last `window` tokens j = t - window + 1 .. t, itself among them, and one constant score
/// c = `residual_logit` (neither scaled nor capped) with every token before them:
///   o_t = (sum_window e^(s_tj) v_j + e^c sum_before v_j) / Z_t,
///   Z_t = sum_window e^(s_tj) + e^c max(0, t + 1 - window) [+ e^sink].
/// c = 0 masks scores but not values: an old token weighs e^0 = 1. c = -infinity: the plain window,
/// where old tokens weigh nothing.
struct SlidingWindowOptions {
  std::size_t window = 4096;    ///< tokens, the current one among them; at least 1
  double residual_logit = 0.0;  ///< c: at most 1e30, -infinity allowed

  friend bool operator==(const SlidingWindowOptions&, const SlidingWindowOptions&) = default;
};

namespace detail {

inline bool is_residual_logit(double logit) noexcept { return logit <= 1e30; }

/// Throws std::invalid_argument on options out of range.
inline void require_sliding_window(const SlidingWindowOptions& options) {
  if (options.window == 0) throw_invalid("window", options.window, "must be at least 1");
  if (!is_residual_logit(options.residual_logit))  // above, log Z would be no float
    throw_invalid("residual_logit", options.residual_logit,
                  "must be at most 1e30, or -infinity for none");
}

}  // namespace detail
}  // namespace lazygumbel

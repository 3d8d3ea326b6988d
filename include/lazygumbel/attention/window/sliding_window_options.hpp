#pragma once

#include <cstddef>
#include <limits>

#include "lazygumbel/core/errors.hpp"

namespace lazygumbel {

/// Attention with a sliding window: the query of token t has its scores s_tj = cap(scale <q, k_j>)
/// with the last `window` tokens j = t - window + 1 .. t, itself among them, and one constant score
/// c = `residual_logit` (neither scaled nor capped) with every token before them:
///   o_t = (sum_window e^(s_tj) v_j + e^c sum_before v_j) / Z_t,
///   Z_t = sum_window e^(s_tj) + e^c max(0, t + 1 - window) [+ e^sink].
/// c = -infinity, the default: the plain window, where old tokens weigh nothing. c = 0 masks scores
/// but not values: an old token weighs e^0 = 1.
struct SlidingWindowOptions {
  std::size_t window = 4096;  ///< tokens, the current one among them; at least 1
  /// c: at most 1e8, -infinity allowed
  double residual_logit = -std::numeric_limits<double>::infinity();

  friend bool operator==(const SlidingWindowOptions&, const SlidingWindowOptions&) = default;
};

namespace detail {

/// Up to 1e8, weights e^(c - log Z) keep a relative accuracy of 1e-8, since doubles of that size
/// do; and the float next to log Z by which gradients shift is within 4 of it, so that its factor
/// e^(shift - log Z) is an ordinary number.
inline bool is_residual_logit(double logit) noexcept { return logit <= 1e8; }

/// Throws std::invalid_argument on options out of range.
inline void require_sliding_window(const SlidingWindowOptions& options) {
  if (options.window == 0) throw_invalid("window", options.window, "must be at least 1");
  if (!is_residual_logit(options.residual_logit))
    throw_invalid("residual_logit", options.residual_logit,
                  "must be at most 1e8, or -infinity for none");
}

}  // namespace detail
}  // namespace lazygumbel

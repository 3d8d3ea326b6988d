#pragma once

#include <limits>

#include "lazygumbel/attention/exact/attention_gradients.hpp"
#include "lazygumbel/attention/exact/exact_attention_backward.hpp"
#include "lazygumbel/attention/window/detail/window_backward.hpp"
#include "lazygumbel/attention/window/sliding_window_options.hpp"

namespace lazygumbel {

/// Gradients of a loss L through attention with a sliding window (SlidingWindowOptions), given
/// g = dL / d(output). With the weights p_ij = e^(s_ij) / Z_i within the window of query i, the one
/// weight r_i = e^c / Z_i of each of the N_i tokens before it, whose values have the sum U_i, and
/// delta_i = <g_i, o_i> of the whole output,
///   dL/dv_j = sum_{i: j in window} p_ij g_i + sum_{i: j before} r_i g_i,
///   ds_ij = p_ij (<g_i, v_j> - delta_i) cap'(s_ij), j in window,
///   dL/dq_i = scale sum_j ds_ij k_j,  dL/dk_j = scale sum_i ds_ij q_i,
///   dL/dsink = -sum_i p_i,sink delta_i,  dL/dc = sum_i r_i (<g_i, U_i> - N_i delta_i)
/// (the last summed over heads, in out.residual_logit; 0 for c = -infinity).
///
/// `forward`: what sliding_window_attention returned for the same arguments (only values and
/// log_sum_exp are read). `output_gradients`: m x H rows of dv. Written to `out`, whose memory is
/// reused. What is before the windows is summed in double, from the last query back; what is within
/// as in exact_attention_backward, with its errors. The result does not depend on the number of
/// threads. O(m W (3 d + 2 dv)) products for each query head, O(m dv) for each query head and
/// O(n dv) for each kv head for the rest. Thread-safe.
///
/// Throws std::invalid_argument on shapes that do not fit, m > n, options out of range, NaN or
/// infinity in what is read (as in the forward), a forward under whose log_sum_exp the weights of a
/// query sum to more than 1.05, and gradients that overflow float.
/// Source: see SlidingWindowCache, exact_attention_backward.
template <StorageScalar T>
void sliding_window_backward(const HeadsView<float>& queries, const HeadsView<T>& keys,
                             const HeadsView<T>& values, const SlidingWindowOptions& window,
                             const AttentionOptions& options, const AttentionOutput& forward,
                             const HeadsView<float>& output_gradients, AttentionGradients& out) {
  const detail::AttentionShape shape = detail::require_attention(queries, keys, values, options);
  detail::require_sliding_window(window);
  detail::require_window_mask(shape, options);
  detail::require_backward(shape, forward, output_gradients);
  detail::require_finite("queries", queries);
  // As the forward: keys before all windows are not read, values there only for the residual mass.
  const bool residual = window.residual_logit > -std::numeric_limits<double>::infinity();
  const std::size_t first =
      shape.queries > 0 ? detail::WindowTiles(shape, window.window, 1).outside(0) : shape.keys;
  detail::require_finite("keys", keys, first);
  detail::require_finite("values", values, residual && shape.queries > 0 ? 0 : first);
  detail::resize_gradients(shape, out);
  detail::BackwardConstants constants =
      detail::backward_constants(shape, options, forward, output_gradients, out.sink_logits);
  detail::add_windows_backward(queries, keys, values, output_gradients, shape, options,
                               window.window, constants, out);
  if (shape.queries > 0 && residual)
    detail::add_residual_backward(values, output_gradients, shape, options, window, forward,
                                  constants, out);
  detail::require_gradients(shape, forward, constants, out);
}

/// The same with the gradients as one matrix, m x (H dv).
template <StorageScalar T>
void sliding_window_backward(const HeadsView<float>& queries, const HeadsView<T>& keys,
                             const HeadsView<T>& values, const SlidingWindowOptions& window,
                             const AttentionOptions& options, const AttentionOutput& forward,
                             const RowMatrix<float>& output_gradients, AttentionGradients& out) {
  sliding_window_backward(queries, keys, values, window, options, forward,
                          HeadsView<float>(output_gradients, queries.heads()), out);
}

}  // namespace lazygumbel

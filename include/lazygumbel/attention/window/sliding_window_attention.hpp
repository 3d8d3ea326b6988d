#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

#include "lazygumbel/attention/exact/exact_attention.hpp"
#include "lazygumbel/attention/window/detail/window_tiles.hpp"
#include "lazygumbel/attention/window/residual_mass.hpp"
#include "lazygumbel/attention/window/sliding_window_options.hpp"

namespace lazygumbel {

namespace detail {

/// Completes the rows of `out` of query i of one kv head, which have its window, with what is
/// before that, whose values have the sum `sum`.
inline void finish_window_rows(const AttentionShape& shape, const WindowTiles& tiles, double logit,
                               std::size_t kv, std::size_t i, const double* sum,
                               AttentionOutput& out) {
  const std::size_t outside = tiles.outside(i), dv = shape.value_dimension;
  for (std::size_t h = kv * shape.group(); h < (kv + 1) * shape.group(); ++h) {
    add_residual_row(logit, static_cast<double>(outside), sum, dv,
                     out.values.data() + (i * shape.heads + h) * dv,
                     out.log_sum_exp(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(h)));
    out.rows[i * shape.heads + h] = {
        .keys_touched = static_cast<std::uint32_t>(tiles.position(i) + 1 - outside)};
  }
}

/// Throws with the name of what is not finite, of what is read: keys in a window, and the values of
/// these, or with `residual` of all tokens.
template <StorageScalar T>
[[noreturn]] LAZYGUMBEL_COLD void throw_windows_not_finite(const HeadsView<float>& queries,
                                                           const HeadsView<T>& keys,
                                                           const HeadsView<T>& values,
                                                           const WindowTiles& tiles,
                                                           bool residual) {
  const std::size_t first = tiles.outside(0);
  throw_not_finite(queries, keys, values, first, residual ? 0 : first);
}

/// The sum of dv values is finite.
inline bool is_finite_sum(const double* sum, std::size_t dv) {
  return std::all_of(sum, sum + dv, [](double x) { return std::isfinite(x); });
}

/// Few queries: the window of each is streamed.
template <StorageScalar T>
void stream_windows(const HeadsView<float>& queries, const HeadsView<T>& keys,
                    const HeadsView<T>& values, const AttentionShape& shape,
                    const SlidingWindowOptions& window, const AttentionOptions& options,
                    AttentionOutput& out) {
  const WindowTiles tiles(shape, window.window, 1, 1);  // runs of one query
  const bool residual = window.residual_logit > -std::numeric_limits<double>::infinity();
  std::vector<double> sums(shape.queries * shape.kv_heads * shape.value_dimension);
  if (residual) sums = run_value_sums(values, tiles, options.threads);
  AttentionOutput work;
  for (std::size_t i = 0; i < shape.queries; ++i) {
    const std::size_t first = tiles.outside(i), count = tiles.position(i) + 1 - first;
    try {
      exact_attention(queries.tokens(i, 1), keys.tokens(first, count), values.tokens(first, count),
                      options, work);
    } catch (const std::invalid_argument&) {  // it counts tokens from `first` on
      throw_windows_not_finite(queries, keys, values, tiles, residual);
    }
    const auto row = static_cast<Eigen::Index>(i);
    out.values.row(row) = work.values.row(0);
    out.log_sum_exp.row(row) = work.log_sum_exp.row(0);
    for (std::size_t kv = 0; kv < shape.kv_heads; ++kv) {
      const double* const sum = sums.data() + (i * shape.kv_heads + kv) * shape.value_dimension;
      if (!is_finite_sum(sum, shape.value_dimension))
        throw_windows_not_finite(queries, keys, values, tiles, residual);
      finish_window_rows(shape, tiles, window.residual_logit, kv, i, sum, out);
    }
  }
}

/// Many queries: matrix products.
template <StorageScalar T>
void multiply_windows(const HeadsView<float>& queries, const HeadsView<T>& keys,
                      const HeadsView<T>& values, const AttentionShape& shape,
                      const SlidingWindowOptions& window, const AttentionOptions& options,
                      AttentionOutput& out) {
  struct Work {
    BlockAttention attention;
    SoftmaxState state;
    std::vector<float> rows;
    std::vector<std::size_t> limits;
  };
  const WindowTiles tiles(shape, window.window, 768);
  const std::size_t group = shape.group(), dv = shape.value_dimension;
  const bool residual = window.residual_logit > -std::numeric_limits<double>::infinity();
  std::vector<double> sums;
  if (residual) sums = run_value_sums(values, tiles, options.threads);
  const Pool<Work> pool;
  const auto make = [&] {
    return Work{{select<ProductKernels>(options.simd), shape.dimension, dv,
                 static_cast<float>(options.softcap)},
                {},
                {},
                {}};
  };
  // The windows of `count` queries from `first` on.
  const auto add_tile = [&](Work& work, std::size_t kv, std::size_t first, std::size_t count) {
    const std::size_t begin = tiles.position(first),
                      before = (std::min)(begin, tiles.window - 1);  // that the first query sees
    gather_queries(queries, shape, kv, first, count, work.rows);
    work.state.start(count * group, work.attention.value_width());
    work.limits.resize(count * group);
    const auto add = [&](std::size_t from, std::ptrdiff_t direction, std::size_t keys_there) {
      work.attention.add(work.rows.data(), static_cast<std::ptrdiff_t>(shape.dimension),
                         keys.row(from, kv), direction * keys.token_stride(), values.row(from, kv),
                         direction * values.token_stride(), keys_there, work.limits.data(), 0.0F,
                         work.state);
    };
    for (std::size_t r = 0; r < work.limits.size(); ++r) work.limits[r] = r / group + 1;
    add(begin, 1, count);
    for (std::size_t r = 0; r < work.limits.size(); ++r)
      work.limits[r] = (std::min)(before, tiles.window - 1 - r / group);
    if (before > 0) add(begin - 1, -1, before);
    if (!work.state.is_finite()) throw_windows_not_finite(queries, keys, values, tiles, residual);
    write_output(shape, options, kv, first, count, work.state, out);
  };
  parallel_for(shape.kv_heads * tiles.runs(), options.threads, [&](std::size_t unit) {
    const std::size_t kv = unit % shape.kv_heads, run = unit / shape.kv_heads;
    pool.borrow(make, [&](Work& work) {
      for (std::size_t i = run * tiles.run; i < tiles.run_end(run); i += tiles.tile)
        add_tile(work, kv, i, (std::min)(tiles.tile, tiles.run_end(run) - i));
    });
    const std::vector<double> none(dv);
    OutsideSum<T> sum(values, kv, tiles.outside(run * tiles.run),
                      residual ? sums.data() + unit * dv : none.data());
    for (std::size_t i = run * tiles.run; i < tiles.run_end(run); ++i)
      finish_window_rows(shape, tiles, window.residual_logit, kv, i,
                         residual ? sum.of(tiles.outside(i)) : none.data(), out);
    if (residual && !is_finite_sum(sum.of(tiles.outside(tiles.run_end(run) - 1)), dv))
      throw_windows_not_finite(queries, keys, values, tiles, residual);
  });
}

}  // namespace detail

/// Attention of the last m of n tokens with a sliding window, each to the tokens up to its own (see
/// SlidingWindowOptions for the formula), into `out`, whose memory is reused: what a
/// SlidingWindowCache that is given the tokens one by one computes for each of them. The window is
/// causal by itself: options.mask must be full. AttentionRow::keys_touched is the number of tokens
/// in the window.
///
/// Windows as in exact_attention; what is before them from running sums of values in double, added
/// to the window's output and log Z in double. With residual_logit -infinity, no row is read that
/// is in no window; else no such key. The result does not depend on `threads`.
/// O(m W (d + dv)) for each query head and O(n dv) for each kv head; memory
/// O((m / 256 + n / 8192) dv) for each kv head besides the output. Thread-safe.
///
/// Throws std::invalid_argument on shapes that do not fit, m > n, options out of range, NaN or
/// infinity in what is read, and scores that overflow float. `out` is then not to be used.
/// Source: see SlidingWindowCache.
template <StorageScalar T>
void sliding_window_attention(const HeadsView<float>& queries, const HeadsView<T>& keys,
                              const HeadsView<T>& values, const SlidingWindowOptions& window,
                              const AttentionOptions& options, AttentionOutput& out) {
  const detail::AttentionShape shape = detail::require_attention(queries, keys, values, options);
  detail::require_sliding_window(window);
  detail::require_window_mask(shape, options);
  detail::resize_output(shape, out);
  if (shape.queries == 0) return;
  if (shape.queries * shape.group() <= detail::streamed_queries)
    return detail::stream_windows(queries, keys, values, shape, window, options, out);
  detail::multiply_windows(queries, keys, values, shape, window, options, out);
}

template <StorageScalar T>
AttentionOutput sliding_window_attention(const HeadsView<float>& queries, const HeadsView<T>& keys,
                                         const HeadsView<T>& values,
                                         const SlidingWindowOptions& window,
                                         const AttentionOptions& options = {}) {
  AttentionOutput out;
  sliding_window_attention(queries, keys, values, window, options, out);
  return out;
}

}  // namespace lazygumbel

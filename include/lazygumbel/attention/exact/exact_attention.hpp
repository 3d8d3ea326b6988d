#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "lazygumbel/attention/exact/attention_options.hpp"
#include "lazygumbel/attention/exact/attention_output.hpp"
#include "lazygumbel/attention/exact/detail/attend_blocked.hpp"
#include "lazygumbel/attention/exact/detail/exact_blocks.hpp"
#include "lazygumbel/attention/exact/detail/output_rows.hpp"
#include "lazygumbel/core/parallel.hpp"

namespace lazygumbel {

namespace detail {

/// Queries (of all heads of a group) up to which keys and values are streamed past each of them;
/// more are multiplied in blocks.
inline constexpr std::size_t streamed_queries = 8;

/// All queries, few: keys and values streamed, split over threads.
template <StorageScalar T>
void attend_streaming(const HeadsView<float>& queries, const HeadsView<T>& keys,
                      const HeadsView<T>& values, const AttentionShape& shape,
                      const AttentionOptions& options, AttentionOutput& out) {
  constexpr std::size_t least_split = 2048;  // keys worth a thread's trouble
  const std::size_t width = select<SoftmaxKernels>(options.simd).width;
  const std::size_t value_width = select<SoftmaxKernels>(options.simd).pad(shape.value_dimension);
  const std::size_t group = shape.group(), m = shape.queries, rows = m * group;
  const std::size_t room = query_room(shape.dimension, width);
  // Parts do not depend on the number of threads, and neither do the sums.
  const std::size_t parts =
      (std::max)(std::size_t{1}, (std::min)(std::size_t{16}, shape.keys / least_split));
  const auto kernel = select<StreamKernels<T>>(options.simd).run;
  std::vector<SoftmaxState> states(shape.kv_heads * parts);
  parallel_for(states.size(), options.threads, [&](std::size_t unit) {
    const std::size_t kv = unit / parts, part = unit % parts;
    SoftmaxState& state = states[unit];
    state.start(rows, value_width);
    std::vector<float> padded(rows * room);
    for (std::size_t r = 0; r < rows; ++r)
      pad_query(queries.row(r / group, kv * group + r % group), shape.dimension, width, shape.scale,
                padded.data() + r * room);
    const std::size_t begin = shape.keys * part / parts, end = shape.keys * (part + 1) / parts;
    const auto attend = [&](std::size_t row, std::size_t count, std::size_t from, std::size_t to) {
      if (from >= to) return;
      kernel({.keys = keys.row(from, kv),
              .values = values.row(from, kv),
              .key_stride = keys.token_stride(),
              .value_stride = values.token_stride(),
              .count = to - from,
              .d = shape.dimension,
              .dv = shape.value_dimension,
              .queries = count,
              .query = padded.data() + row * room,
              .query_row = static_cast<std::ptrdiff_t>(room),
              .softcap = static_cast<float>(options.softcap),
              .largest = state.largest.data() + row,
              .sums = state.sums.data() + row,
              .out = state.row(row),
              .out_row = state.stride(),
              .checks = state.checks.data() + row,
              .lost = state.lost_row(row)});
    };
    std::size_t all = end;  // keys that every query sees are read once for all
    for (std::size_t i = 0; i < m; ++i)
      all = (std::min)(all, options.mask.visible(i, m, shape.keys));
    attend(0, rows, begin, all);
    for (std::size_t i = 0; i < m; ++i)
      attend(i * group, group, (std::max)(begin, all),
             (std::min)(end, options.mask.visible(i, m, shape.keys)));
    if (!state.is_finite()) throw_not_finite(queries, keys, values);
  });
  for (std::size_t kv = 0; kv < shape.kv_heads; ++kv) {
    for (std::size_t part = 1; part < parts; ++part)
      states[kv * parts].merge(states[kv * parts + part]);
    write_output(shape, options, kv, 0, m, states[kv * parts], out);
  }
}

}  // namespace detail

/// Attention over all visible keys, into `out`, whose memory is reused. Few queries stream keys and
/// values once from memory, many multiply blocks of them; float sums within a block, compensated
/// ones (of values) and double ones (of weights) across blocks, so that errors do not grow with n;
/// flash-style, so that scores are never all there. K and V are read where they are, in float, half
/// or bfloat16; head h of the queries uses head h / (heads / kv heads) of keys and values. Threads
/// share kv heads, tiles of queries and, where these are few, parts of the keys, which depend on
/// the shape alone: the result does not depend on `threads`. O(m n (d + dv)) for each query head.
/// Thread-safe.
///
/// Throws std::invalid_argument on shapes that do not fit, options out of range, NaN or infinity in
/// a row that some query sees, and scores that overflow float. `out` is then not to be used.
/// Source: Milakov, Gimelshein, "Online normalizer calculation for softmax", 2018; Dao, Fu, Ermon,
/// Rudra, Re, "FlashAttention", NeurIPS 2022.
template <StorageScalar T>
void exact_attention(const HeadsView<float>& queries, const HeadsView<T>& keys,
                     const HeadsView<T>& values, const AttentionOptions& options,
                     AttentionOutput& out) {
  const detail::AttentionShape shape = detail::require_attention(queries, keys, values, options);
  detail::resize_output(shape, out);
  if (shape.queries == 0) return;
  if (shape.queries * shape.group() <= detail::streamed_queries) {
    detail::attend_streaming(queries, keys, values, shape, options, out);
    return;
  }
  detail::attend_blocked(queries, keys, values, shape, options, out);
}

template <StorageScalar T>
AttentionOutput exact_attention(const HeadsView<float>& queries, const HeadsView<T>& keys,
                                const HeadsView<T>& values, const AttentionOptions& options = {}) {
  AttentionOutput out;
  exact_attention(queries, keys, values, options, out);
  return out;
}

}  // namespace lazygumbel

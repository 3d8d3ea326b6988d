#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "lazygumbel/attention/exact/attention_options.hpp"
#include "lazygumbel/attention/exact/attention_output.hpp"
#include "lazygumbel/attention/exact/detail/exact_blocks.hpp"
#include "lazygumbel/core/detail/pool.hpp"
#include "lazygumbel/core/parallel.hpp"

namespace lazygumbel {

namespace detail {

/// Queries (of all heads of a group) up to which keys and values are streamed past each of them;
/// more are multiplied in blocks.
inline constexpr std::size_t streamed_queries = 8;

/// Fills in the rows of `out` for queries `first` .. + count of kv head `kv`, of which `state` has
/// the rows in the order (query, head of the group).
template <std::same_as<float> Real = float>
void write_output(const AttentionShape& shape, const AttentionOptions& options, std::size_t kv,
                  std::size_t first, std::size_t count, const SoftmaxState& state,
                  AttentionOutput& out) {
  const std::size_t group = shape.group(), dv = shape.value_dimension;
  RowMatrix<Real>& all = out.values;
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t g = 0; g < group; ++g) {
      const std::size_t r = i * group + g, h = kv * group + g;
      const auto row = static_cast<Eigen::Index>(first + i), head = static_cast<Eigen::Index>(h);
      double high = static_cast<double>(state.largest[r]), sum = state.sums[r];
      double scale = 1.0;  // of the values, whose weights are relative to `largest`
      if (!options.sink_logits.empty()) {
        const auto sink = static_cast<double>(options.sink_logits[h]);
        const double top = (std::max)(high, sink);
        if (top > -std::numeric_limits<double>::infinity()) {
          scale = std::exp(high - top);
          sum = sum * scale + std::exp(sink - top);
          high = top;
        }
      }
      auto values =
          all.row(row).segment(static_cast<Eigen::Index>(h * dv), static_cast<Eigen::Index>(dv));
      if (sum > 0.0) {
        values =
            Eigen::Map<const Eigen::RowVectorX<Real>>(state.row(r), static_cast<Eigen::Index>(dv)) *
            static_cast<float>(scale / sum);
        out.log_sum_exp(row, head) = high + std::log(sum);
      } else {
        values.setZero();
        out.log_sum_exp(row, head) = -std::numeric_limits<double>::infinity();
      }
      out.rows[(first + i) * shape.heads + h] = {
          .keys_touched = static_cast<std::uint32_t>(
              options.mask.visible(first + i, shape.queries, shape.keys))};
    }
}

template <std::same_as<float> Real = float>
void resize_output(const AttentionShape& shape, AttentionOutput& out) {
  const auto m = static_cast<Eigen::Index>(shape.queries);
  out.values.resize(m, static_cast<Eigen::Index>(shape.heads * shape.value_dimension));
  out.log_sum_exp.resize(m, static_cast<Eigen::Index>(shape.heads));
  out.rows.resize(shape.queries * shape.heads);
}

/// The queries `first` .. + count of a group of heads, scaled: rows in the order (query, head).
template <std::same_as<float> Real = float>
void gather_queries(const HeadsView<float>& queries, const AttentionShape& shape, std::size_t kv,
                    std::size_t first, std::size_t count, std::vector<float>& rows) {
  const std::size_t group = shape.group(), d = shape.dimension;
  rows.resize(count * group * d);
  float* to = rows.data();
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t g = 0; g < group; ++g, to += d) {
      const float* const from = queries.row(first + i, kv * group + g);
      for (std::size_t j = 0; j < d; ++j)
        to[j] = static_cast<float>(shape.scale * static_cast<double>(from[j]));
    }
}

/// Throws: something that was read is not finite, or becomes so. Names the first such entry.
template <StorageScalar T>
[[noreturn]] LAZYGUMBEL_COLD void throw_not_finite(const HeadsView<float>& queries,
                                                   const HeadsView<T>& keys,
                                                   const HeadsView<T>& values,
                                                   std::size_t first_key = 0,
                                                   std::size_t first_value = 0) {
  require_finite("queries", queries);
  require_finite("keys", keys, first_key);
  require_finite("values", values, first_value);
  throw_invalid("scale * <query, key>", "inf or nan", "scores or sums overflow float");
}

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

/// Many queries: matrix products, tiles of queries over threads.
template <StorageScalar T>
void attend_blocked(const HeadsView<float>& queries, const HeadsView<T>& keys,
                    const HeadsView<T>& values, const AttentionShape& shape,
                    const AttentionOptions& options, AttentionOutput& out) {
  constexpr std::size_t rows_together = 768;  // share the packing of a block of keys
  const std::size_t group = shape.group(), m = shape.queries;
  const std::size_t tile = (std::max)(std::size_t{1}, rows_together / group);
  const std::size_t tiles = (m + tile - 1) / tile;
  struct Work {
    BlockAttention attention;
    SoftmaxState state;
    std::vector<float> rows;
    std::vector<std::size_t> limits;
  };
  const Pool<Work> pool;
  parallel_for(shape.kv_heads * tiles, options.threads, [&](std::size_t unit) {
    // The longest prefixes first: the last unit then keeps nobody waiting.
    const std::size_t kv = unit % shape.kv_heads,
                      first = (tiles - 1 - unit / shape.kv_heads) * tile;
    const std::size_t count = (std::min)(tile, m - first);
    pool.borrow(
        [&] {
          return Work{{select<ProductKernels>(options.simd), shape.dimension, shape.value_dimension,
                       static_cast<float>(options.softcap)},
                      {},
                      {},
                      {}};
        },
        [&](Work& work) {
          gather_queries(queries, shape, kv, first, count, work.rows);
          work.state.start(count * group, work.attention.value_width());
          work.limits.resize(count * group);
          std::size_t most = 0;
          for (std::size_t r = 0; r < work.limits.size(); ++r) {
            work.limits[r] = options.mask.visible(first + r / group, m, shape.keys);
            most = (std::max)(most, work.limits[r]);
          }
          if (most > 0)
            work.attention.add(work.rows.data(), static_cast<std::ptrdiff_t>(shape.dimension),
                               keys.row(0, kv), keys.token_stride(), values.row(0, kv),
                               values.token_stride(), most, work.limits.data(), 0.0F, work.state);
          if (!work.state.is_finite()) throw_not_finite(queries, keys, values);
          write_output(shape, options, kv, first, count, work.state, out);
        });
  });
}

}  // namespace detail

/// Attention over all visible keys, into `out`, whose memory is reused. Few queries stream keys and
/// values once from memory, many multiply blocks of them; float sums within a block, compensated
/// ones (of values) and double ones (of weights) across blocks, so that errors do not grow with n;
/// flash-style, so that scores are never all there. K and V are read where they are, in float, half
/// or bfloat16; head h of the queries uses head h / (heads / kv heads) of keys and values. The
/// result does not depend on `threads`. O(m n (d + dv)) for each query head. Thread-safe.
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
